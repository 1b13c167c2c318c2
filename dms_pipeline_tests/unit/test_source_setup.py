"""What a source lacks, and what is to be done about it, on servers that are not here."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import ConfigError
from dms_pipeline.pipeline_config import PipelineConfig, ScheduleSection
from dms_pipeline.resources.source import SourceServer
from dms_pipeline.source_setup import (
    RDS_CONFIGURATION,
    Account,
    SourceState,
    Statement,
    Step,
    retention_hours,
    steps,
)
from dms_pipeline_tests.a_pipeline import a_world

_NOW = datetime(2026, 11, 28, tzinfo=UTC)
_LOGGED = {
    "log_bin": "ON",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_expire_logs_seconds": "604800",
}
_READY = SourceState(
    server=SourceServer("8.4.3", "id", _LOGGED, (), None, retention_s=604800),
    service="",
    account=Account("dms", "%"),
    exists=True,
    refusal="",
    privileges=frozenset({"REPLICATION SLAVE", "REPLICATION CLIENT"}),
    readable=frozenset({TableId("studentdb", "student_details"), RDS_CONFIGURATION}),
)


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineConfig:
    return a_world(tmp_path).pipeline


def _left(state: SourceState, pipeline: PipelineConfig, *, hours: int = 24) -> list[Step]:
    found = steps(state, pipeline, password="secret", hours=hours)
    return [step for step in found if not step.is_done]


def _on(version: str, retention_s: float | None = 604800, **variables: str) -> SourceState:
    server = replace(
        _READY.server, version=version, retention_s=retention_s, variables=_LOGGED | variables
    )
    return replace(_READY, server=server)


def test_source_that_is_ready_lacks_nothing(pipeline: PipelineConfig):
    assert _left(_READY, pipeline) == []


@pytest.mark.parametrize(
    ("service", "where"),
    [
        ("", "log_bin and server_id under [mysqld] in my.cnf, and restart"),
        ("RDS", "backup retention period of a day or more"),
        ("Aurora", "binlog_format = ROW in the DB cluster parameter group"),
    ],
)
def test_log_that_is_off_is_told_where_it_is_switched_on(
    pipeline: PipelineConfig, service: Any, where: str
):
    [step] = _left(replace(_on("8.4.3", log_bin="OFF"), service=service), pipeline)
    assert step.statement is None
    assert where in step.finding.problem


@pytest.mark.parametrize(
    ("state", "statement", "advice"),
    [
        (_on("8.4.3", 3600.0), "SET PERSIST binlog_expire_logs_seconds = 86400;", ""),
        (
            _on("10.11.19-MariaDB", 3600.0),
            "SET GLOBAL binlog_expire_logs_seconds = 86400;",
            "my.cnf, too",
        ),
        (
            replace(
                _READY,
                server=replace(
                    _READY.server,
                    version="5.7.44-log",
                    retention_s=3600.0,
                    variables={"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL"},
                ),
            ),
            "SET GLOBAL expire_logs_days = 1;",
            "expire_logs_days = 1 under [mysqld]",
        ),
        (
            replace(_on("8.0.40", 0.0), service="RDS"),
            "CALL mysql.rds_set_configuration('binlog retention hours', 24);",
            "",
        ),
    ],
    ids=["mysql 8", "mariadb", "mysql 5.7", "rds"],
)
def test_retention_is_set_as_the_server_has_it(
    pipeline: PipelineConfig, state: SourceState, statement: str, advice: str
):
    readable = replace(
        state,
        privileges=frozenset({"REPLICATION SLAVE", "REPLICATION CLIENT", "BINLOG MONITOR"}),
    )
    [step] = _left(readable, pipeline)
    assert str(step.statement) == statement
    assert advice in step.advice


def test_logs_that_are_kept_longer_or_for_ever_are_left_so(pipeline: PipelineConfig):
    for kept in (None, 86400.0, 9e9):
        assert _left(_on("8.4.3", kept), pipeline, hours=24) == []


@pytest.mark.parametrize(
    ("version", "grant"),
    [
        ("10.5.2-MariaDB", "GRANT BINLOG MONITOR ON *.*"),
        ("10.4.34-MariaDB", "GRANT REPLICATION CLIENT ON *.*"),
        ("8.4.3", "GRANT REPLICATION CLIENT ON *.*"),
    ],
)
def test_privilege_to_see_the_log_is_spelt_as_the_server_spells_it(
    pipeline: PipelineConfig, version: str, grant: str
):
    state = replace(_on(version), privileges=frozenset({"REPLICATION SLAVE"}))
    [step] = _left(state, pipeline)
    assert str(step.statement) == f"{grant} TO 'dms'@'%';"


def test_signs_of_a_schema_s_name_that_are_patterns_in_grants_are_escaped(
    pipeline: PipelineConfig,
):
    [table] = pipeline.tables
    odd = replace(pipeline, tables=(replace(table, source=TableId("a_b%c`d", "t")),))
    [step] = _left(_READY, odd)
    assert str(step.statement) == "GRANT SELECT ON `a\\_b\\%c``d`.* TO 'dms'@'%';"


def test_compressed_transactions_are_switched_off(pipeline: PipelineConfig):
    [step] = _left(_on("8.4.3", binlog_transaction_compression="ON"), pipeline)
    assert str(step.statement) == "SET PERSIST binlog_transaction_compression = 'OFF';"


def test_password_is_in_no_text_of_a_statement():
    create = Statement("CREATE USER %s@%s IDENTIFIED BY %s", ("o'x", "%"), ("geheim",))
    assert str(create) == "CREATE USER 'o''x'@'%' IDENTIFIED BY '...';"
    assert "geheim" not in repr(create)


def _every(pipeline: PipelineConfig, cron: str) -> PipelineConfig:
    return replace(pipeline, schedule=ScheduleSection(cron=cron, timezone="UTC"))


@pytest.mark.parametrize(
    ("cron", "service", "hours"),
    [
        ("0 * * * *", "", 24),
        ("0 */6 * * *", "", 30),
        ("0 0 * * *", "RDS", 120),
        ("0 0 * * 0", "", 840),
        ("0 0 * * 0", "RDS", 168),
        ("0 0 * * 0", "Aurora", 840),
    ],
)
def test_logs_are_kept_for_five_loads_but_not_longer_than_the_service_can(
    pipeline: PipelineConfig, cron: str, service: Any, hours: int
):
    assert retention_hours(_every(pipeline, cron), service, _NOW, wanted=None) == hours


def test_hours_that_the_service_cannot_keep_are_refused(pipeline: PipelineConfig):
    assert retention_hours(pipeline, "Aurora", _NOW, wanted=2160) == 2160
    with pytest.raises(ConfigError, match="RDS keeps binary logs for 168 hours at most"):
        retention_hours(pipeline, "RDS", _NOW, wanted=169)
