"""Runs cases through the engine's own process: load, change, capture, load again elsewhere."""

import time
from dataclasses import dataclass, field
from typing import Any

import psycopg
from pymysql.constants import CLIENT

from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.binlog.snapshot import current_position
from dms_pipeline_tests.arrays_at_once import main_with_arrays
from dms_pipeline_tests.e2e.case_folders import Case, Mode
from dms_pipeline_tests.engine_driver import EngineRun, connect_source, include, source_spec

FRESH = "_fresh"
_STANDSTILL_S = 60


@dataclass
class CaseRun:
    """What became of the cases of one task."""

    end: dict[str, Any]
    log: str
    suspended: dict[str, set[str]] = field(default_factory=dict)


def run_cases(
    source_dsn: str,
    target_dsn: str,
    cases: list[Case],
    *,
    mode: Mode,
) -> CaseRun:
    """Every case's tables, by capture in its schema and by a fresh load in a second one."""
    schemas = [case.schema(mode) for case in cases]
    rules = [_numbered(include(schema), number) for number, schema in enumerate(schemas)]
    settings: dict[str, Any] = {}
    for case in cases:
        rules += case.rules
        settings |= case.settings
    for case, schema in zip(cases, schemas, strict=True):
        run_script(source_dsn, schema, case.source_sql, create=True)
        drop_on_target(target_dsn, schema)
    drop_control_tables(target_dsn)
    source = source_spec(source_dsn)
    for case in cases:
        source |= case.endpoint
    options: dict[str, Any] = {"rules": rules, "settings": settings, "source": source}
    if mode == "arrays":
        options["engine"] = main_with_arrays
    first = EngineRun(
        source_dsn, target_dsn, migration_type="full-load-and-cdc",
        full_load={"StopTaskCachedChangesApplied": True}, **options,
    )  # fmt: skip
    end = first.wait(120)
    if end["type"] == "failed":
        return CaseRun(end, "".join(first.log))
    run = _capture(source_dsn, target_dsn, cases, first.checkpoint, mode=mode, options=options)
    if run.messages[-1]["type"] != "failed":
        _load_afresh(source_dsn, target_dsn, options)
    result = CaseRun(run.messages[-1], "".join(run.log))
    for message in run.messages:
        for table in message["tables"] if message["type"] == "tables" else ():
            if table["TableState"] == "Table error":
                result.suspended.setdefault(table["SchemaName"], set()).add(table["TableName"])
    return result


def _capture(
    source_dsn: str,
    target_dsn: str,
    cases: list[Case],
    checkpoint: str | None,
    *,
    mode: Mode,
    options: dict[str, Any],
) -> EngineRun:
    def change() -> None:
        for case in cases:
            run_script(source_dsn, case.schema(mode), case.changes_sql)

    if mode != "live":
        change()
    run = EngineRun(source_dsn, target_dsn, position=checkpoint, **options)
    try:
        if mode == "live":
            run.wait_for("running")
            wait_until_applied(run, source_end(source_dsn))
            change()
        wait_until_applied(run, source_end(source_dsn))
    except BaseException:
        # It would hold the target against every run to come.
        run.kill()
        raise
    if not run.is_over:
        run.stop()
    run.wait(60)
    return run


def _load_afresh(source_dsn: str, target_dsn: str, options: dict[str, Any]) -> None:
    suffix = {
        "rule-type": "transformation", "rule-id": "1", "rule-name": "fresh",
        "rule-target": "schema", "rule-action": "add-suffix", "value": FRESH,
        "object-locator": {"schema-name": "%"},
    }  # fmt: skip
    options = options | {"rules": [*options["rules"], suffix]}
    run = EngineRun(source_dsn, target_dsn, migration_type="full-load", **options)
    assert run.wait(120)["type"] == "stopped", run.messages[-1]


def run_script(dsn: str, schema: str, script: str, *, create: bool = False) -> None:
    """Run a script as one client would, with the schema as its default database."""
    connection = connect_source(dsn, client_flag=CLIENT.MULTI_STATEMENTS)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00', sql_mode = ''")
            if create:
                cursor.execute(f"DROP DATABASE IF EXISTS `{schema}`")
                cursor.execute(f"CREATE DATABASE `{schema}` DEFAULT CHARSET utf8mb4")
            cursor.execute(f"USE `{schema}`")
            if script.strip():
                cursor.execute(script.replace("{schema}", schema))
                while cursor.nextset():
                    pass
    finally:
        connection.close()


def drop_control_tables(dsn: str) -> None:
    """Expectations count rows, and another server may have left some."""
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP TABLE IF EXISTS public.awsdms_apply_exceptions")
        connection.execute("DROP SCHEMA IF EXISTS dms_control CASCADE")


def drop_on_target(dsn: str, schema: str) -> None:
    with psycopg.connect(dsn) as connection:
        for name in (schema, schema + FRESH):
            connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


def source_end(dsn: str) -> BinlogPosition:
    connection = connect_source(dsn)
    try:
        return current_position(connection)
    finally:
        connection.close()


def wait_until_applied(run: EngineRun, end: BinlogPosition) -> None:
    """Until the checkpoint is at ``end`` or the process has ended."""
    checkpoint, moved_at = run.checkpoint, time.monotonic()
    while not run.is_over:
        if run.checkpoint != checkpoint:
            checkpoint, moved_at = run.checkpoint, time.monotonic()
        if checkpoint and parse_checkpoint(checkpoint) >= end:
            return
        if time.monotonic() - moved_at > _STANDSTILL_S:
            run.kill()
            raise AssertionError(f"stuck on the way to {end}: {checkpoint}\n{''.join(run.log)}")
        time.sleep(0.02)


def _numbered(rule: dict[str, Any], number: int) -> dict[str, Any]:
    return {**rule, "rule-id": str(1000 + number), "rule-name": str(1000 + number)}
