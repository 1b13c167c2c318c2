"""Net changes of one table: what is left of many row changes once each key is looked at last.

Pure. Keys are compared by the exact bytes of the before images, never by the source's collation:
'a' changed into 'A' is two keys on the target, and stays right. Without a key a table is a bag of
rows, of which only the count of each one matters.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from dms_pipeline.binlog.events import RowKind
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.copy_format import CopyFormat, CopyRow, EncodedRow

RowKey = bytes
"""What tells the rows of a table from each other; in which form, its user knows."""
Counts = Counter[tuple[TableId, RowKind]]
"""How many changes, by table and kind."""
Made = Callable[[bytes, int], bytes]
"""Makes a row of a COPY stream, of bytes and the place in them where the row lies."""


class TableChanges:
    """The last known row of each key, or that it is gone.

    Applying them gives the same table as applying every change in turn.

    Args:
        copy_format: of the COPY streams that the rows will be for.
        to_row, to_key: make rows of such streams, with all columns or only those of the key.
    """

    def __init__(self, copy_format: CopyFormat, to_row: Made, to_key: Made) -> None:
        self._format = copy_format
        self._to_row = to_row
        self._to_key = to_key
        # What happened to the key first, and so whether the target should have had it before;
        # whether it is gone; the last row, or the one that is gone, and where it lies in the bytes.
        self._last: dict[RowKey, tuple[RowKind, bool, bytes, int]] = {}

    def came(self, kind: RowKind, key: RowKey, data: bytes, offset: int) -> None:
        """By this change the key has the row that lies there."""
        known = self._last.get(key)
        self._last[key] = (known[0] if known else kind, False, data, offset)

    def went(self, kind: RowKind, key: RowKey, data: bytes, offset: int) -> None:
        """By this change the key is gone; its row was the one that lies there.

        An update that changes a key is one by which the old key goes, and an insert of the new one.
        """
        known = self._last.get(key)
        self._last[key] = (known[0] if known else kind, True, data, offset)

    def net(self) -> "NetChanges":
        """The rows become what they are in a COPY stream."""
        net = NetChanges(self._format)
        to_row, inserts, updates = self._to_row, net.inserts, net.updates
        for first, is_gone, data, offset in self._last.values():
            if is_gone:
                net.deletes.setdefault(first, []).append(self._to_key(data, offset))
            elif first == "insert":
                inserts.append(to_row(data, offset))
            else:
                updates.append(to_row(data, offset))
        return net


@dataclass(frozen=True, slots=True)
class NetChanges:
    """What is left of changes of a table with a key.

    Attributes:
        format: of the COPY streams that the rows are for.
        deletes: the keys that are gone in the end, by how they were first changed; as rows that
            have only the columns of the key.
        updates: the rows of keys that the target should have had before.
        inserts: the rows of keys that it should not have had.
    """

    format: CopyFormat
    deletes: dict[RowKind, list[CopyRow]] = field(default_factory=dict)
    updates: list[CopyRow] = field(default_factory=list)
    inserts: list[CopyRow] = field(default_factory=list)


@dataclass(slots=True)
class BagChanges:
    """For a table without a key: how many of each row came and went. Not repeatable."""

    counts: Counter[EncodedRow] = field(default_factory=Counter)

    def insert(self, row: EncodedRow) -> None:
        self.counts[row] += 1

    def delete(self, row: EncodedRow) -> None:
        self.counts[row] -= 1

    def added(self) -> list[EncodedRow]:
        return [row for row, count in self.counts.items() for _ in range(count)]

    def removed(self) -> list[EncodedRow]:
        """Each row with the number of its removals behind it, as one more field."""
        return [(*row, b"%d" % -count) for row, count in self.counts.items() if count < 0]
