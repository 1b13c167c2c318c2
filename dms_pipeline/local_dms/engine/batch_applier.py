"""Net changes of whole batches into the target: COPY into a temporary table, then set operations.

Works inside the caller's target transaction. Either everything of a batch fits, or an error says so
and the caller rolls back and applies the batch row by row, where the error policies decide.
"""

from collections.abc import Iterable
from itertools import chain

import psycopg
from psycopg import sql

from dms_pipeline.binlog.events import RowKind
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.change_batch import BagChanges, NetChanges
from dms_pipeline.local_dms.engine.copy_format import (
    CopyFormat,
    CopyRow,
    EncodedRow,
    copy_line,
)
from dms_pipeline.local_dms.engine.error_policies import ErrorPolicies
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn, TablePlan
from dms_pipeline.local_dms.engine.target_tables import (
    TargetConnection,
    has_planned_types,
    names,
    qualified,
)

_STAGING_SCHEMA = "pg_temp"
_COUNT_COLUMN = "local_dms_count"

TableNet = tuple[TablePlan, NetChanges | BagChanges]


class ConflictError(Exception):
    """The target does not hold what the changes expect; row by row the policies decide."""


class BatchApplier:
    """Applies over one connection; staging tables live as long as the connection."""

    def __init__(self, target: TargetConnection, policies: ErrorPolicies) -> None:
        self._target = target
        self._policies = policies
        self._staging: dict[tuple[TableId, str], sql.Identifier] = {}
        self._staging_count = 0
        self._needing_text: set[TableId] = set()

    def needs_text(self, plan: TablePlan) -> bool:
        """Whether the target's columns are known to have other types than those planned."""
        return plan.table_id in self._needing_text

    def forget_staging(self) -> None:
        """After a rollback or a change of a table: its staging tables are gone or of old shape."""
        self._staging.clear()

    def apply(self, changes: Iterable[TableNet]) -> None:
        """Raises ConflictError or psycopg.Error; the caller's transaction is void then."""
        for plan, net in changes:
            if isinstance(net, BagChanges):
                self._apply_bag(plan, net)
            elif net.format is CopyFormat.TEXT:
                self._apply_keyed(plan, net)
            else:
                self._apply_binary(plan, net)

    def _apply_binary(self, plan: TablePlan, net: NetChanges) -> None:
        """Columns of other types would take the bytes for another value, or for none."""
        if not has_planned_types(self._target, plan):
            self._needing_text.add(plan.table_id)
            raise ConflictError(f"columns of {plan.table_id} have other types on the target")
        self._apply_keyed(plan, net)

    def _apply_keyed(self, plan: TablePlan, net: NetChanges) -> None:
        """What leaves goes first, so that values of unique keys are free for what comes."""
        for first, keys in net.deletes.items():
            self._delete(plan, net.format, keys, first)
        if not (self._is_strict("insert") and self._is_strict("update")):
            self._upsert(plan, net)
            return
        if net.updates:
            self._update(plan, net)
        if net.inserts:
            # A key that is there already is refused, and then the policies decide row by row.
            columns = names(plan.columns)
            self._copy(qualified(plan), net.format, net.inserts, columns)

    def _delete(
        self, plan: TablePlan, copy_format: CopyFormat, keys: list[CopyRow], first: RowKind
    ) -> None:
        """Keys that are gone in the end; their first change tells whether the target has them."""
        staging = self._stage(plan, "keys", plan.key_columns, copy_format, keys)
        gone = self._delete_staged(plan, staging)
        self._empty(staging)
        if self._is_strict(first) and gone != (0 if first == "insert" else len(keys)):
            raise ConflictError

    def _is_strict(self, first: RowKind) -> bool:
        """Whether a row that should not have been there, or should have, is a matter of policy."""
        policies = self._policies
        tolerated = {
            "insert": policies.insert == "INSERT_RECORD",
            "update": policies.update == "UPDATE_RECORD",
            "delete": policies.delete == "IGNORE_RECORD",
        }
        return not tolerated[first]

    def _update(self, plan: TablePlan, net: NetChanges) -> None:
        staging = self._stage(plan, "rows", plan.columns, net.format, net.updates)
        try:
            with self._target.transaction():
                changed = self._update_staged(plan, staging)
        except psycopg.errors.UniqueViolation:
            # A unique key beside the primary key: values that moved between rows collide unless all
            # old rows leave before the first new one comes.
            changed = self._replace(plan, staging)
        self._empty(staging)
        if changed != len(net.updates):
            raise ConflictError

    def _upsert(self, plan: TablePlan, net: NetChanges) -> None:
        """Whether a row is there or not, where the policies say so."""
        by_first: tuple[tuple[RowKind, list[CopyRow]], ...]
        by_first = (("update", net.updates), ("insert", net.inserts))
        for first, rows in by_first:
            if rows and self._is_strict(first):
                existing = self._count_existing(plan, net.format, rows)
                if existing != (0 if first == "insert" else len(rows)):
                    raise ConflictError
        if not (net.updates or net.inserts):
            return
        all_rows = chain(net.updates, net.inserts)
        staging = self._stage(plan, "rows", plan.columns, net.format, all_rows)
        try:
            with self._target.transaction():
                self._upsert_staged(plan, staging)
        except psycopg.errors.UniqueViolation:
            self._replace(plan, staging)
        self._empty(staging)

    def _count_existing(
        self, plan: TablePlan, copy_format: CopyFormat, rows: Iterable[CopyRow]
    ) -> int:
        staging = self._stage(plan, "rows", plan.columns, copy_format, rows)
        existing = self._count_staged(plan, staging)
        self._empty(staging)
        return existing

    def _count_staged(self, plan: TablePlan, staging: sql.Identifier) -> int:
        row = self._target.execute(
            sql.SQL("SELECT count(*) FROM {} AS target JOIN {} AS staging ON {}").format(
                qualified(plan), staging, _same_key(plan)
            )
        ).fetchone()
        return int(row[0]) if row else 0

    def _delete_staged(self, plan: TablePlan, staging: sql.Identifier) -> int:
        return self._target.execute(
            sql.SQL("DELETE FROM {} AS target USING {} AS staging WHERE {}").format(
                qualified(plan), staging, _same_key(plan)
            )
        ).rowcount

    def _update_staged(self, plan: TablePlan, staging: sql.Identifier) -> int:
        assignments = [
            sql.SQL("{0} = staging.{0}").format(name) for name in _names_beside_key(plan)
        ]
        if not assignments:
            return self._count_staged(plan, staging)
        return self._target.execute(
            sql.SQL("UPDATE {} AS target SET {} FROM {} AS staging WHERE {}").format(
                qualified(plan), sql.SQL(", ").join(assignments), staging, _same_key(plan)
            )
        ).rowcount

    def _upsert_staged(self, plan: TablePlan, staging: sql.Identifier) -> None:
        assignments = [
            sql.SQL("{0} = EXCLUDED.{0}").format(name) for name in _names_beside_key(plan)
        ]
        on_conflict = (
            sql.SQL("DO UPDATE SET {}").format(sql.SQL(", ").join(assignments))
            if assignments
            else sql.SQL("DO NOTHING")
        )
        columns = names(plan.columns)
        self._target.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT ({}) {}").format(
                qualified(plan), columns, columns, staging, names(plan.key_columns), on_conflict
            )
        )

    def _replace(self, plan: TablePlan, staging: sql.Identifier) -> int:
        """Tells how many rows left; all that are staged are there afterwards."""
        gone = self._delete_staged(plan, staging)
        columns = names(plan.columns)
        self._target.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
                qualified(plan), columns, columns, staging
            )
        )
        return gone

    def _apply_bag(self, plan: TablePlan, changes: BagChanges) -> None:
        if removed := changes.removed():
            self._remove(plan, removed)
        if added := changes.added():
            rows = map(copy_line, added)
            self._copy(qualified(plan), CopyFormat.TEXT, rows, names(plan.columns))

    def _remove(self, plan: TablePlan, removed: list[EncodedRow]) -> None:
        """Of equal rows as many go as were removed.

        Rows are compared by their text, which is exact and, unlike IS NOT DISTINCT FROM, can be
        hashed.
        """
        staging = self._stage(plan, "bag", plan.columns, CopyFormat.TEXT, map(copy_line, removed))
        statement = sql.SQL(
            "DELETE FROM {target} WHERE ctid IN (SELECT place FROM (SELECT target.ctid AS place,"
            " staging.{count} AS wanted, row_number() OVER (PARTITION BY staging.ctid) AS number"
            " FROM {target} AS target JOIN {staging} AS staging ON {same}) AS found"
            " WHERE number <= wanted)"
        ).format(
            target=qualified(plan),
            staging=staging,
            count=sql.Identifier(_COUNT_COLUMN),
            same=sql.SQL("{} = {}").format(_row_text("target", plan), _row_text("staging", plan)),
        )
        gone = self._target.execute(statement).rowcount
        self._empty(staging)
        wanted = sum(int(row[-1] or b"0") for row in removed)
        if gone != wanted and not self._ignores_missing_rows:
            raise ConflictError

    @property
    def _ignores_missing_rows(self) -> bool:
        policies = self._policies
        return policies.delete == "IGNORE_RECORD" and policies.update in (
            "UPDATE_RECORD",
            "IGNORE_RECORD",
        )

    def _stage(
        self,
        plan: TablePlan,
        purpose: str,
        columns: tuple[PlannedColumn, ...],
        copy_format: CopyFormat,
        rows: Iterable[CopyRow],
    ) -> sql.Identifier:
        """Rows in a temporary table that has the types of the target's columns."""
        staging = self._staging_table(plan, purpose, columns)
        self._copy(staging, copy_format, rows)
        return staging

    def _copy(
        self,
        table: sql.Identifier,
        copy_format: CopyFormat,
        rows: Iterable[CopyRow],
        columns: sql.Composed | None = None,
    ) -> None:
        listed = sql.SQL("({})").format(columns) if columns else sql.SQL("")
        option = sql.SQL(copy_format.value)
        statement = sql.SQL("COPY {} {} FROM STDIN ({})").format(table, listed, option)
        with self._target.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(copy_format.stream(rows))

    def _staging_table(
        self, plan: TablePlan, purpose: str, columns: tuple[PlannedColumn, ...]
    ) -> sql.Identifier:
        known = self._staging.get((plan.table_id, purpose))
        if known is not None:
            return known
        self._staging_count += 1
        name = f"local_dms_{self._staging_count}"
        selected = names(columns)
        if purpose == "bag":
            selected = sql.SQL("{}, 0::bigint AS {}").format(
                selected, sql.Identifier(_COUNT_COLUMN)
            )
        self._target.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} AS SELECT {} FROM {} WITH NO DATA").format(
                sql.Identifier(name), selected, qualified(plan)
            )
        )
        staging = sql.Identifier(_STAGING_SCHEMA, name)
        self._staging[plan.table_id, purpose] = staging
        return staging

    def _empty(self, staging: sql.Identifier) -> None:
        self._target.execute(sql.SQL("TRUNCATE TABLE {}").format(staging))


def _same_key(plan: TablePlan) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("target.{0} = staging.{0}").format(sql.Identifier(column.target_name))
        for column in plan.key_columns
    )


def _names_beside_key(plan: TablePlan) -> list[sql.Identifier]:
    key = set(plan.key)
    return [
        sql.Identifier(column.target_name)
        for place, column in enumerate(plan.columns)
        if place not in key
    ]


def _row_text(alias: str, plan: TablePlan) -> sql.Composed:
    columns = sql.SQL(", ").join(
        sql.SQL("{}.{}").format(sql.Identifier(alias), sql.Identifier(column.target_name))
        for column in plan.columns
    )
    return sql.SQL("ROW({})::text").format(columns)
