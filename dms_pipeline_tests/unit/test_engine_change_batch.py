from hypothesis import given
from hypothesis import strategies as st

from dms_pipeline.binlog.events import RowKind
from dms_pipeline.local_dms.engine.change_batch import TableChanges
from dms_pipeline.local_dms.engine.copy_format import CopyFormat, CopyRow

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


def new_batch() -> TableChanges:
    """Rows lie behind other bytes; their keys are the first field."""
    return TableChanges(
        CopyFormat.TEXT,
        lambda data, offset: data[offset:],
        lambda data, offset: data[offset:].partition(b"\t")[0] + b"\n",
    )


def came(batch: TableChanges, kind: RowKind, row: CopyRow) -> None:
    batch.came(kind, row.partition(b"\t")[0], b"before" + row, len(b"before"))


def went(batch: TableChanges, kind: RowKind, row: CopyRow) -> None:
    batch.went(kind, row.partition(b"\t")[0], b"before" + row, len(b"before"))


def play(changes: list[Change], table: Table, batch: TableChanges) -> None:
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


def apply_net(batch: TableChanges, table: Table) -> None:
    net = batch.net()
    for keys in net.deletes.values():
        for gone in keys:
            table.pop(int(gone), None)
    for row in net.updates + net.inserts:
        table[int(row.partition(b"\t")[0])] = row


@given(CHANGES, CHANGES)
def test_net_changes_give_the_same_table_as_single_ones_also_when_applied_twice(before, changes):
    source: Table = {}
    play(before, source, new_batch())
    target, batch = dict(source), new_batch()
    play(changes, source, batch)
    net = batch.net()
    # What a strict target checks: each key was there, or was not, as its first change needs it.
    assert all(int(row.partition(b"\t")[0]) in target for row in net.updates)
    assert all(int(row.partition(b"\t")[0]) not in target for row in net.inserts)
    for first, keys in net.deletes.items():
        assert all((int(gone) in target) == (first != "insert") for gone in keys)
    apply_net(batch, target)
    assert target == source
    apply_net(batch, target)
    assert target == source


def test_changed_key_is_a_delete_and_an_insert():
    batch = new_batch()
    went(batch, "update", b"1\tx\n")
    came(batch, "insert", b"2\tx\n")
    net = batch.net()
    assert net.deletes == {"update": [b"1\n"]}
    assert (net.inserts, net.updates) == ([b"2\tx\n"], [])


def test_key_moved_away_and_back_stays():
    batch = new_batch()
    for old, new in ((b"1\t\n", b"2\t\n"), (b"2\t\n", b"1\t\n")):
        went(batch, "update", old)
        came(batch, "insert", new)
    assert batch.net().deletes == {"insert": [b"2\n"]}
    assert batch.net().updates == [b"1\t\n"]
