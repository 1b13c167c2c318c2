"""The row changes of a batch in their order, as many as there are, in bounded memory.

Whole transactions lie before the open one. A transaction larger than memory goes to a file that
has no name and is readable by nobody else; the log can be read again from its beginning any number
of times, because a batch that the target refuses is applied a second time row by row.
"""

import pickle
import tempfile
from collections.abc import Iterator
from typing import IO, Self

from dms_pipeline.binlog.events import RowsEvent


class ChangeLog:
    """Append-only, but for the open transaction, which can be cut back.

    Args:
        memory_bytes: more than this goes to a file.
        folder: where the file lies; the system's folder for temporary files by default.
    """

    def __init__(self, memory_bytes: int, folder: str | None = None) -> None:
        self._memory_limit = memory_bytes
        self._folder = folder
        self._held: list[RowsEvent] = []
        self._held_bytes = 0
        self._file: IO[bytes] | None = None
        self._offsets: list[int] = []

    def another(self) -> "ChangeLog":
        """An empty one like this."""
        return ChangeLog(self._memory_limit, self._folder)

    def __len__(self) -> int:
        """How many entries were appended and not cut off."""
        return len(self._offsets) + len(self._held)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.clear()

    @property
    def size_bytes(self) -> int:
        """What is held in memory, about."""
        return self._held_bytes

    @property
    def is_large(self) -> bool:
        """Whether the log is no longer held in memory alone."""
        return self._file is not None

    def append(self, changes: RowsEvent) -> None:
        self._held.append(changes)
        self._held_bytes += changes.byte_count
        if self._held_bytes > self._memory_limit:
            self._spill()

    def cut(self, length: int) -> None:
        """Forget everything behind the first ``length`` entries."""
        in_file = len(self._offsets)
        if length < in_file:
            assert self._file is not None
            self._file.truncate(self._offsets[length])
            del self._offsets[length:]
            self._held.clear()
        else:
            del self._held[length - in_file :]
        self._held_bytes = sum(changes.byte_count for changes in self._held)

    def first(self, length: int) -> Iterator[RowsEvent]:
        """The first ``length`` entries, in order."""
        yield from self._from_file(min(length, len(self._offsets)))
        yield from self._held[: max(0, length - len(self._offsets))]

    def clear(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
        self._offsets.clear()
        self._held.clear()
        self._held_bytes = 0

    def _spill(self) -> None:
        if self._file is None:
            # Unlinked as soon as it is made: nothing is left behind, however the process ends.
            self._file = tempfile.TemporaryFile(prefix="local-dms-", dir=self._folder)  # noqa: SIM115
        end = self._file.seek(0, 2)
        for changes in self._held:
            self._offsets.append(end)
            end += self._file.write(_pickled(changes))
        self._held.clear()
        self._held_bytes = 0

    def _from_file(self, length: int) -> Iterator[RowsEvent]:
        for offset in self._offsets[:length]:
            assert self._file is not None
            self._file.seek(offset)
            yield pickle.load(self._file)


def _pickled(changes: RowsEvent) -> bytes:
    return pickle.dumps(changes, pickle.HIGHEST_PROTOCOL)
