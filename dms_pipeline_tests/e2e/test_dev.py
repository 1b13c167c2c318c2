"""`dms-pipeline dev`, used through the API that the UI uses."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from dms_pipeline.cli import students
from dms_pipeline_tests.e2e.dagster_dev import Ui, dagster_dev, failure_mails
from dms_pipeline_tests.e2e.local_run import (
    PATIENCE_S,
    LocalRun,
    change_yaml,
    copied_pipelines,
    wait_for,
)

_MYSQL = ["mysql", "studentdb", "student_details"]
_POSTGRES = ["postgres", "studentdb", "student_details"]
_LOADS = ["dms", "studentdb"]

_ASSETS = "{assetNodes {assetKey {path} dependencyKeys {path}}}"
_MATERIALIZATIONS = """query ($key: AssetKeyInput!) {assetOrError(assetKey: $key) {... on Asset {
  assetMaterializations {runId metadataEntries {
    label __typename
    ... on IntMetadataEntry {intValue}
    ... on FloatMetadataEntry {floatValue}}}}}}"""
_CHECKS = """query ($keys: [AssetKeyInput!]) {assetNodes(assetKeys: $keys) {
  assetChecksOrError {... on AssetChecks {
    checks {name executionForLatestMaterialization {runId status evaluation {success}}}}}}}"""
_START = """mutation ($selector: ScheduleSelector!) {
  startSchedule(scheduleSelector: $selector) {
    __typename ... on ScheduleStateResult {scheduleState {status}} ... on PythonError {message}}}"""
_SCHEDULED = """{runsOrError(filter: {
    tags: [{key: "dagster/schedule_name", value: "studentdb_schedule"}]}) {
  ... on Runs {results {runId status}}}}"""


def _numbers(ui: Ui, run_id: str, asset_key: list[str]) -> dict[str, float]:
    """What the UI can plot of the run's materialization of an asset."""
    asset = ui.ask(_MATERIALIZATIONS, key={"path": asset_key})
    (made,) = (row for row in asset["assetMaterializations"] if row["runId"] == run_id)
    return {
        entry["label"]: entry.get("intValue", entry.get("floatValue"))
        for entry in made["metadataEntries"]
        if entry["__typename"] in ("IntMetadataEntry", "FloatMetadataEntry")
    }


def _check(ui: Ui) -> dict[str, Any]:
    """The row count check on the table's newest materialization."""
    (asset,) = ui.ask(_CHECKS, keys=[{"path": _POSTGRES}])
    (check,) = asset["assetChecksOrError"]["checks"]
    assert check["name"] == "row_count"
    found: dict[str, Any] = check["executionForLatestMaterialization"]
    return found


def test_the_ui_loads_checks_schedules_and_mails_and_ctrl_c_stops_it_all(tmp_path: Path):
    run = LocalRun(tmp_path / "local", copied_pipelines(tmp_path))
    change_yaml(
        run.pipelines / "studentdb" / "pipeline.yaml",
        lambda content: content["schedule"].update(cron="* * * * *"),
    )
    with dagster_dev(run, tmp_path) as dev:
        ui, (process,) = dev.ui, dev.processes
        _the_graph_shows_both_sides(ui)
        _loads_are_launched_and_plotted(run, ui)
        _the_check_runs_alone(ui)
        selector = {**ui.location, "scheduleName": "studentdb_schedule"}
        started = ui.ask(_START, selector=selector)
        assert started.get("scheduleState", {}).get("status") == "RUNNING", started
        _a_failed_run_is_mailed(run, ui)
        _the_schedule_loads_by_itself(run, ui)
        assert len(failure_mails(run)) == 1
        # The schedule goes on: one of its loads may be under way.
        wait_for("the end of the newest load", lambda: run.left_in_dms() == [])
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0, dev.log.read_text()
        assert run.processes() == []
    assert "Traceback" not in dev.log.read_text()
    assert run.command("local", "status").returncode == 1


def _the_graph_shows_both_sides(ui: Ui) -> None:
    graph = {
        tuple(node["assetKey"]["path"]): [key["path"] for key in node["dependencyKeys"]]
        for node in ui.ask(_ASSETS)
    }
    assert graph == {tuple(_MYSQL): [], tuple(_POSTGRES): [_MYSQL], tuple(_LOADS): []}


def _loads_are_launched_and_plotted(run: LocalRun, ui: Ui) -> None:
    with students.connect(run.addresses["mysql_dsn"]) as source:
        students.create_table(source)
        students.insert(source, students.first_students())
    full = ui.launch("studentdb_full_load")
    ui.succeeds(full)
    assert _numbers(ui, full, _POSTGRES)["dms/full_load_rows"] == 7
    run.insert(2)
    run.execute("UPDATE studentdb.student_details SET name = 'Z' WHERE student_id = 3")
    run.execute("DELETE FROM studentdb.student_details WHERE student_id = 5")
    incremental = ui.launch("studentdb_incremental_load")
    ui.succeeds(incremental)
    numbers = _numbers(ui, incremental, _POSTGRES)
    changes = {name: numbers[f"dms/{name}"] for name in ("inserts", "updates", "deletes")}
    assert changes == {"inserts": 2, "updates": 1, "deletes": 1}
    numbers = _numbers(ui, incremental, _LOADS)
    assert numbers["dms/checkpoint_sequence"] == 2
    assert numbers["dms/behind_bytes"] == 0
    assert numbers["dms/load_seconds"] > 0
    assert run.source_rows() == run.target_rows()
    check = _check(ui)
    assert (check["runId"], check["status"]) == (incremental, "SUCCEEDED")
    assert check["evaluation"] == {"success": True}


def _the_check_runs_alone(ui: Ui) -> None:
    alone = ui.launch(
        "__ASSET_JOB",
        assetSelection=[],
        assetCheckSelection=[{"assetKey": {"path": _POSTGRES}, "name": "row_count"}],
    )
    ui.succeeds(alone)
    assert _check(ui)["runId"] == alone
    assert _check(ui)["evaluation"] == {"success": True}


def _a_failed_run_is_mailed(run: LocalRun, ui: Ui) -> None:
    failed = ui.launch("studentdb_full_load")
    assert ui.ended(failed) == "FAILURE"
    (mail,) = wait_for("the mail of the failure", lambda: failure_mails(run))
    assert mail["Subject"] == "studentdb: studentdb_full_load failed"
    text = mail.get_content()
    assert f"{ui.url}/runs/{failed}" in text
    assert "it has been loaded before" in text
    assert "dms-pipeline run studentdb full-load --reload" in text
    assert "Traceback" not in text
    assert not any(password in text for password in run.passwords())


def _the_schedule_loads_by_itself(run: LocalRun, ui: Ui) -> None:
    run.insert(4)
    rows = run.source_rows()
    wait_for("a load by the schedule", lambda: run.target_rows() == rows)
    scheduled = ui.ask(_SCHEDULED)["results"]
    assert scheduled
    for one in scheduled:
        ui.succeeds(one["runId"])


def test_the_definitions_load_while_the_stack_is_down(tmp_path: Path):
    run = LocalRun(tmp_path / "never-started", copied_pipelines(tmp_path))
    command = [sys.executable, "-m", "dagster", "definitions", "validate"]
    validated = subprocess.run(
        [*command, "-m", "dms_pipeline.definitions"],
        cwd=tmp_path,
        env=run.environment(DAGSTER_HOME=""),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert not run.home.exists()
