"""Pipeline folders: what is read, and what is said of what is wrong."""

import json
import shutil
from pathlib import Path

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import ConfigError
from dms_pipeline.pipeline_config import TableChecks, load_pipeline, load_pipelines
from dms_pipeline_tests.a_pipeline import PIPELINES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a pipeline of its own to spoil."""
    shutil.copytree(PIPELINES / "studentdb", tmp_path / "studentdb")
    return tmp_path


def spoil(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / "studentdb" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_shipped_pipeline_is_valid(folder):
    [pipeline] = load_pipelines(folder).pipelines
    assert pipeline.name == "studentdb"
    assert [table.source for table in pipeline.tables] == [TableId("studentdb", "student_details")]
    assert json.loads(pipeline.table_mappings)["rules"]


def test_checks_of_a_table_go_before_those_of_the_pipeline(folder):
    spoil(
        folder,
        "pipeline.yaml",
        "    table: student_details",
        "    table: student_details\n    checks: {content: off, severity: warn}",
    )
    spoil(folder, "pipeline.yaml", "schedule:", "checks: {content: full, blocking: no}\nschedule:")
    [table] = load_pipeline(folder, "studentdb").tables
    assert table.checks == TableChecks(content="off", severity="warn", blocking=False)


@pytest.mark.parametrize(
    ("schema", "table", "is_filtered"),
    [
        ("studentdb", "student_details", True),
        ("%", "student%", True),
        ("studentdb", "student_detail_", True),
        ("studentdb", "student[_]%", True),
        ("studentdb", "student[_]detail", False),
        ("student", "%", False),
    ],
)
def test_filters_of_the_mapping_are_known(folder, schema, table, is_filtered):
    path = folder / "studentdb" / "table_mappings.json"
    mappings = json.loads(path.read_text())
    mappings["rules"].append({
        "rule-type": "selection", "rule-id": "2", "rule-name": "2", "rule-action": "include",
        "object-locator": {"schema-name": schema, "table-name": table},
        "filters": [{
            "filter-type": "source", "column-name": "batch_year",
            "filter-conditions": [{"filter-operator": "null"}],
        }],
    })  # fmt: skip
    path.write_text(json.dumps(mappings))
    [found] = load_pipeline(folder, "studentdb").tables
    assert found.is_filtered == is_filtered


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("pipeline.yaml", "schedule:", "schedule", r"pipeline.yaml, line \d+: not valid YAML"),
        ("pipeline.yaml", "  cron:", "  corn:", "schedule.corn: Extra inputs"),
        ("pipeline.yaml", '"0 * * * *"', '"hourly"', "schedule.cron: .*'hourly' is not a cron"),
        ("pipeline.yaml", "timezone: UTC", "timezone: Mars", "'Mars' is not a time zone"),
        ("pipeline.yaml", "  endpoint: studentdb-source", "", "source.endpoint: Field required"),
        (
            "pipeline.yaml",
            "    table: student_details",
            "    table: student_details\n  - {schema: studentdb, table: student_details}",
            "source table studentdb.student_details is listed twice",
        ),
        (
            "table_mappings.json",
            '"rules": [',
            '"rules": ',
            r"mappings.json, line 10, column 3: not valid",
        ),
        ("table_mappings.json", "selection", "transformation", "at least one rule of rule-type"),
        ("table_mappings.json", '"rule-id": "1",', "", r"rules\[0\]: has no rule-id"),
        ("table_mappings.json", "object-locator", "object", r"rules\[0\]: has no object-locator"),
        ("task_settings.json", "{", "", "task_settings.json, line 2, column 19: not valid JSON"),
    ],
)
def test_fault_is_named_with_file_and_place(folder, file, old, new, words):
    spoil(folder, file, old, new)
    with pytest.raises(ConfigError, match=words):
        load_pipeline(folder, "studentdb")


def test_unknown_pipeline_is_answered_with_those_there_are(folder):
    with pytest.raises(ConfigError, match="no pipeline 'nope' in .*; there is: studentdb"):
        load_pipeline(folder, "nope")


def test_missing_file_is_named(folder):
    (folder / "studentdb" / "task_settings.json").unlink()
    with pytest.raises(ConfigError, match=r"task_settings.json is missing"):
        load_pipeline(folder, "studentdb")


def test_name_that_dms_or_dagster_would_refuse_is_refused_first(folder):
    (folder / "studentdb").rename(folder / "student-db")
    with pytest.raises(ConfigError, match="needs another name"):
        load_pipeline(folder, "student-db")


def test_one_broken_pipeline_leaves_the_others_loadable(folder):
    shutil.copytree(folder / "studentdb", folder / "shop")
    spoil(folder, "pipeline.yaml", "schedule:", "schedule")
    loaded = load_pipelines(folder)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["shop"]
    assert "studentdb/pipeline.yaml, line" in str(loaded.broken["studentdb"])


def test_folder_without_pipelines_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no pipeline"):
        load_pipelines(tmp_path)
