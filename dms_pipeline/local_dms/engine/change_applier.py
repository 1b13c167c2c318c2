"""Whole transactions into the target, together with the checkpoint, in one PostgreSQL transaction.

Either the changes and the checkpoint that stands behind them are both there, or neither is: killed
anywhere and started again from the stored checkpoint, the target ends with the same content, also
of tables without a key. A batch goes in as a whole if it fits, and row by row if it does not.
"""

import logging
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import psycopg

from dms_pipeline.binlog.events import RowsEvent
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine.batch_applier import BatchApplier, ConflictError
from dms_pipeline.local_dms.engine.change_batch import Counts
from dms_pipeline.local_dms.engine.change_log import ChangeLog
from dms_pipeline.local_dms.engine.control_tables import ControlTables
from dms_pipeline.local_dms.engine.error_handling import ErrorHandler
from dms_pipeline.local_dms.engine.netting import Netted, Netting, PlanOf
from dms_pipeline.local_dms.engine.row_applier import RowApplier
from dms_pipeline.local_dms.engine.target_errors import describe_target_error, target_error
from dms_pipeline.local_dms.engine.target_tables import TargetConnection
from dms_pipeline.local_dms.engine.transaction_state import TransactionState

logger = logging.getLogger(__name__)

_APPLYING = "applying changes"
_CHUNK_ENTRIES = 20_000
_CHUNK_BYTES = 8 * 1024 * 1024

# Beside the two: values that the target cannot hold, or that do not have the form of their type.
_UNFIT = (ConflictError, LoadError, ValueError, struct.error, IndexError)


@dataclass(slots=True)
class Batch:
    """The first entries of a log, all of complete transactions, and what is left of them.

    ``net`` is None if that would take too much memory at once, or is not possible: ``unfit``.
    """

    log: ChangeLog
    length: int
    plan_of: PlanOf
    suspended: frozenset[TableId]
    net: Netted | None = None
    unfit: Exception | None = None

    def entries(self) -> Iterator[RowsEvent]:
        return self.log.first(self.length)


class ChangeApplier:
    """Applies to one target over one connection."""

    def __init__(
        self,
        target: TargetConnection,
        *,
        state: TransactionState,
        control: ControlTables,
        errors: ErrorHandler,
    ) -> None:
        self._target = target
        self._state = state
        self._control = control
        self._errors = errors
        self._batches = BatchApplier(target, errors.policies)
        self._rows = RowApplier(target, errors)
        self._netting = Netting(self._batches.needs_text)

    def prepare(self, log: ChangeLog, length: int, plan_of: PlanOf) -> "Batch":
        """The first entries of the log with their net changes, if those take little memory."""
        usable = self._usable(plan_of)
        batch = Batch(log, length, usable, frozenset(self._errors.state.suspended))
        if log.size_bytes < _CHUNK_BYTES and length <= _CHUNK_ENTRIES and not log.is_large:
            try:
                batch.net = self._netting.net(batch.entries(), usable)
            except _UNFIT as error:
                batch.unfit = error
        return batch

    def is_stale(self, batch: "Batch") -> bool:
        """Whether tables were suspended since it was prepared."""
        return batch.suspended != frozenset(self._errors.state.suspended)

    def _usable(self, plan_of: PlanOf) -> PlanOf:
        return lambda table: None if self._errors.is_suspended(table) else plan_of(table)

    def apply(
        self, batch: "Batch", *, checkpoint: str, position: str, committed_at: float | None
    ) -> tuple[Counts, Counts]:
        """Commit the batch and the checkpoint.

        Tells what its entries are, by table and kind, and what of them was applied.
        """

        def finish(counts: Counts) -> None:
            self._state.write(self._target, checkpoint)
            self._control.write_status(
                self._target, "CHANGE PROCESSING", position=position, applied_until=committed_at
            )
            self._control.add_history(
                self._target, records=counts.total(), applied_until=committed_at
            )

        try:
            if batch.unfit is not None:
                raise batch.unfit
            return self._commit(lambda: self._as_whole(batch), finish)
        except _UNFIT as error:
            logger.info("a batch does not fit as a whole and is applied row by row: %s", error)
        except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction) as error:
            raise target_error(_APPLYING, error, self._target) from error
        except psycopg.Error as error:
            logger.info(
                "a batch was refused and is applied row by row: %s", describe_target_error(error)
            )
        try:
            return self._commit(lambda: self._row_by_row(batch), finish)
        except psycopg.Error as error:
            raise target_error(_APPLYING, error, self._target) from error

    def _as_whole(self, batch: "Batch") -> tuple[Counts, Counts]:
        captured: Counts = Counter()
        nets = [batch.net] if batch.net is not None else self._chunks(batch)
        for net in nets:
            self._batches.apply(net.tables)
            captured += net.counts
        usable = {table for table, _ in captured if batch.plan_of(table) is not None}
        applied = Counter({of: count for of, count in captured.items() if of[0] in usable})
        return captured, applied

    def _chunks(self, batch: "Batch") -> Iterator[Netted]:
        return (self._netting.net(chunk, batch.plan_of) for chunk in _chunks(batch.entries()))

    def _row_by_row(self, batch: "Batch") -> tuple[Counts, Counts]:
        applied = self._rows.apply(batch.entries(), batch.plan_of)
        return _counts(batch.entries()), applied

    def change_table(
        self, change: Callable[[TargetConnection], None], table: TableId, *, checkpoint: str
    ) -> bool:
        """Commit a change of a table's definition and the checkpoint behind it.

        Returns whether the change was made: a table whose change is refused is suspended, or the
        task ends, as the policy says.
        """
        self._batches.forget_staging()
        try:
            with self._target.transaction():
                change(self._target)
                self._state.write(self._target, checkpoint)
        except psycopg.OperationalError as error:
            raise target_error(_APPLYING, error, self._target) from error
        except psycopg.Error as error:
            text = describe_target_error(error, self._target)
            self.table_error(table, text, checkpoint=checkpoint)
            return False
        except LoadError as error:
            self.table_error(table, str(error), checkpoint=checkpoint)
            return False
        return True

    def table_error(self, table: TableId, problem: str, *, checkpoint: str | None = None) -> None:
        """Commit what the policy decides for a table that cannot go on."""
        before = self._errors.state.copy()
        try:
            with self._target.transaction():
                self._errors.table_error(table, f"table {table}: {problem}")
                if checkpoint is not None:
                    self._state.write(self._target, checkpoint)
        except BaseException:
            self._errors.state = before
            raise

    def _commit(
        self, work: Callable[[], tuple[Counts, Counts]], finish: Callable[[Counts], None]
    ) -> tuple[Counts, Counts]:
        before = self._errors.state.copy()
        try:
            with self._target.transaction():
                captured, applied = work()
                finish(applied)
        except BaseException:
            # Staging tables that were made in this transaction are gone with it.
            self._batches.forget_staging()
            self._errors.state = before
            raise
        return captured, applied


def _chunks(log: Iterable[RowsEvent]) -> Iterator[list[RowsEvent]]:
    """So many changes at a time that netting them needs little memory."""
    entries = iter(log)
    chunk: list[RowsEvent] = []
    size = 0
    for changes in entries:
        chunk.append(changes)
        size += changes.byte_count
        if size >= _CHUNK_BYTES or len(chunk) >= _CHUNK_ENTRIES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _counts(log: Iterable[RowsEvent]) -> Counts:
    counts: Counts = Counter()
    for changes in log:
        counts[changes.table, changes.kind] += changes.change_count
    return counts
