"""An engine that moves no rows but behaves like one: scripted by task name, synchronous.

    engine = FakeEngine()
    engine.script("load", Script(tables=[table_row("db", "t", Inserts=3)]))
    engine.script("bad", Script(fail_with="cannot connect"))
    engine.script("endless", Script(runs_until_stopped=True))

Without a script a task is a load that changes nothing and stops as its specification asks.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dms_pipeline.local_dms.control_plane.task_runner import OnMessage

CHECKPOINT = (
    "checkpoint:V1#27#mysql-bin-changelog.000002:1975:-1:2002:8589936400:"
    "mysql-bin-changelog.000002:1876#0#0#*#0#93"
)


class SteppingClock:
    """A clock that goes on by `step_s` whenever it is read, from the time at which it was made."""

    def __init__(self, step_s: float = 1.0, start: float | None = None) -> None:
        self.now = time.time() if start is None else start
        self.step_s = step_s

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


def table_row(schema: str, table: str, **members: Any) -> dict[str, Any]:
    """The statistics of one table as the engine reports them; applied follows captured."""
    counters = {name: members.pop(name, 0) for name in ("Inserts", "Deletes", "Updates", "Ddls")}
    applied = {f"Applied{name}": count for name, count in counters.items()}
    return {
        "SchemaName": schema,
        "TableName": table,
        **counters,
        **applied,
        "FullLoadRows": 0,
        "FullLoadErrorRows": 0,
        "TableState": "Table completed",
        **members,
    }


@dataclass(frozen=True)
class Script:
    """What one run of a task does; `during` is called while it runs, with the specification."""

    tables: list[dict[str, Any]] = field(default_factory=list)
    checkpoint: str | None = CHECKPOINT
    progress: dict[str, int] = field(default_factory=dict)
    stop_reason: str | None = None
    fail_with: str | None = None
    fail_reason: str = "FATAL_ERROR"
    fails_before_running: bool = False
    runs_until_stopped: bool = False
    during: Callable[[dict[str, Any]], None] | None = None


class FakeEngine:
    """A TaskRunner; `specs` are what it was started with, `handles` the latest run by name."""

    def __init__(self, default: Script | None = None) -> None:
        self.specs: list[dict[str, Any]] = []
        self.handles: dict[str, FakeHandle] = {}
        self.is_ready = False
        self._default = default or Script()
        self._scripts: dict[str, list[Script]] = {}

    def script(self, task_name: str, *runs: Script) -> None:
        """The runs of a task in order; the last one repeats."""
        self._scripts[task_name] = list(runs)

    def start(self, spec: dict[str, Any], on_message: OnMessage) -> "FakeHandle":
        self.specs.append(spec)
        self.is_ready = False
        runs = self._scripts.get(spec["task_name"], [self._default])
        script = runs.pop(0) if len(runs) > 1 else runs[0]
        handle = FakeHandle(spec, on_message, script)
        self.handles[spec["task_name"]] = handle
        handle.run()
        return handle

    def make_ready(self) -> None:
        self.is_ready = True

    def dismiss(self) -> None:
        self.is_ready = False


class FakeHandle:
    """One run; it has ended when `ended`."""

    def __init__(self, spec: dict[str, Any], on_message: OnMessage, script: Script) -> None:
        self.spec = spec
        self.script = script
        self.ended = False
        self.reloads: list[dict[str, str]] = []
        self._on_message = on_message

    def run(self) -> None:
        if self.script.fails_before_running:
            self.fail(self.script.fail_with or "the engine could not start")
            return
        self.send("running")
        if self.script.during:
            self.script.during(self.spec)
        self._report()
        if self.script.fail_with:
            self.fail(self.script.fail_with)
        elif not self.script.runs_until_stopped:
            self.finish(self.script.stop_reason or _reason(self.spec))

    def _report(self) -> None:
        loaded = len(self.script.tables) if self.spec["migration_type"] != "cdc" else 0
        self.send("tables", tables=self.script.tables)
        progress = {
            "full_load_percent": 100,
            "tables_loaded": loaded,
            "tables_loading": 0,
            "tables_queued": 0,
            "tables_errored": 0,
        }
        self.send("progress", **{**progress, **self.script.progress})
        if self.script.checkpoint and self.spec["migration_type"] != "full-load":
            self.send("checkpoint", value=self.script.checkpoint)

    def send(self, kind: str, **members: Any) -> None:
        self._on_message({"type": kind, **members})

    def finish(self, reason: str) -> None:
        self.ended = True
        self.send("stopped", reason=reason)

    def fail(self, message: str) -> None:
        self.ended = True
        self.send("failed", reason=self.script.fail_reason, message=message)

    def stop(self) -> None:
        if not self.ended:
            self.finish("NORMAL")

    def reload(self, tables: Sequence[dict[str, str]]) -> None:
        self.reloads += tables

    def kill(self) -> None:
        if not self.ended:
            self.fail("the engine process ended with status -9")

    def wait(self, timeout_s: float) -> bool:
        return self.ended


def _reason(spec: dict[str, Any]) -> str:
    """How a run with this specification ends when all goes well."""
    if spec["migration_type"] == "full-load":
        return "FULL_LOAD_ONLY_FINISHED"
    full_load = spec["task_settings"]["FullLoadSettings"]
    if spec["migration_type"] == "full-load-and-cdc" and not spec["resume"]:
        if full_load["StopTaskCachedChangesApplied"]:
            return "STOPPED_AFTER_CACHED_EVENTS"
        if full_load["StopTaskCachedChangesNotApplied"]:
            return "STOPPED_AFTER_FULL_LOAD"
    stop = spec["stop_position"] or ""
    return "STOPPED_AT_COMMIT_TIME" if stop.startswith("commit_time") else "STOPPED_AT_SERVER_TIME"
