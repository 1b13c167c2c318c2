"""Net changes of one table: what is left of many row changes once each key is looked at last.

Pure. Keys are compared by the exact bytes of the before images, never by the source's collation:
'a' changed into 'A' is two keys on the target, and stays right. Without a key a table is a bag of
rows, of which only the count of each one matters.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from dms_pipeline.binlog.events import RowKind
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.copy_format import CopyFormat, CopyRow, CopyRows, EncodedRow

RowKey = bytes
"""What tells the rows of a table from each other; in which form, its user knows."""
Counts = Counter[tuple[TableId, RowKind]]
"""How many changes, by table and kind."""


class TableChanges:
    """The last known row of each key, or that it is gone.

    Applying them gives the same table as applying every change in turn. A row is known by a number,
    its place, wherever that is.
    """

    def __init__(self) -> None:
        # What happened to the key first, and so whether the target should have had it before;
        # whether it is gone; and the place of the last row, or of the one that is gone.
        self._last: dict[RowKey, tuple[RowKind, bool, int]] = {}

    def came(self, kind: RowKind, key: RowKey, place: int) -> None:
        """By this change the key has the row of this place."""
        known = self._last.get(key)
        self._last[key] = (known[0] if known else kind, False, place)

    def went(self, kind: RowKind, key: RowKey, place: int) -> None:
        """By this change the key is gone; its row was the one of this place.

        An update that changes a key is one by which the old key goes, and an insert of the new one.
        """
        known = self._last.get(key)
        self._last[key] = (known[0] if known else kind, True, place)

    def net(self, rows: "RowsOf") -> "NetChanges":
        """The rows become what they are in a COPY stream."""
        deletes: dict[RowKind, list[int]] = {}
        updates, inserts = list[int](), list[int]()
        for first, is_gone, place in self._last.values():
            if is_gone:
                deletes.setdefault(first, []).append(place)
            elif first == "insert":
                inserts.append(place)
            else:
                updates.append(place)
        return NetChanges(
            rows.format,
            {first: rows.keys(places) for first, places in deletes.items()},
            rows.rows(updates),
            rows.rows(inserts),
        )


class RowsOf(Protocol):
    """What makes rows of COPY streams, of the rows that have these places.

    Attributes:
        format: of the streams.
    """

    @property
    def format(self) -> CopyFormat: ...

    def rows(self, places: list[int]) -> CopyRows:
        """With all columns; in any order."""

    def keys(self, places: list[int]) -> list[CopyRow]:
        """With only the columns of the key."""


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
    deletes: dict[RowKind, list[CopyRow]]
    updates: CopyRows
    inserts: CopyRows


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
