"""One source table brought to the target twice, by full load and from the binary log.

Uses the engine's parts without a task around them, so that a difference is one of values.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.binlog.events import RowsEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.rows import RowImages
from dms_pipeline.binlog.snapshot import current_position
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.copy_format import CopyFormat, CopyRow, copy_line
from dms_pipeline.local_dms.engine.full_load import _copy, _trusting, load_table
from dms_pipeline.local_dms.engine.lob_settings import LobSettings
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.row_tuples import RowTuples
from dms_pipeline.local_dms.engine.snapshots import open_unload_connection
from dms_pipeline.local_dms.engine.source_schema import read_tables
from dms_pipeline.local_dms.engine.table_plan import TablePlan, ValueDoesNotFitError
from dms_pipeline.local_dms.engine.table_planning import plan_table
from dms_pipeline.local_dms.engine.target_tables import (
    TargetConnection,
    connect_target,
    create_table,
    drop_table,
    names,
    qualified,
    truncate_table,
)
from dms_pipeline.local_dms.engine.task_spec import target_settings
from dms_pipeline.local_dms.engine.type_mapping.catalogue import map_column
from dms_pipeline_tests.arrays_at_once import arrays_at_once
from dms_pipeline_tests.engine_driver import connect_source, include, source_spec, target_spec

TextRow = tuple[str | None, ...]


@dataclass
class Paths:
    """What arrived by either way: every value as PostgreSQL prints it, rows by first column."""

    plan: TablePlan
    loaded: list[TextRow]
    captured: list[TextRow]
    unfit_loaded: list[ValueDoesNotFitError] = field(default_factory=list)
    unfit_captured: list[ValueDoesNotFitError] = field(default_factory=list)

    def column(self, name: str) -> list[str | None]:
        """A target column's values, after both ways were found to agree."""
        assert self.loaded == self.captured
        place = [column.target_name for column in self.plan.columns].index(name)
        return [row[place] for row in self.loaded]


class BothPaths:
    """A schema on the source, and two on the target."""

    def __init__(self, mysql_dsn: str, postgres_dsn: str, schema: str) -> None:
        spec = source_spec(mysql_dsn)
        self._settings = ConnectionSettings(
            spec["host"], spec["port"], spec["user"], spec["password"]
        )
        self._target_settings = target_settings(target_spec(postgres_dsn))
        self.schema = schema
        self._source = connect_source(mysql_dsn)
        self.run(
            "SET sql_mode = '', time_zone = '-05:30'",
            f"DROP DATABASE IF EXISTS {schema}",
            f"CREATE DATABASE {schema} DEFAULT CHARSET utf8mb4",
            f"USE {schema}",
        )

    def run(self, *statements: str) -> None:
        with self._source.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def insert(self, table: str, rows: Iterable[Iterable[Any]]) -> None:
        with self._source.cursor() as cursor:
            for row in rows:
                values = tuple(row)
                places = ", ".join(["%s"] * len(values))
                cursor.execute(f"INSERT INTO {table} VALUES ({places})", values)

    def close(self) -> None:
        self.run(f"DROP DATABASE {self.schema}")
        self._source.close()

    def table(
        self,
        definition: str,
        inserts: Iterable[Iterable[Any]] = (),
        *,
        statements: Iterable[str] = (),
        rules: Iterable[dict[str, Any]] = (),
        lobs: LobSettings | None = None,
    ) -> Paths:
        """Create table ``t``, fill it, and bring it over both ways."""
        self.run("DROP TABLE IF EXISTS t", f"CREATE TABLE t ({definition})")
        start = current_position(self._source)
        self.insert("t", inserts)
        self.run(*statements)
        end = current_position(self._source)
        table = TableId(self.schema, "t")
        source = read_tables(self._source, {table: 0})[table]
        mapping = MappingRules.from_message({"rules": list(rules) or [include(self.schema)]})
        plans = [
            plan_table(source, mapping, f"{self.schema}_{way}", lobs or LobSettings())
            for way in ("loaded", "captured", "captured_as_tuples", "captured_as_arrays")
        ]
        with connect_target(self._target_settings) as target:
            paths = Paths(plans[0], [], [])
            self._load(target, plans[0], paths)
            as_tuples = self._capture(target, plans[1:], start, end, paths)
            paths.loaded, paths.captured = (_rows(target, plan) for plan in plans[:2])
            if as_tuples:
                assert _rows(target, plans[2]) == paths.captured
                assert _rows(target, plans[3]) == paths.captured
        return paths

    def _load(self, target: TargetConnection, plan: TablePlan, paths: Paths) -> None:
        unload = open_unload_connection(self._settings)
        load_table(
            unload,
            target,
            plan,
            prep_mode="DROP_AND_CREATE",
            on_rows=lambda _: None,
            should_stop=lambda: False,
            on_unfit=paths.unfit_loaded.append,
        )
        if not (paths.unfit_loaded or plan.added):
            loaded = _rows(target, plan), plan.losses.counts.copy()
            for copy_format in CopyFormat:
                plan.losses.counts.clear()
                _load_trusting(unload, target, plan, copy_format)
                assert (_rows(target, plan), plan.losses.counts) == loaded
            plan.losses.counts.clear()
            with arrays_at_once():
                _load_trusting(unload, target, plan, CopyFormat.BINARY)
            assert (_rows(target, plan), plan.losses.counts) == loaded
        unload.close()

    def _capture(
        self,
        target: TargetConnection,
        plans: list[TablePlan],
        start: BinlogPosition,
        end: BinlogPosition,
        paths: Paths,
    ) -> bool:
        """Decoded rows as text, and their images as tuples where the table allows it: if it did.

        One by one by functions, and each event's at once by arrays.
        """
        plan, tuples_plan, arrays_plan = plans
        lines, tuples, arrays = [], [], list[bytes]()
        maker: RowTuples | None = None
        for event in self._events(plan.table_id, start, end):
            plan.check_columns(event.column_types)
            assert isinstance(event.rows, RowImages)
            maker = RowTuples.of(tuples_plan, event.rows.table_map.columns)
            fitting: list[int] = []
            for row, (image, _) in zip(event.rows, event.rows.spans(), strict=True):
                try:
                    if plan.takes(row):
                        lines.append(copy_line(plan.encode_binlog(row)))
                        if maker is not None:
                            tuples.append(maker.copy_tuple(event.rows.data, image))
                            fitting.append(image)
                except ValueDoesNotFitError as error:
                    paths.unfit_captured.append(error)
            many = RowTuples.of(arrays_plan, event.rows.table_map.columns)
            if many is not None:
                with arrays_at_once():
                    arrays += many.copy_tuples(event.rows.data, fitting).pieces
        _write(target, plan, CopyFormat.TEXT, lines)
        _write(target, tuples_plan, CopyFormat.BINARY, tuples)
        _write(target, arrays_plan, CopyFormat.BINARY, arrays)
        return maker is not None

    def _events(
        self, table: TableId, start: BinlogPosition, end: BinlogPosition
    ) -> Iterable[RowsEvent]:
        """Every rows event, all of them inserts."""
        deadline = time.monotonic() + 30
        with BinlogStream(self._settings, start=start, include=table.__eq__) as stream:
            while stream.safe_position < end:
                assert time.monotonic() < deadline
                event = stream.poll(0.1)
                if isinstance(event, RowsEvent):
                    assert event.kind == "insert"
                    yield event


def _load_trusting(
    source: Any, target: TargetConnection, plan: TablePlan, copy_format: CopyFormat
) -> None:
    """In this format, which every table has whose columns keep their types."""
    truncate_table(target, plan)
    takes_binary = copy_format is CopyFormat.BINARY
    with _trusting(source, plan, takes_binary=takes_binary) as rows:
        assert rows.format is copy_format or _changes_types(plan)
        _copy(target, plan, rows, on_rows=lambda _: None, should_stop=lambda: False)


def _changes_types(plan: TablePlan) -> bool:
    """Whether a rule gives a column another type than that of the catalogue."""
    return any(
        column.mapping.target_type != map_column(plan.table_id, column.source).target_type
        for column in plan.columns
    )


def _write(
    target: TargetConnection, plan: TablePlan, copy_format: CopyFormat, rows: list[CopyRow]
) -> None:
    drop_table(target, plan)
    create_table(target, plan)
    option = sql.SQL(copy_format.value)
    statement = sql.SQL("COPY {} ({}) FROM STDIN ({})").format(
        qualified(plan), names(plan.columns), option
    )
    with target.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(copy_format.stream(rows))


def _rows(target: TargetConnection, plan: TablePlan) -> list[TextRow]:
    columns = sql.SQL(", ").join(
        sql.SQL("t.{}::text").format(sql.Identifier(c.target_name)) for c in plan.columns
    )
    first = sql.Identifier(plan.columns[0].target_name)
    statement = sql.SQL("SELECT {} FROM {} AS t ORDER BY t.{}")
    return target.execute(statement.format(columns, qualified(plan), first)).fetchall()
