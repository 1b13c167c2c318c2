"""Net changes of one table: what is left of many row changes once each key is looked at last.

Pure. Keys are compared by the exact bytes of the before images, never by the source's collation:
'a' changed into 'A' is two keys on the target, and stays right. Without a key a table is a bag of
rows, of which only the count of each one matters.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from dms_pipeline.binlog.events import RowKind
from dms_pipeline.local_dms.engine.copy_format import CopyFormat, CopyRow, EncodedRow, Key

Image = tuple[Callable[[bytes, int], CopyRow], bytes, int]
"""A row that is not a CopyRow yet: what makes one of it, of bytes and the place in them."""


@dataclass(slots=True)
class TableChanges:
    """The last known row per key; None where the key is gone. All are of one format.

    Applying them gives the same table as applying every change in turn.
    """

    format: CopyFormat
    rows: dict[Key, Image | None] = field(default_factory=dict)
    first_changes: dict[Key, RowKind] = field(default_factory=dict)
    """What happened to each key first, and so whether the target should have had it before."""

    def insert(self, key: Key, row: Image) -> None:
        self.first_changes.setdefault(key, "insert")
        self.rows[key] = row

    def update(self, old_key: Key, new_key: Key, row: Image) -> None:
        """A changed key is a delete and an insert."""
        self.first_changes.setdefault(old_key, "update")
        if old_key != new_key:
            self.rows[old_key] = None
            self.first_changes.setdefault(new_key, "insert")
        self.rows[new_key] = row

    def delete(self, key: Key) -> None:
        self.first_changes.setdefault(key, "delete")
        self.rows[key] = None

    def net(self) -> "NetChanges":
        """The rows become what they are in a COPY stream."""
        net = NetChanges(self.format)
        for key, row in self.rows.items():
            first = self.first_changes[key]
            if row is None:
                net.deletes.setdefault(first, []).append(key)
            else:
                make, data, offset = row
                rows = net.inserts if first == "insert" else net.updates
                rows[key] = make(data, offset)
        return net


@dataclass(frozen=True, slots=True)
class NetChanges:
    """What is left of changes of a table with a key.

    Attributes:
        format: of the COPY streams that the keys and rows are for.
        deletes: the keys that are gone in the end, by how they were first changed.
        updates: the rows of keys that the target should have had before.
        inserts: the rows of keys that it should not have had.
    """

    format: CopyFormat
    deletes: dict[RowKind, list[Key]] = field(default_factory=dict)
    updates: dict[Key, CopyRow] = field(default_factory=dict)
    inserts: dict[Key, CopyRow] = field(default_factory=dict)


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
