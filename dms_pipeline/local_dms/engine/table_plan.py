"""How one source table goes to the target: names, column mappings, key, and row encoding."""

from dataclasses import dataclass
from typing import Any

from dms_pipeline.binlog.events import Row
from dms_pipeline.binlog.row_decoder import PRE_56_TEMPORAL_TYPES
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import ConfigError, LoadError, SourceError
from dms_pipeline.local_dms.engine.change_batch import EncodedRow, Field, Key
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.type_mapping.catalogue import map_column
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import (
    ColumnMapping,
    UnfitValueError,
)

_SHOWN_KEY_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """A column that goes over; ``index`` is its place in the source table."""

    index: int
    source: Column
    target_name: str
    mapping: ColumnMapping


@dataclass(frozen=True, slots=True)
class TablePlan:
    """A table whose every column is known to be convertible. ``key`` indexes ``columns``."""

    source: SourceTable
    target_schema: str
    target_table: str
    columns: tuple[PlannedColumn, ...]
    key: tuple[int, ...]

    @property
    def table_id(self) -> TableId:
        return self.source.table_id

    @property
    def key_columns(self) -> tuple[PlannedColumn, ...]:
        return tuple(self.columns[index] for index in self.key)

    def encode_text(self, row: tuple[bytes | None, ...]) -> EncodedRow:
        """A row of the full load's SELECT, which lists the planned columns only."""
        fields: list[Field] = []
        for column, value in zip(self.columns, row, strict=True):
            try:
                fields.append(None if value is None else column.mapping.from_text(value))
            except UnfitValueError as error:
                key = [row[index] for index in self.key]
                raise self._unfit(column, error, key) from error
        return tuple(fields)

    def encode_binlog(self, row: Row) -> EncodedRow:
        fields: list[Field] = []
        for column in self.columns:
            value = row[column.index]
            try:
                fields.append(None if value is None else column.mapping.from_binlog(value))
            except UnfitValueError as error:
                key = [row[part.index] for part in self.key_columns]
                raise self._unfit(column, error, key) from error
        return tuple(fields)

    def encode_key(self, row: Row) -> Key:
        """Only the key of a row, as ``key_of`` gives it for the whole encoded row."""
        fields: list[Field] = []
        for column in self.key_columns:
            value = row[column.index]
            fields.append(None if value is None else column.mapping.from_binlog(value))
        return tuple(fields)

    def key_of(self, row: EncodedRow) -> Key:
        return tuple([row[index] for index in self.key])

    def check_columns(self, column_types: bytes) -> None:
        """Refuse rows that were logged when the table had another shape than now."""
        if len(column_types) != len(self.source.columns):
            raise LoadError(
                f"rows of table {self.table_id} in the binary log have {len(column_types)} columns,"
                f" the table has {len(self.source.columns)} now: its definition changed after those"
                " rows were written; run a full load"
            )
        for column in self.columns:
            if column_types[column.index] in PRE_56_TEMPORAL_TYPES and (
                column.source.fraction_digits
            ):
                raise SourceError(
                    f"column {column.source.name} of table {self.table_id} keeps fractions"
                    " of seconds in the format before MySQL 5.6, which is not read;"
                    " ALTER TABLE ... FORCE rewrites it"
                )

    def _unfit(self, column: PlannedColumn, error: UnfitValueError, key: list[Any]) -> LoadError:
        shown = ", ".join(_shown(part) for part in key) or "none"
        return LoadError(
            f"table {self.table_id}, column {column.source.name}, key ({shown}): {error}"
        )


def plan_table(source: SourceTable, rules: MappingRules, target_schema: str) -> TablePlan:
    """Plan by the rules; a ``target_schema`` that is not empty overrides the schema they give."""
    table = source.table_id
    columns = []
    for index, column in enumerate(source.columns):
        name = rules.target_column(table, column.name)
        if name is not None:
            columns.append(PlannedColumn(index, column, name, map_column(table, column)))
    positions = {column.source.name: place for place, column in enumerate(columns)}
    missing = [name for name in source.primary_key if name not in positions]
    if missing:
        raise ConfigError(
            f"the mapping rules leave out column {missing[0]}, which is part of the primary key of"
            f" table {table}; without it changes cannot be applied"
        )
    return TablePlan(
        source=source,
        target_schema=target_schema or rules.target_schema(table),
        target_table=rules.target_table(table),
        columns=tuple(columns),
        key=tuple(positions[name] for name in source.primary_key),
    )


def _shown(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text[:_SHOWN_KEY_CHARACTERS]
