"""Recovery checkpoints in the shape of AWS DMS, so that code that reads one reads the other."""

import re
from typing import NamedTuple

from dms_pipeline.binlog.position import BinlogPosition


class Checkpoint(NamedTuple):
    """A transaction boundary, with the offsets AWS writes beside it.

    Attributes:
        position: where reading resumes.
        last_event: offset of the last consumed event (the commit).
        begin: offset of the beginning of that transaction.
        first_event: offset of the first event after the beginning.
        source_id: count of source transactions handed on; only grows.
        target_id: count of confirmed applies; only grows.
    """

    position: BinlogPosition
    last_event: int
    begin: int
    first_event: int
    source_id: int = 0
    target_id: int = 0

    @classmethod
    def resuming(cls, text: str, position: BinlogPosition) -> "Checkpoint":
        """The checkpoint of an earlier run, whose counts go on; other texts begin at zero."""
        counts = re.fullmatch(r"checkpoint:V1#(\d+)#.*#(\d+)", text.strip(), re.DOTALL)
        checkpoint = cls.at(position)
        if counts is None:
            return checkpoint
        return checkpoint._replace(source_id=int(counts[1]), target_id=int(counts[2]))

    @classmethod
    def at(cls, position: BinlogPosition) -> "Checkpoint":
        """A checkpoint at a position that no transaction of ours led to."""
        return cls(position, position.offset, position.offset, position.offset)

    def with_counts_of(self, other: "Checkpoint") -> "Checkpoint":
        return self._replace(source_id=other.source_id, target_id=other.target_id)

    def confirmed(self) -> "Checkpoint":
        """The same place, after one more apply."""
        return self._replace(target_id=self.target_id + 1)

    def encode(self) -> str:
        file, sequence = self.position.file, self.position.sequence
        packed = sequence << 32 | self.begin
        stream = (
            f"{file}:{self.last_event}:-1:{self.position.offset}:{packed}:{file}:{self.first_event}"
        )
        return f"checkpoint:V1#{self.source_id}#{stream}#0#0#*#0#{self.target_id}"
