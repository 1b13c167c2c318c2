"""From a source table and the mapping rules to its plan; what cannot be carried out is refused."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dms_pipeline.binlog.column_sizes import ColumnFormat
from dms_pipeline.errors import ConfigError, SourceError
from dms_pipeline.local_dms.engine.lob_settings import LobSettings
from dms_pipeline.local_dms.engine.losses import TRUNCATED, ZERO_DATE, Losses
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.mapping_rules_expressions import parse_expression
from dms_pipeline.local_dms.engine.mapping_rules_filters import compile_filters
from dms_pipeline.local_dms.engine.mapping_rules_values import TransformationRule
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.table_plan import (
    ADDED,
    ExpressionInput,
    PlannedColumn,
    TablePlan,
)
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import BinaryForm, noting_null
from dms_pipeline.local_dms.engine.type_mapping.catalogue import convert_column
from dms_pipeline.local_dms.engine.type_mapping.changed_type import DataType, changed
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import (
    ColumnMapping,
    Conversion,
    Step,
    UnfitValueError,
)
from dms_pipeline.local_dms.engine.type_mapping.sent_fields import (
    SentColumn,
    SentForm,
    noting_sent_null,
)

logger = logging.getLogger(__name__)

_LONGEST_NAME = 63


def plan_table(
    source: SourceTable,
    rules: MappingRules,
    target_schema: str,
    lobs: LobSettings = LobSettings(),  # noqa: B008 - frozen
) -> TablePlan:
    """Plan by the rules; a ``target_schema`` that is not empty overrides the schema they give.

    Raises:
        ConfigError: the rules contradict the table, or each other.
        SourceError: the table is of a kind, or a column of a type, that is not replicated.
    """
    if source.why_refused:
        raise SourceError(
            f"table {source.table_id} {source.why_refused}; leave it out with an exclude rule"
        )
    return _Planner(source, rules, lobs).plan(target_schema)


class _Planner:
    """The parts of one table's plan."""

    def __init__(self, source: SourceTable, rules: MappingRules, lobs: LobSettings) -> None:
        self._source = source
        self._table = source.table_id
        self._rules = rules
        self._lobs = lobs.for_table(rules.lob_settings.get(source.table_id))
        self._losses = Losses(source.table_id)

    def plan(self, target_schema: str) -> TablePlan:
        key_names = self._rules.primary_key(self._table) or self._source.primary_key
        sourced = self._sourced(frozenset(key_names))
        added = [self._added(rule) for rule in self._rules.added_columns(self._table)]
        columns = (*sourced, *added)
        expressions = self._expression_inputs(added)
        inputs = (*sourced, *self._only_read(sourced, expressions))
        places = {column.source.name: place for place, column in enumerate(inputs)}
        plan = TablePlan(
            source=self._source,
            target_schema=target_schema or self._rules.target_schema(self._table),
            target_table=self._rules.target_table(self._table),
            columns=columns,
            key=self._key(columns, key_names),
            sourced=tuple(sourced),
            added=tuple(added),
            inputs=inputs,
            expression_inputs=tuple(
                ExpressionInput(places[name], column.index, name, column.mapping.conversion)
                for name, column in expressions.items()
            ),
            losses=self._losses,
            row_filter=compile_filters(self._source, self._rules.filters(self._table)),
        )
        self._check_names(plan)
        return plan

    def _sourced(self, key_names: frozenset[str]) -> list[PlannedColumn]:
        columns = []
        for index, column in enumerate(self._source.columns):
            name = self._rules.target_column(self._table, column)
            if name is None:
                continue
            if column.is_falsely_logged:
                logger.warning(
                    "table %s: virtual column %s is left out, as MariaDB logs other values of it"
                    " than the table has",
                    self._table,
                    column.name,
                )
                continue
            conversion = convert_column(self._table, column)
            if conversion.is_lob and self._lobs.mode == "none":
                continue
            mapping = self._mapping(column, conversion, is_key=column.name in key_names)
            columns.append(PlannedColumn(index, column, name, mapping))
        return columns

    def _mapping(self, column: Column, conversion: Conversion, *, is_key: bool) -> ColumnMapping:
        limit = self._lobs.limit
        steps: list[Step] = []
        if conversion.is_lob and limit is not None:
            note = self._losses.noting(column.name, TRUNCATED)
            steps.append(_cut_off(limit, note, is_text=conversion.form == "text"))
        if conversion.form in ("date", "timestamp"):
            note = _refuse_in_key if is_key else self._losses.noting(column.name, ZERO_DATE)
            conversion = _noting_null(conversion, note)
        data_type = self._rules.data_type(self._table, column)
        if data_type is not None:
            conversion = self._changed(column.name, conversion, data_type)
        return ColumnMapping.of(conversion, *steps)

    def _changed(self, column: str, conversion: Conversion, data_type: DataType) -> Conversion:
        try:
            return changed(conversion, data_type)
        except ConfigError as error:
            raise ConfigError(f"column {column} of table {self._table}: {error}") from None

    def _added(self, rule: TransformationRule) -> PlannedColumn:
        expression = parse_expression(rule.expression, self._table)
        text = Conversion("text", "text", bytes, bytes)
        conversion = self._changed(rule.value, text, rule.data_type) if rule.data_type else text
        source = Column(rule.value, "added", "added by a mapping rule")
        return PlannedColumn(ADDED, source, rule.value, ColumnMapping.of(conversion), expression)

    def _expression_inputs(self, added: list[PlannedColumn]) -> dict[str, PlannedColumn]:
        """The source columns that expressions need, with their types as the source has them."""
        needed = {name: c for c in added if c.expression for name in c.expression.columns}
        known = {column.name: index for index, column in enumerate(self._source.columns)}
        columns = {}
        for name, user in needed.items():
            problem = f"the expression of added column {user.target_name} needs column {name}"
            if name not in known:
                raise ConfigError(f"{problem}, which table {self._table} does not have")
            column = self._source.columns[known[name]]
            conversion = convert_column(self._table, column)
            if conversion.form == "bytes":
                raise ConfigError(f"{problem} of table {self._table}, which is binary")
            columns[name] = PlannedColumn(known[name], column, name, ColumnMapping.of(conversion))
        return columns

    def _only_read(
        self, sourced: list[PlannedColumn], expressions: dict[str, PlannedColumn]
    ) -> list[PlannedColumn]:
        """The columns that expressions need and the target does not get."""
        written = {column.source.name for column in sourced}
        return [column for name, column in expressions.items() if name not in written]

    def _key(self, columns: tuple[PlannedColumn, ...], names: tuple[str, ...]) -> tuple[int, ...]:
        places = {column.target_name: place for place, column in enumerate(columns)}
        places |= {column.source.name: place for place, column in enumerate(columns)}
        missing = [name for name in names if name not in places]
        if missing:
            raise ConfigError(
                f"the mapping rules leave out column {missing[0]}, which is part of the primary key"
                f" of table {self._table}; without it changes cannot be applied"
            )
        return tuple(places[name] for name in names)

    def _check_names(self, plan: TablePlan) -> None:
        if not plan.columns:
            raise ConfigError(
                f"no column of table {self._table} is left: the mapping rules leave them out, or"
                " the source logs wrong values of them; leave the table out with an exclude rule"
            )
        seen: dict[str, str] = {}
        for column in plan.columns:
            other = seen.setdefault(column.target_name, column.source.name)
            if other != column.source.name:
                raise ConfigError(
                    f"columns {other} and {column.source.name} of table {self._table} would both be"
                    f" named {column.target_name} on the target; change the transformation rules"
                )
        for name in (plan.target_schema, plan.target_table, *seen):
            if len(name.encode()) > _LONGEST_NAME:
                raise ConfigError(
                    f"table {self._table}: the target name {name} is longer than the"
                    f" {_LONGEST_NAME} bytes PostgreSQL takes; rename it with a transformation rule"
                )


def _noting_null(conversion: Conversion, note: Callable[[], None]) -> Conversion:
    """Tell of every value that becomes NULL."""

    def noting(
        convert: Callable[[Any], bytes | None],
    ) -> Callable[[Any], bytes | None]:
        def both(value: Any) -> bytes | None:
            plain = convert(value)
            if plain is None:
                note()
            return plain

        return both

    def binary(stored: ColumnFormat) -> BinaryForm | None:
        form = conversion.binary(stored)
        return None if form is None else noting_null(form, note)

    def sent(column: SentColumn) -> SentForm | None:
        form = conversion.sent(column)
        return None if form is None else noting_sent_null(form, note)

    return replace(
        conversion,
        from_text=noting(conversion.from_text),
        from_binlog=noting(conversion.from_binlog),
        printed=conversion.printed and noting(conversion.printed),
        binary=binary,
        sent=sent,
    )


def _refuse_in_key() -> None:
    raise UnfitValueError("a zero or impossible date in a key cannot become NULL")


def _cut_off(limit: int, note: Callable[[], None], *, is_text: bool) -> Step:
    """The first ``limit`` bytes, fewer where they would end within a character."""

    def step(value: bytes) -> bytes:
        if len(value) <= limit:
            return value
        note()
        end = limit
        while is_text and value[end] & 0xC0 == 0x80:
            end -= 1
        return value[:end]

    return step
