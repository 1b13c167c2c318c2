"""What is asked. Each question is a function: its docstring asks, its answer says what AWS does.

They are asked in the order in which they stand here. The first two are always asked: they create
the instance, and load what the others begin at.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from aws_probe.findings import Answer
from aws_probe.workbench import CONTROL_SCHEMA, SCHEMA, OutOfTimeError, Workbench


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and what is expected: by AWS's documents, or guessed."""

    ask: Callable[[Workbench], Answer]
    expected: str

    @property
    def key(self) -> str:
        """By which `--only` names it."""
        return self.ask.__name__.replace("_", "-")

    @property
    def text(self) -> str:
        return " ".join((self.ask.__doc__ or "").split())


QUESTIONS: list[Question] = []
FIRST = ("set-up", "what-is-created")


def asks(expected: str) -> Callable[[Callable[[Workbench], Answer]], Any]:
    """Adds a function to the questions."""

    def add(ask: Callable[[Workbench], Answer]) -> Callable[[Workbench], Answer]:
        QUESTIONS.append(Question(ask, expected))
        return ask

    return add


@asks("yes; with --as-role, by the orchestrator's policy alone")
def set_up(bench: Workbench) -> Answer:
    """Can an instance be created with its tags, and be asked to reach both endpoints?"""
    bench.set_up()
    return Answer(f"yes, as {bench.role or 'who runs the probe'}")


@asks("NOT NULL on the key only; varchar(n); no defaults; a key named for the table")
def what_is_created(bench: Workbench) -> Answer:
    """What does DMS create in PostgreSQL: NOT NULL, lengths, defaults, keys, generated columns?"""
    bench.sql(
        f"""CREATE TABLE {SCHEMA}.shapes (
            id int PRIMARY KEY, needed varchar(20) NOT NULL, free varchar(20),
            latin varchar(20) CHARACTER SET latin1, price decimal(10,2) DEFAULT 1.5,
            doubled int GENERATED ALWAYS AS (id * 2) STORED, body text, state enum('a', 'bc'),
            UNIQUE KEY only_once (free))""",
        f"""INSERT INTO {SCHEMA}.shapes (id, needed, free, latin, body, state)
            VALUES (1, 'x', 'y', 'z', 'long', 'bc')""",
    )
    task = bench.task("full-load-and-cdc")
    bench.start(task)
    ended = bench.until_ended(task)
    bench.checkpoint = ended.get("RecoveryCheckpoint", "")
    bench.notes["full load"] = ended.get("StopReason")
    columns = bench.target_sql(
        f"""SELECT column_name, data_type, character_maximum_length, is_nullable, column_default
              FROM information_schema.columns
             WHERE table_schema = '{SCHEMA}' AND table_name = 'shapes' ORDER BY ordinal_position"""
    )
    indexes = bench.target_sql(
        f"SELECT indexdef FROM pg_indexes WHERE schemaname = '{SCHEMA}' AND tablename = 'shapes'"
    )
    rows = bench.target_sql(f"SELECT * FROM {SCHEMA}.shapes")
    bench.delete_task(task)
    needed = next((row for row in columns if row[0] == "needed"), None)
    found = f"the column `needed varchar(20) NOT NULL` became {needed}"
    return Answer(found, {"columns": columns, "indexes": indexes, "rows": rows}, not columns)


@asks("refused when the task is created, or the full load stops before the changes")
def both_stops(bench: Workbench) -> Answer:
    """What does a task do for which both StopTaskCachedChanges... settings are true?"""
    both = {"StopTaskCachedChangesApplied": True, "StopTaskCachedChangesNotApplied": True}
    try:
        task = bench.task("full-load-and-cdc", FullLoadSettings=both)
    except ClientError as error:
        return Answer(f"it is refused: {error}")
    bench.start(task)
    ended = bench.until_ended(task)
    bench.delete_task(task)
    return Answer(f"it ends with {ended.get('StopReason')!r}", {"status": ended.get("Status")})


def _idle_load(bench: Workbench) -> dict[str, Any]:
    """A load with nothing to load, watched closely once for several questions."""
    if "idle" in bench.notes:
        return dict(bench.notes["idle"])
    before = bench.checkpoint
    task = bench.task("cdc", start=before)
    seen: dict[str, Any] = {"before": before, "statistics when ready": bench.statistics(task)}
    bench.start(task, stop=bench.server_time())
    while (status := bench.status(task)) not in ("stopped", "failed"):
        seen.setdefault(f"statistics when {status}", bench.statistics(task))
        stats = bench.described_task(task).get("ReplicationTaskStats", {})
        seen[f"percent when {status}"] = stats.get("FullLoadProgressPercent")
        time.sleep(bench.pace.poll_s)
    ended = bench.described_task(task)
    seen["statistics afterwards"] = bench.statistics(task)
    seen["percent afterwards"] = ended.get("ReplicationTaskStats", {}).get(
        "FullLoadProgressPercent"
    )
    seen |= {key: ended.get(key) for key in ("Status", "StopReason", "RecoveryCheckpoint")}
    bench.checkpoint = seen["RecoveryCheckpoint"] or before
    bench.delete_task(task)
    bench.notes["idle"] = seen
    return seen


def _shown(seen: dict[str, Any], word: str) -> dict[str, Any]:
    return {name: value for name, value in seen.items() if name.startswith(word)}


@asks("it stops on time, with STOPPED_AT_SERVER_TIME")
def server_time_on_idle_source(bench: Workbench) -> Answer:
    """Does a server_time stop end a task when nothing happens on the source?"""
    seen = _idle_load(bench)
    return Answer(f"{seen['Status']}, {seen['StopReason']!r}")


@asks("not empty; it may or may not have moved")
def checkpoint_of_idle_load(bench: Workbench) -> Answer:
    """Is the recovery checkpoint set, and does it move, when a load finds nothing?"""
    seen = _idle_load(bench)
    after = seen["RecoveryCheckpoint"]
    moved = "empty" if not after else "the same" if after == seen["before"] else "another one"
    return Answer(f"it is {moved}", {"before": seen["before"], "after": after})


@asks("an empty list, or InvalidResourceStateFault")
def statistics_before_it_runs(bench: Workbench) -> Answer:
    """What does DescribeTableStatistics answer while a task is ready or starting?"""
    shown = _shown(_idle_load(bench), "statistics when")
    words = [f"{name.removeprefix('statistics ')}: {_size(rows)}" for name, rows in shown.items()]
    return Answer("; ".join(words))


def _size(rows: list[Any] | str) -> str:
    return rows if isinstance(rows, str) else f"{len(rows)} tables"


@asks("'Table completed' from the first moment")
def table_state_before_the_first_event(bench: Workbench) -> Answer:
    """Which state has a table of a CDC task before anything has changed in it?"""
    states = {
        name: sorted({row["TableState"] for row in rows})
        for name, rows in _shown(_idle_load(bench), "statistics").items()
        if not isinstance(rows, str)
    }
    return Answer("; ".join(f"{name}: {', '.join(found)}" for name, found in states.items()))


@asks("100 or 0, without meaning")
def progress_of_cdc_task(bench: Workbench) -> Answer:
    """What is FullLoadProgressPercent of a task that only captures changes?"""
    shown = _shown(_idle_load(bench), "percent")
    return Answer("; ".join(f"{name}: {value}" for name, value in shown.items()))


@asks("it stops at once, with nothing applied")
def server_time_in_the_past(bench: Workbench) -> Answer:
    """What does a task do whose server_time stop lies in the past when it is started?"""
    _insert(bench, 10, "before the stop that is over")
    task = bench.task("cdc", start=bench.checkpoint)
    try:
        bench.start(task, stop=bench.server_time(-3600))
    except ClientError as error:
        bench.delete_task(task)
        return Answer(f"the start is refused: {error}")
    states = bench.watched(task)
    ended = bench.described_task(task)
    applied = _is_on_target(bench, 10)
    bench.delete_task(task)
    return Answer(
        f"{ended.get('Status')}, {ended.get('StopReason')!r}, the change "
        f"{'was' if applied else 'was not'} applied",
        {"states": states},
    )


@asks("it never stops by itself")
def commit_time_on_idle_source(bench: Workbench) -> Answer:
    """Does a commit_time stop end a task when nothing happens on the source?"""
    task = bench.task("cdc", start=bench.checkpoint)
    bench.start(task, stop=_commit_time(datetime.now(UTC) + timedelta(seconds=1)))
    states = bench.watched(task)
    ended = bench.described_task(task)
    bench.delete_task(task)
    if states[-1] == "running":
        return Answer(f"no: still running after {bench.pace.watch_s:.0f} s", {"states": states})
    return Answer(f"{ended['Status']}, {ended.get('StopReason')!r}", {"states": states})


@asks("the change of that very second is applied, the later one is not")
def commit_time_boundary(bench: Workbench) -> Answer:
    """Is a change that was committed in the second of a commit_time stop applied?"""
    [(now,)] = bench.sql("SELECT UTC_TIMESTAMP()")
    stop = now + timedelta(seconds=3)
    for number, second in _SECONDS.items():
        _wait_for_second(bench, stop + timedelta(seconds=second))
        _insert(bench, number, f"{second} s from the stop")
    task = bench.task("cdc", start=bench.checkpoint)
    bench.start(task, stop=_commit_time(stop))
    states = bench.watched(task)
    ended = bench.described_task(task)
    applied = {second: _is_on_target(bench, number) for number, second in _SECONDS.items()}
    if ended["Status"] == "stopped" and ended.get("RecoveryCheckpoint"):
        bench.checkpoint = ended["RecoveryCheckpoint"]
    bench.delete_task(task)
    return Answer(
        f"applied, by seconds from the stop: {applied}",
        {"StopReason": ended.get("StopReason"), "states": states},
        is_open=states[-1] == "running",
    )


# The rows of that question, and when each is committed: seconds from the stop.
_SECONDS = {20: -1, 21: 0, 22: 1, 23: 2}


def _wait_for_second(bench: Workbench, second: datetime) -> None:
    """Until that second has begun by the source's clock."""
    while bench.sql("SELECT UTC_TIMESTAMP()")[0][0] < second:
        time.sleep(0.05)


def _commit_time(moment: datetime) -> str:
    return f"commit_time:{moment:%Y-%m-%dT%H:%M:%S}"


@asks("they begin at zero again")
def statistics_after_resume(bench: Workbench) -> Answer:
    """Do the counters of a task go on, or begin anew, when it is resumed?"""
    _insert(bench, 30, "in the first part")
    task = bench.task("cdc", start=bench.checkpoint)
    bench.start(task, stop=bench.server_time())
    bench.until_ended(task)
    if not _is_on_target(bench, 30):
        raise OutOfTimeError(f"nothing was read in {bench.pace.window_s:.0f} s")
    first = _inserts(bench, task)
    _insert(bench, 31, "in the second part")
    bench.start(task, "resume-processing", stop=bench.server_time())
    _until_running(bench, task)
    ended = bench.until_ended(task)
    second = _inserts(bench, task)
    bench.checkpoint = ended.get("RecoveryCheckpoint") or bench.checkpoint
    bench.notes["resumed"] = task
    return Answer(
        f"{first} inserts after the first part, {second} after the second",
        {"StopReason": ended.get("StopReason")},
    )


def _until_running(bench: Workbench, task: str) -> None:
    """A task that is resumed is stopped still for a moment."""
    deadline = time.monotonic() + bench.pace.watch_s
    while bench.status(task) == "stopped" and time.monotonic() < deadline:
        time.sleep(bench.pace.poll_s)


def _inserts(bench: Workbench, task: str) -> int:
    rows = bench.statistics(task)
    return 0 if isinstance(rows, str) else sum(row["Inserts"] for row in rows)


@asks("it stays: the table is the target's")
def transaction_state_after_delete(bench: Workbench) -> Answer:
    """Is a task's row in awsdms_txn_state still there when the task is deleted?"""
    task = bench.notes.get("resumed")
    if task is None:
        return Answer("there was no task to look at", is_open=True)
    before = _transaction_states(bench, task)
    bench.delete_task(task)
    after = _transaction_states(bench, task)
    if not before:
        return Answer("there was no such row while the task was there", {"after": after})
    return Answer("it stays" if after else "it is gone", {"before": before, "after": after})


def _transaction_states(bench: Workbench, task: str) -> list[tuple[Any, ...]]:
    resource = task.rpartition(":")[2]
    return bench.target_sql(
        f"SELECT * FROM {CONTROL_SCHEMA}.awsdms_txn_state"
        f""" WHERE upper("TASK_NAME") = upper('{resource}')"""
    )


@asks("failed, with the server's error 1236, after a minute or so")
def purged_log_with_a_limit(bench: Workbench) -> Answer:
    """How does a task end whose binary log is gone, with RecoveryTimeout = 1?"""
    return _purged_log(bench, recovery_timeout=1)


@asks("it fails with 1236, or waits for ever")
def purged_log_without_a_limit(bench: Workbench) -> Answer:
    """How does a task end whose binary log is gone, with RecoveryTimeout = -1?"""
    return _purged_log(bench, recovery_timeout=-1)


def _purged_log(bench: Workbench, *, recovery_timeout: int) -> Answer:
    oldest = str(bench.sql("SHOW BINARY LOGS")[0][0])
    base, _, number = oldest.rpartition(".")
    gone = f"{base}.{max(int(number) - 1, 0):0{len(number)}d}"
    timeout = {"RecoveryTimeout": recovery_timeout}
    try:
        task = bench.task("cdc", start=f"{gone}:4", ChangeProcessingTuning=timeout)
    except ClientError as error:
        return Answer(f"the task is refused: {error}")
    bench.start(task, stop=bench.server_time(bench.pace.watch_s + bench.pace.window_s))
    states = bench.watched(task)
    ended = bench.described_task(task)
    bench.delete_task(task)
    told = {name: ended.get(name) for name in ("StopReason", "LastFailureMessage")}
    return Answer(f"{states[-1]}, watched for {bench.pace.watch_s:.0f} s at most", told)


@asks("a checkpoint is taken, as on RDS")
def checkpoint_start_on_aurora(bench: Workbench) -> Answer:
    """Does Aurora MySQL take a checkpoint as the start, although it has no native start points?"""
    if not bench.sql("SHOW GLOBAL VARIABLES LIKE 'aurora_version'"):
        return Answer("the source is not Aurora MySQL", is_open=True)
    seen = _idle_load(bench)
    return Answer(f"a load from a checkpoint ended {seen['Status']}, {seen['StopReason']!r}")


@asks("an instance 5 to 15 minutes, a task half a minute, its start one or two")
def how_long_states_last(bench: Workbench) -> Answer:
    """How long do instances and tasks take to come and go?"""
    longest = ", ".join(f"{what} {seconds:g} s" for what, seconds in bench.seconds.items())
    return Answer(f"the longest of each: {longest}", bench.seconds)


@asks("they are gone with it")
def connections_after_delete(bench: Workbench) -> Answer:
    """Are an instance's connections gone with it, and how soon does DMS show that?"""
    began = time.monotonic()
    bench.delete_instance()
    gone_after = None
    while bench.connections() and time.monotonic() - began < bench.pace.patience_s:
        time.sleep(bench.pace.poll_s)
    if not bench.connections():
        gone_after = time.monotonic() - began
    bench.await_no_instance()
    left = bench.connections()
    if left:
        return Answer(f"no: {len(left)} are left when the instance is gone", {"left": left})
    return Answer(f"they are gone {gone_after or 0:.0f} s after the instance was deleted")


@asks("by the second or by the hour; the time of creating and deleting may count")
def billing(bench: Workbench) -> Answer:
    """How is the time of an instance rounded in the bill?"""
    return Answer(
        f"look into Cost Explorer tomorrow: the instance {bench.name} lived "
        f"{bench.instance_seconds():.0f} s, from its creation until it was gone",
        is_open=True,
    )


def _insert(bench: Workbench, number: int, note: str) -> None:
    bench.sql(f"INSERT INTO {SCHEMA}.moments VALUES ({number}, '{note}')")


def _is_on_target(bench: Workbench, number: int) -> bool:
    return bool(bench.target_sql(f"SELECT 1 FROM {SCHEMA}.moments WHERE id = {number}"))
