from hypothesis import given
from hypothesis import strategies as st

from dms_pipeline.binlog.events import RowKind
from dms_pipeline.local_dms.engine.change_batch import TableChanges
from dms_pipeline.local_dms.engine.copy_format import CopyFormat, CopyRow, CopyRows

Change = tuple[str, int, int, int]
Table = dict[int, CopyRow]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["insert", "update", "delete"]),
        st.integers(0, 4),
        st.integers(0, 4),
        st.integers(0, 99),
    )
)


class Batch(TableChanges):
    """Of rows in a list; their keys are the first field."""

    format = CopyFormat.TEXT

    def __init__(self) -> None:
        super().__init__()
        self.made: list[CopyRow] = []

    def rows(self, places: list[int]) -> CopyRows:
        return CopyRows.of(self.made[place] for place in places)

    def keys(self, places: list[int]) -> list[CopyRow]:
        return [self.made[place].partition(b"\t")[0] + b"\n" for place in places]


def came(batch: Batch, kind: RowKind, row: CopyRow) -> None:
    batch.made.append(row)
    batch.came(kind, row.partition(b"\t")[0], len(batch.made) - 1)


def went(batch: Batch, kind: RowKind, row: CopyRow) -> None:
    batch.made.append(row)
    batch.went(kind, row.partition(b"\t")[0], len(batch.made) - 1)


def rows_in(rows: CopyRows) -> list[CopyRow]:
    lines = b"".join(rows.pieces).splitlines(keepends=True)
    assert len(lines) == rows.count
    return lines


def play(changes: list[Change], table: Table, batch: Batch) -> None:
    """Apply valid changes one by one to a dict, and to the batch."""
    for kind, old, new, value in changes:
        row = b"%d\t%d\n" % (new, value)
        if kind == "insert" and new not in table:
            table[new] = row
            came(batch, "insert", row)
        elif kind == "update" and old in table and (old == new or new not in table):
            gone = table.pop(old)
            table[new] = row
            if old == new:
                came(batch, "update", row)
            else:
                went(batch, "update", gone)
                came(batch, "insert", row)
        elif kind == "delete" and old in table:
            went(batch, "delete", table.pop(old))


def apply_net(batch: Batch, table: Table) -> None:
    net = batch.net(batch)
    for keys in net.deletes.values():
        for gone in keys:
            table.pop(int(gone), None)
    for row in rows_in(net.updates) + rows_in(net.inserts):
        table[int(row.partition(b"\t")[0])] = row


@given(CHANGES, CHANGES)
def test_net_changes_give_the_same_table_as_single_ones_also_when_applied_twice(before, changes):
    source: Table = {}
    play(before, source, Batch())
    target, batch = dict(source), Batch()
    play(changes, source, batch)
    net = batch.net(batch)
    # What a strict target checks: each key was there, or was not, as its first change needs it.
    assert all(int(row.partition(b"\t")[0]) in target for row in rows_in(net.updates))
    assert all(int(row.partition(b"\t")[0]) not in target for row in rows_in(net.inserts))
    for first, keys in net.deletes.items():
        assert all((int(gone) in target) == (first != "insert") for gone in keys)
    apply_net(batch, target)
    assert target == source
    apply_net(batch, target)
    assert target == source


def test_changed_key_is_a_delete_and_an_insert():
    batch = Batch()
    went(batch, "update", b"1\tx\n")
    came(batch, "insert", b"2\tx\n")
    net = batch.net(batch)
    assert net.deletes == {"update": [b"1\n"]}
    assert (rows_in(net.inserts), rows_in(net.updates)) == ([b"2\tx\n"], [])


def test_key_moved_away_and_back_stays():
    batch = Batch()
    for old, new in ((b"1\t\n", b"2\t\n"), (b"2\t\n", b"1\t\n")):
        went(batch, "update", old)
        came(batch, "insert", new)
    assert batch.net(batch).deletes == {"insert": [b"2\n"]}
    assert rows_in(batch.net(batch).updates) == [b"1\t\n"]
