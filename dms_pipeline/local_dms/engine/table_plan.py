"""How one source table goes to the target: names, column mappings, key, and row encoding."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from dms_pipeline.binlog.row_decoder import PRE_56_TEMPORAL_TYPES, Row
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import LoadError, SourceError
from dms_pipeline.local_dms.engine.copy_format import EncodedRow, Field
from dms_pipeline.local_dms.engine.losses import Losses
from dms_pipeline.local_dms.engine.mapping_rules_expressions import Expression
from dms_pipeline.local_dms.engine.mapping_rules_filters import RowFilter
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import (
    ColumnMapping,
    Conversion,
    TooLongError,
    UnfitValueError,
)

_SHOWN_KEY_CHARACTERS = 100
ADDED = -1


class ValueDoesNotFitError(LoadError):
    """A value of one row that the target's type cannot hold; the row was not written.

    Attributes:
        table: the source table.
        column: the source column, or the added one.
        key: the row's key as text, empty if the table has none.
        reason: what is wrong with the value, without the value.
        is_truncation: whether a shorter part of the value would have fit.
    """

    def __init__(
        self,
        table: TableId,
        column: str,
        *,
        key: tuple[str, ...],
        reason: str,
        is_truncation: bool = False,
    ) -> None:
        shown = ", ".join(part[:_SHOWN_KEY_CHARACTERS] for part in key) or "none"
        super().__init__(f"table {table}, column {column}, key ({shown}): {reason}")
        self.table = table
        self.column = column
        self.key = key
        self.reason = reason
        self.is_truncation = is_truncation


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """A column of the target, or one that is only read for an expression.

    ``index`` is its place in the source table. An added column has none; its mapping converts the
    text of its expression.
    """

    index: int
    source: Column
    target_name: str
    mapping: ColumnMapping
    expression: Expression | None = None


@dataclass(frozen=True, slots=True)
class ExpressionInput:
    """A source column that expressions use: its places in a full load's row and in the source."""

    place: int
    index: int
    name: str
    conversion: Conversion


@dataclass(frozen=True, slots=True)
class TablePlan:
    """A table whose every column is known to be convertible. ``key`` indexes ``columns``.

    ``columns`` are the target's: the ``sourced`` ones first, then those that are ``added``. The
    full load reads ``inputs``: the sourced columns, then those that only expressions need.
    """

    source: SourceTable
    target_schema: str
    target_table: str
    columns: tuple[PlannedColumn, ...]
    key: tuple[int, ...]
    sourced: tuple[PlannedColumn, ...]
    added: tuple[PlannedColumn, ...]
    inputs: tuple[PlannedColumn, ...]
    expression_inputs: tuple[ExpressionInput, ...]
    losses: Losses
    row_filter: RowFilter | None = None

    @property
    def table_id(self) -> TableId:
        return self.source.table_id

    @property
    def key_columns(self) -> tuple[PlannedColumn, ...]:
        return tuple(self.columns[index] for index in self.key)

    def without(self, names: frozenset[str]) -> "TablePlan":
        """The plan without these source columns, of which none is of the key."""
        columns = self.columns
        kept = [place for place, column in enumerate(columns) if column.source.name not in names]
        return replace(
            self,
            columns=tuple(columns[place] for place in kept),
            sourced=tuple(column for column in self.sourced if column.source.name not in names),
            key=tuple(kept.index(place) for place in self.key),
        )

    def takes(self, row: Row) -> bool:
        """Whether a row of the binary log passes the source filters of the mapping rules."""
        return self.row_filter is None or self.row_filter.accepts(row)

    def encode_text(self, row: tuple[bytes | None, ...]) -> EncodedRow:
        """A row of the full load's SELECT, which lists the inputs only.

        Raises:
            ValueDoesNotFitError: the target cannot hold a value of it.
        """
        fields: list[Field] = []
        # Behind the sourced columns are those that only expressions need.
        for column, value in zip(self.sourced, row, strict=False):
            try:
                fields.append(None if value is None else column.mapping.from_text(value))
            except UnfitValueError as error:
                raise self._unfit(column.source.name, error, self._text_key(row)) from error
        if self.added:
            fields += self._added_text(row)
        return tuple(fields)

    def encode_binlog(self, row: Row) -> EncodedRow:
        """A row of the binary log, in the order of the source's columns.

        Raises:
            ValueDoesNotFitError: the target cannot hold a value of it.
        """
        fields: list[Field] = []
        for column in self.sourced:
            value = row[column.index]
            try:
                fields.append(None if value is None else column.mapping.from_binlog(value))
            except UnfitValueError as error:
                raise self._unfit(column.source.name, error, self._binlog_key(row)) from error
        if self.added:
            fields += self._added_binlog(row)
        return tuple(fields)

    def encode_key(self, row: Row) -> EncodedRow:
        """Only the key of a row, as ``key_of`` gives it for the whole encoded row.

        Raises:
            ValueDoesNotFitError: the target cannot hold a value of the key.
        """
        fields: list[Field] = []
        for column in self.key_columns:
            if column.expression is not None:
                return self.key_of(self.encode_binlog(row))
            value = row[column.index]
            try:
                fields.append(None if value is None else column.mapping.from_binlog(value))
            except UnfitValueError as error:
                raise self._unfit(column.source.name, error, self._binlog_key(row)) from error
        return tuple(fields)

    def key_of(self, row: EncodedRow) -> EncodedRow:
        return tuple([row[index] for index in self.key])

    def check_columns(self, column_types: bytes) -> None:
        """Refuse rows that were logged when the table had another shape than now."""
        if len(column_types) != len(self.source.columns):
            raise LoadError(
                f"rows of table {self.table_id} in the binary log have {len(column_types)} columns,"
                f" the table has {len(self.source.columns)} now: its definition changed after those"
                " rows were written; run a full load"
            )
        for column in self.inputs:
            if column_types[column.index] in PRE_56_TEMPORAL_TYPES and (
                column.source.fraction_digits
            ):
                raise SourceError(
                    f"column {column.source.name} of table {self.table_id} keeps fractions"
                    " of seconds in the format before MySQL 5.6, which is not read;"
                    " ALTER TABLE ... FORCE rewrites it"
                )

    def _added_text(self, row: tuple[bytes | None, ...]) -> list[Field]:
        key = partial(self._text_key, row)
        values = {
            item.name: self._input(item, item.conversion.from_text, row[item.place], key)
            for item in self.expression_inputs
        }
        return self._evaluate(values, key)

    def _added_binlog(self, row: Row) -> list[Field]:
        key = partial(self._binlog_key, row)
        values = {
            item.name: self._input(item, item.conversion.from_binlog, row[item.index], key)
            for item in self.expression_inputs
        }
        return self._evaluate(values, key)

    def _input(
        self,
        item: ExpressionInput,
        convert: Callable[[Any], bytes | None],
        value: Any,
        key: Callable[[], tuple[str, ...]],
    ) -> str | None:
        try:
            plain = None if value is None else convert(value)
        except UnfitValueError as error:
            raise self._unfit(item.name, error, key()) from error
        return None if plain is None else plain.decode()

    def _evaluate(
        self, values: dict[str, str | None], key: Callable[[], tuple[str, ...]]
    ) -> list[Field]:
        fields: list[Field] = []
        for column in self.added:
            text = None if column.expression is None else column.expression.evaluate(values)
            try:
                fields.append(None if text is None else column.mapping.from_text(text.encode()))
            except UnfitValueError as error:
                raise self._unfit(column.target_name, error, key()) from error
        return fields

    def _text_key(self, row: tuple[bytes | None, ...]) -> tuple[str, ...]:
        return tuple(
            _shown(column.mapping.conversion, column.mapping.conversion.from_text, row[index])
            for index, column in zip(self.key, self.key_columns, strict=True)
            if index < len(self.sourced)
        )

    def _binlog_key(self, row: Row) -> tuple[str, ...]:
        return tuple(
            _shown(column.mapping.conversion, column.mapping.conversion.from_binlog, row[index])
            for column in self.key_columns
            if (index := column.index) != ADDED
        )

    def _unfit(
        self, column: str, error: UnfitValueError, key: tuple[str, ...]
    ) -> ValueDoesNotFitError:
        return ValueDoesNotFitError(
            self.table_id,
            column,
            key=key,
            reason=str(error),
            is_truncation=isinstance(error, TooLongError),
        )


def _shown(conversion: Conversion, convert: Callable[[Any], bytes | None], value: Any) -> str:
    """A part of a key for a message, which the target must be able to keep as text."""
    if value is None:
        return "NULL"
    try:
        plain = convert(value) or b""
    except UnfitValueError:
        plain = value if isinstance(value, bytes) else str(value).encode()
    if conversion.form == "bytes":
        return f"\\x{plain.hex()}"
    text = plain.decode(errors="replace")
    return text if text.isprintable() else ascii(text)[1:-1]
