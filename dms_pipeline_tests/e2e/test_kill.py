"""`kill -9` at any moment loses nothing: what was loaded stays, what was begun is named."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from dms_pipeline_tests.e2e.local_run import NAME, LocalRun, new_local_run, wait_for

# Long enough to be killed in the middle of it, whatever else the machine does.
_LONG = {"DMS_DRAIN_WINDOW_S": "120"}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    with new_local_run(tmp_path_factory.mktemp("kill")) as run:
        yield run


def _endpoints(run: LocalRun) -> dict[str, Any]:
    rows = run.client("dms").describe_endpoints()["Endpoints"]
    return {row["EndpointIdentifier"]: row["EndpointArn"] for row in rows}


def _metrics(run: LocalRun) -> list[dict[str, Any]]:
    return run.items("dms_load_cdc_metrics")


def _state(run: LocalRun) -> dict[str, Any]:
    return {
        "checkpoints": run.checkpoints(),
        "metrics": _metrics(run),
        "endpoints": _endpoints(run),
        "source": run.source_rows(),
        "target": run.target_rows(),
    }


def _newest_changes(run: LocalRun) -> tuple[int, ...]:
    """Inserts, updates and deletes of the newest load."""
    tables = [row for row in _metrics(run) if "Inserts" in row]
    newest = max(tables, key=lambda row: str(row["load_key"]["S"]))
    return tuple(int(newest[name]["N"]) for name in ("Inserts", "Updates", "Deletes"))


def _long_load(run: LocalRun) -> "subprocess.Popen[str]":
    """An incremental load whose task is running, two rows in."""
    run.insert(2)
    rows = len(run.source_rows())
    process = run.begin("run", "studentdb", "incremental", **_LONG)

    def is_running() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return len(run.target_rows()) == rows

    wait_for("the first rows of the load", is_running)
    return process


def _kill(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _leftover_is_named_and_cleaned_up(run: LocalRun, before: list[dict[str, Any]]) -> None:
    """The next run names what is left and touches nothing; clean-up and a run end equal.

    The dead run is named by its lease, or once that has ended by what it left on AWS.
    """
    run.insert(1)
    refused = run.command("run", "studentdb", "incremental")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert re.search("(is being loaded by|is left over from) run ", refused.stderr)
    assert "`dms-pipeline cleanup studentdb`" in refused.stderr
    assert run.checkpoints() == before
    assert run.left_in_dms() == [f"instance {NAME}", f"task {NAME}"]
    run.succeed("cleanup", "studentdb")
    assert run.left_in_dms() == []
    assert run.checkpoints() == before
    run.load_incrementally()
    assert _newest_changes(run) == (3, 0, 0)


def test_killing_the_whole_stack_loses_nothing_and_the_next_run_loads_exactly_the_new_rows(
    loaded: LocalRun,
):
    loaded.load_incrementally()
    loaded.insert(2)
    before, addresses = _state(loaded), loaded.addresses
    loaded.kill_everything()
    loaded.succeed("local", "up")
    assert loaded.addresses == addresses
    assert _state(loaded) == before
    loaded.insert(3)
    loaded.load_incrementally()
    assert _newest_changes(loaded) == (5, 0, 0)


def test_a_load_whose_command_was_killed_is_named_by_the_next_run(loaded: LocalRun):
    before = loaded.checkpoints()
    _kill(_long_load(loaded))
    assert loaded.checkpoints() == before
    _leftover_is_named_and_cleaned_up(loaded, before)


def test_a_load_whose_servers_were_killed_fails_and_is_named_by_the_next_run(loaded: LocalRun):
    before = loaded.checkpoints()
    process = _long_load(loaded)
    own = {process.pid}
    loaded.kill_everything(but=own)
    output = process.communicate(timeout=180)[0]
    assert process.returncode == 1
    assert "Traceback" not in output
    assert output.count("error: ") == 1
    assert "`dms-pipeline local up`" in output
    loaded.succeed("local", "up")
    assert loaded.checkpoints() == before
    _leftover_is_named_and_cleaned_up(loaded, before)


def test_a_load_killed_together_with_all_servers_is_named_by_the_next_run(loaded: LocalRun):
    before = loaded.checkpoints()
    process = _long_load(loaded)
    loaded.kill_everything()
    process.communicate()
    loaded.succeed("local", "up")
    assert loaded.checkpoints() == before
    dms = loaded.client("dms")

    def has_failed() -> bool:
        (task,) = dms.describe_replication_tasks()["ReplicationTasks"]
        return bool(task["Status"] == "failed")

    wait_for("the target to tell where the task stands", has_failed)
    _leftover_is_named_and_cleaned_up(loaded, before)
