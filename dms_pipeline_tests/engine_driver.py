"""Drives the engine's real process in tests and compares source and target whole."""

import contextlib
import json
import os
import threading
import time
from datetime import UTC, datetime
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql

from dms_pipeline.local_dms.engine.process import main
from dms_pipeline_tests.warm_process import start_warm

_POLL_S = 0.02


def source_spec(dsn: str) -> dict[str, Any]:
    url = urlsplit(dsn)
    return {
        "engine": "mariadb",
        "host": url.hostname,
        "port": url.port,
        "user": unquote(url.username or ""),
        "password": unquote(url.password or ""),
    }


def target_spec(dsn: str) -> dict[str, Any]:
    return {**source_spec(dsn), "dbname": urlsplit(dsn).path.lstrip("/")}


def connect_source(dsn: str, **options: Any) -> Any:
    spec = source_spec(dsn)
    spec.pop("engine")
    return pymysql.connect(**spec, autocommit=True, charset="utf8mb4", ssl_disabled=True, **options)


def quoted(name: str) -> str:
    """The name as MySQL reads it in a statement; by no code of the engine, which it tests."""
    return "`" + name.replace("`", "``") + "`"


def include(schema: str, table: str = "%") -> dict[str, Any]:
    return {
        "rule-type": "selection",
        "rule-id": "1",
        "rule-name": "1",
        "object-locator": {"schema-name": schema, "table-name": table},
        "rule-action": "include",
    }


def server_time(seconds_from_now: float) -> str:
    moment = datetime.fromtimestamp(time.time() + seconds_from_now, UTC)
    return f"server_time:{moment:%Y-%m-%dT%H:%M:%S.%f}"


UPSERT = {
    "ErrorBehavior": {
        "ApplyErrorInsertPolicy": "INSERT_RECORD",
        "ApplyErrorUpdatePolicy": "UPDATE_RECORD",
        "ApplyErrorDeletePolicy": "IGNORE_RECORD",
    }
}
"""Changes that were applied before may be applied again."""
STOP_ON_ERRORS = {
    "ErrorBehavior": {"DataErrorPolicy": "STOP_TASK", "TableErrorPolicy": "STOP_TASK"}
}


def _pipe() -> tuple[IO[str], IO[str]]:
    """Its reading and its writing end."""
    reading, writing = os.pipe()
    return open(reading), open(writing, "w")


class EngineRun:
    """One engine process; its messages are collected as they come."""

    def __init__(self, mysql_dsn: str, postgres_dsn: str, *, rules: list[dict[str, Any]], **spec):
        engine = spec.pop("engine", main)
        full_load = spec.pop("full_load", {})
        settings = {"FullLoadSettings": full_load, **spec.pop("settings", {})}
        self.spec = {
            "task_id": "TASK",
            "task_name": "task",
            "migration_type": "cdc",
            "source": source_spec(mysql_dsn),
            "target": target_spec(postgres_dsn),
            "table_mappings": {"rules": rules},
            "task_settings": settings,
            "start": {"position": spec.pop("position", None), "time": spec.pop("time", None)},
            "resume": False,
            "stop_position": None,
            "counters": None,
            **spec,
        }
        self.messages: list[dict[str, Any]] = []
        task, messages, log = _pipe(), _pipe(), _pipe()
        self.process = start_warm(
            engine, commands=task[0], output=messages[1], errors=log[1], daemon=True
        )
        for own in (task[0], messages[1], log[1]):
            own.close()
        self._commands, self._streams = task[1], (messages[0], log[0])
        self._commands.write(json.dumps(self.spec) + "\n")
        self._commands.flush()
        self.log: list[str] = []
        self._threads = [
            threading.Thread(target=self._read_messages, daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read_messages(self) -> None:
        for line in self._streams[0]:
            self.messages.append(json.loads(line))

    def _read_log(self) -> None:
        self.log.extend(self._streams[1])

    @property
    def is_over(self) -> bool:
        return not self.process.is_alive()

    def reload(self, *tables: tuple[str, str]) -> None:
        named = [{"SchemaName": schema, "TableName": table} for schema, table in tables]
        self._commands.write(json.dumps({"reload": named}) + "\n")
        self._commands.flush()

    def stop(self) -> None:
        # A process that has ended by itself takes nothing; `wait` tells how it ended.
        with contextlib.suppress(BrokenPipeError):
            self._commands.write('{"stop": true}\n')
            self._commands.flush()

    def close_input(self) -> None:
        self._commands.close()

    def signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.process.kill()
        self._finish(10)

    def wait(self, timeout_s: float = 60) -> dict[str, Any]:
        """The last message, after the process has ended."""
        self._finish(timeout_s)
        assert self.process.exitcode == 0, "".join(self.log)
        return self.messages[-1]

    def wait_for(self, kind: str, timeout_s: float = 30) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for message in self.messages:
                if message["type"] == kind:
                    return message
            assert not self.is_over, "".join(self.log)
            time.sleep(_POLL_S)
        raise AssertionError(f"no {kind} message within {timeout_s} s")

    def wait_for_log(self, words: str, timeout_s: float = 30) -> None:
        deadline = time.monotonic() + timeout_s
        while not any(words in line for line in self.log):
            assert not self.is_over, "".join(self.log)
            assert time.monotonic() < deadline, "".join(self.log)
            time.sleep(_POLL_S)

    def _finish(self, timeout_s: float) -> None:
        self.process.join(timeout_s)
        if overdue := not self.is_over:
            self.process.kill()
            self.process.join()
        for thread in self._threads:
            thread.join(10)
        for stream in (self._commands, *self._streams):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        assert not overdue, f"not over within {timeout_s} s\n{''.join(self.log)}"

    @property
    def checkpoint(self) -> str | None:
        values = [m["value"] for m in self.messages if m["type"] == "checkpoint"]
        return values[-1] if values else None

    def counters(self, table: str) -> dict[str, Any]:
        last = [m for m in self.messages if m["type"] == "tables"][-1]
        return next(row for row in last["tables"] if row["TableName"] == table)


def target_rows(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchall()


def run_on_target(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(statement)


def source_rows(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    connection = connect_source(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute(statement)
            return list(cursor.fetchall())
    finally:
        connection.close()
