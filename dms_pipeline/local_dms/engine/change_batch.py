"""Net changes of one table: what is left of many row changes once each key is looked at last.

Pure. Applying the net changes gives the same table as applying every change in turn, and applying
them twice gives the same as once, because an insert becomes an upsert.
"""

from dataclasses import dataclass, field

Field = bytes | None
"""One value as it goes into a COPY text stream; None is NULL."""
Key = tuple[Field, ...]
EncodedRow = tuple[Field, ...]


@dataclass(slots=True)
class TableChanges:
    """The last known row per key; None where the key is gone."""

    rows: dict[Key, EncodedRow | None] = field(default_factory=dict)

    def insert(self, key: Key, row: EncodedRow) -> None:
        self.rows[key] = row

    def update(self, old_key: Key, new_key: Key, row: EncodedRow) -> None:
        """A changed key is a delete and an insert."""
        if old_key != new_key:
            self.rows[old_key] = None
        self.rows[new_key] = row

    def delete(self, key: Key) -> None:
        self.rows[key] = None

    def upserts(self) -> list[EncodedRow]:
        return [row for row in self.rows.values() if row is not None]

    def deletes(self) -> list[Key]:
        return [key for key, row in self.rows.items() if row is None]
