"""Every case folder, on both servers, with the changes made before and while the task runs.

Cases that need nothing special share one task; what they leave is compared case by case. Those are
also run with arrays for the first rows already.
"""

from collections.abc import Callable

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.content.comparison import compare_tables
from dms_pipeline.content.definitions import Extent
from dms_pipeline.pipeline_config import ReplicatedTable
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.target import PostgresTarget
from dms_pipeline_tests.e2e.case_folders import Case, Mode, all_cases
from dms_pipeline_tests.e2e.case_runs import FRESH, CaseRun, run_cases
from dms_pipeline_tests.e2e.table_contents import source_content, source_tables, target_content
from dms_pipeline_tests.engine_driver import target_rows
from dms_pipeline_tests.two_sides import credentials

MODES: tuple[Mode, ...] = ("ahead", "live", "arrays")
CASES = [
    pytest.param(case, mode, id=f"{case.name}-{mode}")
    for case in all_cases()
    for mode in MODES
    if not (mode == "arrays" and case.runs_alone)
]
RunOf = Callable[[Case, Mode], CaseRun]


@pytest.fixture(scope="session")
def run_of(source_server, postgres) -> RunOf:
    """The run that a case was part of; runs happen once, when the first of their cases asks."""
    product = "mariadb" if source_server.program.is_mariadb else "mysql"
    known: dict[str, CaseRun] = {}

    def run(case: Case, mode: Mode) -> CaseRun:
        if not case.runs_on(product):
            pytest.skip(f"needs {'MySQL' if product == 'mariadb' else 'MariaDB'}")
        group = [case]
        name = f"{case.name} {mode}"
        if not case.runs_alone:
            name = mode
            group = [c for c in all_cases() if not c.runs_alone and c.runs_on(product)]
        if name not in known:
            known[name] = run_cases(source_server.dsn, postgres.dsn, group, mode=mode)
        return known[name]

    return run


@pytest.mark.parametrize(("case", "mode"), CASES)
def test_case(case, mode, run_of, source_server, postgres):
    run = run_of(case, mode)
    if case.expected_error:
        assert run.end["type"] == "failed", run.log
        for line in case.expected_error:
            assert line.format(schema=case.schema(mode)) in run.end["message"]
        return
    assert run.end["type"] == "stopped", run.log
    schema = case.schema(mode)
    assert run.suspended.get(schema, set()) == case.suspended, run.log
    for statement in case.expected:
        text = statement.format(schema=schema)
        assert target_rows(postgres.dsn, text) == [(True,)], text
    if case.is_compared:
        _compare(source_server.dsn, postgres.dsn, case, mode)


def _compare(source_dsn: str, target_dsn: str, case: Case, mode: Mode) -> None:
    schema = case.schema(mode)
    for table, columns in source_tables(source_dsn, schema).items():
        if table in case.suspended:
            continue
        captured = target_content(target_dsn, schema, table, columns)
        assert captured == target_content(target_dsn, schema + FRESH, table, columns), table
        if not case.has_losses:
            assert captured == source_content(source_dsn, schema, table, columns), table
            _check_agrees(source_dsn, target_dsn, TableId(schema, table))


def _check_agrees(source_dsn: str, target_dsn: str, table: TableId) -> None:
    """The product's own comparison raises no false alarm either."""
    source, target = MySQLSource(credentials(source_dsn)), PostgresTarget(credentials(target_dsn))
    [found] = compare_tables(
        {ReplicatedTable(table, table): Extent()}, source=source, target=target,
        checkpoint=source.end(),
    )  # fmt: skip
    assert found.differences == ()
