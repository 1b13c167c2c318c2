"""How far the log was read: the last place between transactions."""

from dms_pipeline.binlog.events import TransactionBegin, TransactionEnd
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.local_dms.engine.checkpoint_codec import Checkpoint


class ReadingProgress:
    """Follows transactions, of which there are many, and makes a checkpoint when it is asked for.

    Attributes:
        begin: of the transaction that is read, or was read last.
        committed_at: when the last transaction was committed, in epoch seconds by the source's
            clock; None before the first one.
    """

    def __init__(self, start: Checkpoint) -> None:
        self.begin = TransactionBegin(start.begin, start.position, start.position.offset, 0)
        self.committed_at: int | None = None
        self._known = start
        # The last of the transactions since then, and how many there were.
        self._last: tuple[TransactionBegin, TransactionEnd] | None = None
        self._count = 0

    def transaction_ends(self, end: TransactionEnd) -> None:
        """The transaction is complete and handed on."""
        self._last = self.begin, end
        self._count += 1
        self.committed_at = end.timestamp

    @property
    def checkpoint(self) -> Checkpoint:
        if self._last is not None:
            begin, end = self._last
            self.set_to(
                Checkpoint(
                    position=end.position,
                    last_event=end.start,
                    begin=begin.start,
                    first_event=begin.end,
                    source_id=self._known.source_id + self._count,
                    target_id=self._known.target_id,
                )
            )
        return self._known

    def set_to(self, checkpoint: Checkpoint) -> None:
        """A place that was reached in another way, or before."""
        self._known, self._last, self._count = checkpoint, None, 0

    def move_to(self, position: BinlogPosition) -> None:
        """To a place that no transaction of ours led to."""
        self.set_to(Checkpoint.at(position).with_counts_of(self.checkpoint))

    def confirm(self) -> Checkpoint:
        """The same place, with one more apply counted."""
        self.set_to(self.checkpoint.confirmed())
        return self._known
