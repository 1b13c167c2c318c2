"""The checks as a user meets them: after a load, and by `dms-pipeline check`."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from dms_pipeline_tests.e2e.local_run import LocalRun, change_yaml, new_local_run


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    with new_local_run(tmp_path_factory.mktemp("checks")) as run:

        def compare(content: dict[str, Any]) -> None:
            content["checks"] = {"content": "full"}

        change_yaml(run.pipelines / "studentdb" / "pipeline.yaml", compare)
        yield run


@pytest.fixture(autouse=True)
def level(loaded: LocalRun) -> None:
    """Whatever a test before did to the source is on the target."""
    loaded.load_incrementally()


TABLE = "studentdb.student_details"


def _failed(run: LocalRun, *arguments: str) -> str:
    done = run.command("check", "studentdb", *arguments)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    return " ".join(said.split())


def test_equal_tables_pass_also_when_the_source_has_gone_on(loaded):
    loaded.execute(f"UPDATE {TABLE} SET batch_year = batch_year + 1 WHERE student_id = 1")
    loaded.insert(2)
    said = " ".join(loaded.succeed("check", "studentdb").split())
    assert "content" in said
    assert "rows are equal" in said
    assert "row_count" in said


def test_a_changed_row_is_named_and_fails_the_check_and_the_next_load(loaded):
    loaded.execute_on_target(f"UPDATE {TABLE} SET name = 'X' WHERE student_id = 3")
    assert re.search(
        r"1 of \d+ rows differ; key \(3\): other values of name", _failed(loaded, TABLE)
    )
    done = loaded.command("run", "studentdb", "incremental")
    assert done.returncode == 1
    assert "key (3): other values of name" in done.stdout + done.stderr
    assert "1 rows written, 0 deleted" in loaded.succeed("repair", "studentdb", TABLE)
    loaded.succeed("check", "studentdb", TABLE)


def test_after_a_rewind_nothing_is_compared_until_the_next_load(loaded):
    loaded.succeed("checkpoint", "rewind", "studentdb", "1", "--reason", "try", "--force")
    assert "inconclusive: the checkpoint was set by hand" in _failed(loaded)
    loaded.load_incrementally()
    loaded.succeed("check", "studentdb")


def test_after_a_load_that_failed_halfway_nothing_is_compared_until_the_next(loaded):
    loaded.insert(1)
    loaded.execute_on_target(
        f"ALTER TABLE {TABLE} ADD CONSTRAINT impossible CHECK (student_id < 0) NOT VALID"
    )
    done = loaded.command("run", "studentdb", "incremental")
    assert done.returncode == 1
    loaded.execute_on_target(f"ALTER TABLE {TABLE} DROP CONSTRAINT impossible")
    loaded.succeed("cleanup", "studentdb")
    words = "has begun and is not recorded: the target may be ahead"
    said = _failed(loaded)
    assert f"row_count: inconclusive: the load of run {_run(said)} {words}" in said
    refused = loaded.command("repair", "studentdb", TABLE)
    assert refused.returncode == 1
    assert words in refused.stderr
    loaded.load_incrementally()
    loaded.succeed("check", "studentdb")


def _run(said: str) -> str:
    [run] = set(re.findall(r"the load of run (\S+)", said))
    return str(run)


def test_a_check_that_cannot_decide_does_not_pass(loaded):
    loaded.execute(f"ALTER TABLE {TABLE} COMMENT 'altered'")
    assert "inconclusive: what a statement at" in _failed(loaded)


def test_an_unknown_table_is_answered_with_those_there_are(loaded):
    assert f"studentdb has no table 'x.y'; it has: {TABLE}" in _failed(loaded, "x.y")


def test_what_control_tables_tell_since_the_load_is_told(loaded):
    loaded.execute_on_target(
        "INSERT INTO public.awsdms_apply_exceptions"
        " VALUES ('t', 'studentdb', 'student_details', now(), 'INSERT', 'value too long')"
    )
    loaded.execute_on_target(
        "CREATE TABLE public.awsdms_suspended_tables (server_name text, task_name text,"
        " table_owner text, table_name text, suspend_reason text, suspend_timestamp timestamp)"
    )
    loaded.execute_on_target(
        "INSERT INTO public.awsdms_suspended_tables"
        " VALUES ('s', 't', 'studentdb', 'student_details', 'Table error', now())"
    )
    loaded.execute_on_target("GRANT SELECT ON public.awsdms_suspended_tables TO PUBLIC")
    words = "no_table_errors: 1 tables suspended, 1 changes not applied; "
    assert f"{words}{TABLE} was suspended: Table error" in _failed(loaded)
    loaded.load_incrementally()
    assert "no table suspended, every change applied" in loaded.succeed("check", "studentdb")


def test_column_that_only_the_target_has_is_drift(loaded):
    loaded.execute_on_target(f"ALTER TABLE {TABLE} ADD COLUMN extra integer")
    assert f"no_schema_drift: 1 found; {TABLE}.extra: only the target has it" in _failed(loaded)
    loaded.execute_on_target(f"ALTER TABLE {TABLE} DROP COLUMN extra")
    loaded.succeed("check", "studentdb")


def test_one_table_is_checked_without_the_load(loaded):
    said = loaded.succeed("check", "studentdb", TABLE)
    assert "row_count" in said
    assert "checkpoint_advanced" not in said


def test_rows_that_the_mapping_filters_are_counted_by_their_keys(loaded):
    path = loaded.pipelines / "studentdb" / "table_mappings.json"
    given = path.read_text()
    loaded.insert(1)
    try:
        path.write_text(_filtered(given, least="1"))
        assert re.search(
            r"row_count: \d+ rows are equal", loaded.succeed("check", "studentdb", TABLE)
        )
        path.write_text(_filtered(given, least="3"))
        assert re.search(
            r"row_count: 2 of \d+ rows differ; key \(1\): not on the source", _failed(loaded, TABLE)
        )
    finally:
        path.write_text(given)


def _filtered(mappings: str, *, least: str) -> str:
    content = json.loads(mappings)
    conditions = [{"filter-operator": "gte", "value": least}]
    content["rules"][0]["filters"] = [
        {"filter-type": "source", "column-name": "student_id", "filter-conditions": conditions}
    ]
    return json.dumps(content)
