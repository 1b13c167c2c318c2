"""A place in the binary log, and the texts in which AWS DMS and MySQL write one.

Positions are ordered by the number of the file and the offset in it, never as text: the file after
``mysql-bin.999999`` is ``mysql-bin.1000000``.
"""

import re
from dataclasses import dataclass
from functools import total_ordering

from dms_pipeline.errors import BinlogError

_NATIVE = re.compile(r"(?P<file>[^\s:#]+\.\d+):(?P<offset>\d+)")
_CHECKPOINT = re.compile(r"checkpoint:V1#\d+#(?P<stream>[^#]+)#.*#\d+", re.DOTALL)
_ABBREVIATED_BASE = "$"


@total_ordering
@dataclass(frozen=True, slots=True)
class BinlogPosition:
    """Where reading resumes: ``offset`` is the start of the next event of ``file``."""

    file: str
    offset: int

    def __post_init__(self) -> None:
        if not self.file.rpartition(".")[2].isdecimal():
            raise BinlogError(f"binary log file name {self.file!r} does not end in .<number>")

    def at(self, offset: int) -> "BinlogPosition":
        """Another place in the same file; quicker than a new position, whose name is looked at."""
        other = object.__new__(BinlogPosition)
        object.__setattr__(other, "file", self.file)
        object.__setattr__(other, "offset", offset)
        return other

    @property
    def sequence(self) -> int:
        """The number of the file in the sequence of binary logs."""
        return int(self.file.rpartition(".")[2])

    @property
    def base_is_abbreviated(self) -> bool:
        """Whether DMS wrote ``$`` for the base name, which only the server can fill in."""
        return self.file.rpartition(".")[0] == _ABBREVIATED_BASE

    def with_base_of(self, file: str) -> "BinlogPosition":
        """The same position in files named like ``file``."""
        base = file.rpartition(".")[0]
        return BinlogPosition(f"{base}.{self.file.rpartition('.')[2]}", self.offset)

    def __lt__(self, other: "BinlogPosition") -> bool:
        return (self.sequence, self.offset) < (other.sequence, other.offset)

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}"


def parse_checkpoint(text: str) -> BinlogPosition:
    """The position to resume at, from a DMS checkpoint or a native ``file:offset``.

    Of a checkpoint's stream position the fourth part is the end of the last consumed event; the
    abbreviated spelling has only a file and an offset.
    """
    checkpoint = _CHECKPOINT.fullmatch(text.strip())
    stream = checkpoint["stream"] if checkpoint else text.strip()
    parts = stream.split(":")
    if checkpoint and len(parts) >= 4 and parts[3].isdecimal():
        stream = f"{parts[0]}:{parts[3]}"
    native = _NATIVE.fullmatch(stream)
    if native is None:
        raise BinlogError(
            f"{text!r} is not a MySQL position: needed is checkpoint:V1#... as AWS DMS returns it,"
            " or file:offset as SHOW MASTER STATUS shows it"
        )
    return BinlogPosition(native["file"], int(native["offset"]))
