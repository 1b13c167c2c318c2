from hypothesis import given
from hypothesis import strategies as st

from dms_pipeline.local_dms.engine.change_batch import EncodedRow, TableChanges

Change = tuple[str, int, int, int]
Table = dict[int, EncodedRow]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["insert", "update", "delete"]),
        st.integers(0, 4),
        st.integers(0, 4),
        st.integers(0, 99),
    )
)


def field(number: int) -> bytes:
    return str(number).encode()


def play(changes: list[Change], table: Table, batch: TableChanges | None = None) -> None:
    """Apply valid changes one by one to a dict, and to the batch if there is one."""
    for kind, old, new, value in changes:
        row = (field(new), field(value))
        if kind == "insert" and new not in table:
            table[new] = row
            if batch is not None:
                batch.insert((field(new),), row)
        elif kind == "update" and old in table and (old == new or new not in table):
            del table[old]
            table[new] = row
            if batch is not None:
                batch.update((field(old),), (field(new),), row)
        elif kind == "delete" and old in table:
            del table[old]
            if batch is not None:
                batch.delete((field(old),))


def apply_net(batch: TableChanges, table: Table) -> None:
    for keys in batch.deletes().values():
        for key in keys:
            table.pop(int(key[0] or b""), None)
    for row in batch.upserts("insert", "update", "delete"):
        table[int(row[0] or b"")] = row


@given(CHANGES, CHANGES)
def test_net_changes_give_the_same_table_as_single_ones_also_when_applied_twice(before, changes):
    source: Table = {}
    play(before, source)
    target = dict(source)
    batch = TableChanges()
    play(changes, source, batch)
    apply_net(batch, target)
    assert target == source
    apply_net(batch, target)
    assert target == source


def test_changed_key_is_a_delete_and_an_insert():
    batch = TableChanges()
    batch.update((b"1",), (b"2",), (b"2", b"x"))
    assert batch.deletes() == {"update": [(b"1",)]}
    assert batch.upserts("insert") == [(b"2", b"x")]
    assert batch.upserts("update", "delete") == []


def test_key_moved_away_and_back_stays():
    batch = TableChanges()
    batch.update((b"1",), (b"2",), (b"2",))
    batch.update((b"2",), (b"1",), (b"1",))
    assert batch.deletes() == {"insert": [(b"2",)]}
    assert batch.upserts("update", "delete") == [(b"1",)]
