from hypothesis import given
from hypothesis import strategies as st

from dms_pipeline.local_dms.engine.change_batch import Image, TableChanges
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


def key(number: int) -> bytes:
    return b"%d" % number


def image(line: CopyRow) -> Image:
    return (lambda data, offset: data[offset:]), b"before" + line, len(b"before")


def play(changes: list[Change], table: Table, batch: TableChanges | None = None) -> None:
    """Apply valid changes one by one to a dict, and to the batch if there is one."""
    for kind, old, new, value in changes:
        row = b"%d\t%d\n" % (new, value)
        if kind == "insert" and new not in table:
            table[new] = row
            if batch is not None:
                batch.insert(key(new), image(row))
        elif kind == "update" and old in table and (old == new or new not in table):
            del table[old]
            table[new] = row
            if batch is not None:
                batch.update(key(old), key(new), image(row))
        elif kind == "delete" and old in table:
            del table[old]
            if batch is not None:
                batch.delete(key(old))


def apply_net(batch: TableChanges, table: Table) -> None:
    net = batch.net()
    for keys in net.deletes.values():
        for gone in keys:
            table.pop(int(gone), None)
    for there, row in (net.updates | net.inserts).items():
        table[int(there)] = row


@given(CHANGES, CHANGES)
def test_net_changes_give_the_same_table_as_single_ones_also_when_applied_twice(before, changes):
    source: Table = {}
    play(before, source)
    target = dict(source)
    batch = TableChanges(CopyFormat.TEXT)
    play(changes, source, batch)
    apply_net(batch, target)
    assert target == source
    apply_net(batch, target)
    assert target == source


def test_changed_key_is_a_delete_and_an_insert():
    batch = TableChanges(CopyFormat.TEXT)
    batch.update(b"1", b"2", image(b"2\tx\n"))
    assert batch.net().deletes == {"update": [b"1"]}
    assert batch.net().inserts == {b"2": b"2\tx\n"}
    assert batch.net().updates == {}


def test_key_moved_away_and_back_stays():
    batch = TableChanges(CopyFormat.TEXT)
    batch.update(b"1", b"2", image(b"2\n"))
    batch.update(b"2", b"1", image(b"1\n"))
    assert batch.net().deletes == {"insert": [b"2"]}
    assert batch.net().updates == {b"1": b"1\n"}
