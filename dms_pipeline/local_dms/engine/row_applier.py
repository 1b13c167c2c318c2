"""Changes row by row, in their order, each in a savepoint: here the error policies decide.

Used for batches that could not be applied as a whole. Works inside the caller's transaction.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable

import psycopg
from psycopg import sql

from dms_pipeline.binlog.events import RowsEvent
from dms_pipeline.binlog.row_decoder import Row
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine.change_batch import Counts
from dms_pipeline.local_dms.engine.copy_format import EncodedRow
from dms_pipeline.local_dms.engine.error_handling import ErrorHandler
from dms_pipeline.local_dms.engine.row_pairs import row_pairs
from dms_pipeline.local_dms.engine.table_plan import (
    PlannedColumn,
    TablePlan,
    ValueDoesNotFitError,
)
from dms_pipeline.local_dms.engine.target_errors import describe_target_error
from dms_pipeline.local_dms.engine.target_tables import TargetConnection, names, qualified
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import UnfitValueError

_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
_SHOWN_KEY_CHARACTERS = 100


class RowApplier:
    """Counts what was really applied; what was not is in the hands of the error handler."""

    def __init__(self, target: TargetConnection, errors: ErrorHandler) -> None:
        self._target = target
        self._errors = errors

    def apply(
        self, log: Iterable[RowsEvent], plan_of: Callable[[TableId], TablePlan | None]
    ) -> Counts:
        """Apply every change of a table that has a plan."""
        applied: Counts = Counter()
        for changes in log:
            plan = plan_of(changes.table)
            if plan is None:
                continue
            for before, after in row_pairs(plan, changes):
                if self._errors.is_suspended(changes.table):
                    break
                if self._change(plan, changes, before, after):
                    applied[changes.table, changes.kind] += 1
        return applied

    def _change(
        self, plan: TablePlan, changes: RowsEvent, before: Row | None, after: Row | None
    ) -> bool:
        try:
            old = None if before is None else _match(plan, before)
            new = None if after is None else plan.encode_binlog(after)
        except (LoadError, UnfitValueError) as error:
            is_truncation = isinstance(error, ValueDoesNotFitError) and error.is_truncation
            text = f"{error}, before {changes.position}"
            self._errors.data_error(plan.table_id, text, is_truncation=is_truncation)
            return False
        change = _Change(self._target, plan, old, new)
        try:
            with self._target.transaction():
                if change.run():
                    return True
        except psycopg.OperationalError:
            raise
        except psycopg.ProgrammingError as error:
            # The table or a column is missing, or the account may not write to it.
            text = self._describe(change, changes, describe_target_error(error, self._target))
            self._errors.table_error(plan.table_id, text)
            return False
        except psycopg.errors.UniqueViolation as error:
            return self._conflict(change, changes, describe_target_error(error))
        except psycopg.Error as error:
            text = self._describe(change, changes, describe_target_error(error))
            self._errors.row_refused(plan, changes.kind, change.statement, text)
            return False
        return self._conflict(change, changes, "the target has no such row")

    def _conflict(self, change: "_Change", changes: RowsEvent, problem: str) -> bool:
        """An insert of what is there, or a change of what is not."""
        action = self._errors.policies.on_apply_error(changes.kind)
        if action in ("INSERT_RECORD", "UPDATE_RECORD"):
            try:
                with self._target.transaction():
                    change.replace()
            except psycopg.OperationalError:
                raise
            except psycopg.Error as error:
                problem = describe_target_error(error)
            else:
                return True
        text = self._describe(change, changes, problem)
        self._errors.apply_error(change.plan, changes.kind, change.statement, text)
        return False

    @staticmethod
    def _describe(change: "_Change", changes: RowsEvent, problem: str) -> str:
        return (
            f"{changes.kind} in table {changes.table}, key ({change.shown_key}), before"
            f" {changes.position}: {problem}"
        )


class _Change:
    """One row's change as statements with parameters."""

    def __init__(
        self,
        target: TargetConnection,
        plan: TablePlan,
        old: EncodedRow | None,
        new: EncodedRow | None,
    ) -> None:
        """``old`` is what finds the row: its key, or all of it where there is no key."""
        self._target = target
        self.plan = plan
        self._old = old
        self._new = new
        self.statement = ""

    @property
    def shown_key(self) -> str:
        key: EncodedRow = ()
        if self.plan.key:
            key = self._old or self.plan.key_of(self._new or ())
        shown = [(unescape(part) or "NULL")[:_SHOWN_KEY_CHARACTERS] for part in key]
        return ", ".join(shown) or "none"

    def run(self) -> bool:
        """Whether the target had the row to change; an insert needs none."""
        if self._old is None:
            assert self._new is not None
            return self._execute(self._insert(), self._new) == 1
        where, parameters = self._where(), self._old
        table = qualified(self.plan)
        if self._new is None:
            statement = sql.SQL("DELETE FROM {} WHERE {}").format(table, where)
            return self._execute(statement, parameters) > 0
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = %s").format(sql.Identifier(column.target_name))
            for column in self.plan.columns
        )
        statement = sql.SQL("UPDATE {} SET {} WHERE {}").format(table, assignments, where)
        return self._execute(statement, (*self._new, *parameters)) > 0

    def replace(self) -> None:
        """Whatever the target has under the old or the new key: now it has the new row."""
        if self.plan.key:
            new_key = None if self._new is None else self.plan.key_of(self._new)
            delete = sql.SQL("DELETE FROM {} WHERE {}").format(qualified(self.plan), self._where())
            for key in (self._old, new_key):
                if key is not None:
                    self._execute(delete, key)
        if self._new is not None:
            self._execute(self._insert(), self._new)

    def _insert(self) -> sql.Composed:
        return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            qualified(self.plan),
            names(self.plan.columns),
            sql.SQL(", ").join([sql.Placeholder()] * len(self.plan.columns)),
        )

    def _where(self) -> sql.Composed:
        if self.plan.key:
            return _equal(self.plan.key_columns, "=")
        same = _equal(self.plan.columns, "IS NOT DISTINCT FROM")
        # Of several equal rows only one is meant.
        one = sql.SQL("ctid = (SELECT ctid FROM {} WHERE {} LIMIT 1)")
        return one.format(qualified(self.plan), same)

    def _execute(self, statement: sql.Composed, fields: EncodedRow) -> int:
        self.statement = statement.as_string(self._target)
        values = [unescape(field) for field in fields]
        return self._target.execute(statement, values).rowcount


def _match(plan: TablePlan, row: Row) -> EncodedRow:
    return plan.encode_key(row) if plan.key else plan.encode_binlog(row)


def _equal(columns: Iterable[PlannedColumn], operator: str) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{} {} %s").format(sql.Identifier(column.target_name), sql.SQL(operator))
        for column in columns
    )


def unescape(field: bytes | None) -> str | None:
    """The text of a COPY field; the server turns it into the column's type."""
    if field is None:
        return None
    if b"\\" in field:
        field = _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), field)
    return field.decode()
