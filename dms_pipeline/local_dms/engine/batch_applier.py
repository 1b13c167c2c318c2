"""Net changes of whole batches into the target: COPY into a temporary table, then set operations.

Works inside the caller's target transaction. Either everything of a batch fits, or an error says so
and the caller rolls back and applies the batch row by row, where the error policies decide.

Statements go to the server several in one message where nothing is to be decided between them. Each
answer that is waited for costs more than the way to the server: this thread then needs Python back
from the one that reads the next batch meanwhile.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any

import psycopg
from psycopg import sql

from dms_pipeline.binlog.events import RowKind
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.change_batch import BagChanges, NetChanges
from dms_pipeline.local_dms.engine.copy_format import (
    CopyFormat,
    CopyRows,
    EncodedRow,
    copy_line,
)
from dms_pipeline.local_dms.engine.error_policies import ErrorPolicies
from dms_pipeline.local_dms.engine.netting import TableNet
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn, TablePlan
from dms_pipeline.local_dms.engine.target_tables import (
    TargetConnection,
    has_planned_types,
    names,
    qualified,
)

_STAGING_SCHEMA = "pg_temp"
_COUNT_COLUMN = sql.Identifier("local_dms_count")
_FIRST_COLUMN = sql.Identifier("local_dms_first")
_SAVEPOINT = sql.SQL("SAVEPOINT local_dms")
_RELEASE = sql.SQL("RELEASE SAVEPOINT local_dms")
_ROLLBACK = sql.SQL("ROLLBACK TO SAVEPOINT local_dms")


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
        if net.deletes:
            self._delete(plan, net)
        if not (self._is_strict("insert") and self._is_strict("update")):
            self._upsert(plan, net)
            return
        if net.updates.count:
            self._update(plan, net)
        if net.inserts.count:
            # A key that is there already is refused, and then the policies decide row by row.
            columns = names(plan.columns)
            self._copy(qualified(plan), net.format, net.inserts.pieces, columns)

    def _delete(self, plan: TablePlan, net: NetChanges) -> None:
        """Keys that are gone in the end; their first change tells whether the target has them."""
        keys = chain.from_iterable(
            net.format.with_word(some, len(plan.key), first) for first, some in net.deletes.items()
        )
        staging = self._stage(plan, "keys", plan.key_columns, net.format, keys)
        counting = sql.SQL(
            "WITH gone AS ({} RETURNING staging.{}) SELECT {}, count(*) FROM gone GROUP BY 1"
        ).format(_deletion(plan, staging), _FIRST_COLUMN, _FIRST_COLUMN)
        gone: dict[str, int] = dict(self._send(counting, _emptying(staging)).fetchall())
        for first, some in net.deletes.items():
            self._check(first, len(some), gone.get(first, 0))

    def _check(self, first: RowKind, keys: int, found: int) -> None:
        """Whether the target had all these keys or none, as their first change demands."""
        if self._is_strict(first) and found != (0 if first == "insert" else keys):
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
        staging = self._stage(plan, "rows", plan.columns, net.format, net.updates.pieces)
        known = self._write(plan, staging, _update_or_search(plan, staging))
        self._check("update", net.updates.count, known)

    def _upsert(self, plan: TablePlan, net: NetChanges) -> None:
        """Whether a row is there or not, where the policies say so."""
        by_first: dict[RowKind, CopyRows] = {"update": net.updates, "insert": net.inserts}
        for first, rows in by_first.items():
            if rows.count and self._is_strict(first):
                staging = self._stage(plan, "rows", plan.columns, net.format, rows.pieces)
                existing = self._send(_search(plan, staging), _emptying(staging)).rowcount
                self._check(first, rows.count, existing)
        if not (net.updates.count or net.inserts.count):
            return
        all_rows = chain(net.updates.pieces, net.inserts.pieces)
        staging = self._stage(plan, "rows", plan.columns, net.format, all_rows)
        self._write(plan, staging, _upsertion(plan, staging))

    def _write(self, plan: TablePlan, staging: sql.Identifier, statement: sql.Composed) -> int:
        """Write what is staged; tells how many of its keys the target had."""
        emptying = _emptying(staging)
        try:
            cursor = self._send(_SAVEPOINT, statement, _RELEASE, emptying)
        except psycopg.errors.UniqueViolation:
            # A unique key beside the primary key: values that moved between rows collide unless all
            # old rows leave before the first new one comes.
            replacing = (_deletion(plan, staging), _insertion(plan, staging))
            cursor = self._send(_ROLLBACK, *replacing, _RELEASE, emptying)
        cursor.nextset()
        return cursor.rowcount

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
            count=_COUNT_COLUMN,
            same=sql.SQL("{} = {}").format(_row_text("target", plan), _row_text("staging", plan)),
        )
        gone = self._send(statement, _emptying(staging)).rowcount
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
        pieces: Iterable[bytes],
    ) -> sql.Identifier:
        """Rows in a temporary table that has the types of the target's columns."""
        staging = self._staging_table(plan, purpose, columns)
        self._copy(staging, copy_format, pieces)
        return staging

    def _copy(
        self,
        table: sql.Identifier,
        copy_format: CopyFormat,
        pieces: Iterable[bytes],
        columns: sql.Composed | None = None,
    ) -> None:
        listed = sql.SQL("({})").format(columns) if columns else sql.SQL("")
        option = sql.SQL(copy_format.value)
        statement = sql.SQL("COPY {} {} FROM STDIN ({})").format(table, listed, option)
        with self._target.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(copy_format.stream(pieces))

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
            selected = sql.SQL("{}, 0::bigint AS {}").format(selected, _COUNT_COLUMN)
        elif purpose == "keys":
            selected = sql.SQL("{}, ''::text AS {}").format(selected, _FIRST_COLUMN)
        self._target.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} AS SELECT {} FROM {} WITH NO DATA").format(
                sql.Identifier(name), selected, qualified(plan)
            )
        )
        staging = sql.Identifier(_STAGING_SCHEMA, name)
        self._staging[plan.table_id, purpose] = staging
        return staging

    def _send(self, *statements: sql.Composable) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run them in one message; the cursor stands at the answer to the first."""
        # Only a single statement can be prepared.
        return self._target.execute(sql.SQL("; ").join(statements), prepare=False)


def _emptying(staging: sql.Identifier) -> sql.Composed:
    return sql.SQL("TRUNCATE TABLE {}").format(staging)


def _deletion(plan: TablePlan, staging: sql.Identifier) -> sql.Composed:
    return sql.SQL("DELETE FROM {} AS target USING {} AS staging WHERE {}").format(
        qualified(plan), staging, _same_key(plan)
    )


def _search(plan: TablePlan, staging: sql.Identifier) -> sql.Composed:
    """Answers as many rows as the target has of the staged keys."""
    return sql.SQL("SELECT FROM {} AS target JOIN {} AS staging ON {}").format(
        qualified(plan), staging, _same_key(plan)
    )


def _insertion(plan: TablePlan, staging: sql.Identifier) -> sql.Composed:
    columns = names(plan.columns)
    return sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
        qualified(plan), columns, columns, staging
    )


def _update_or_search(plan: TablePlan, staging: sql.Identifier) -> sql.Composed:
    beside_key = _names_beside_key(plan)
    if not beside_key:
        return _search(plan, staging)
    assignments = sql.SQL(", ").join(sql.SQL("{0} = staging.{0}").format(n) for n in beside_key)
    return sql.SQL("UPDATE {} AS target SET {} FROM {} AS staging WHERE {}").format(
        qualified(plan), assignments, staging, _same_key(plan)
    )


def _upsertion(plan: TablePlan, staging: sql.Identifier) -> sql.Composed:
    beside_key = _names_beside_key(plan)
    assignments = sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(n) for n in beside_key)
    action = sql.SQL("UPDATE SET {}").format(assignments) if beside_key else sql.SQL("NOTHING")
    return sql.SQL("{} ON CONFLICT ({}) DO {}").format(
        _insertion(plan, staging), names(plan.key_columns), action
    )


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
