import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_pipeline.local_dms.engine.column_layout import (
    UnknownLayoutError,
    after,
    before,
    earlier_name,
    later_name,
    new_definition,
)
from dms_pipeline.local_dms.engine.ddl_clauses import (
    FIRST,
    AlterClause,
    ColumnAdded,
    ColumnChanged,
    ColumnDropped,
)

LAYOUT = ("k", "a", "b")


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        (ColumnAdded("c"), ("k", "a", "b", "c")),
        (ColumnAdded("c", FIRST), ("c", "k", "a", "b")),
        (ColumnAdded("c", "K"), ("k", "c", "a", "b")),
        (ColumnAdded("A", if_not_exists=True), LAYOUT),
        (ColumnDropped("A"), ("k", "b")),
        (ColumnDropped("gone"), LAYOUT),
        (ColumnChanged("a", "x"), ("k", "x", "b")),
        (ColumnChanged("a", "a", "b"), ("k", "b", "a")),
        (ColumnChanged("b", "y", FIRST), ("y", "k", "a")),
    ],
)
def test_layout_behind_a_clause(clause, expected):
    assert after(LAYOUT, [clause]) == expected


@pytest.mark.parametrize(
    "clause", [ColumnDropped("c"), ColumnChanged("a", "a", FIRST), ColumnChanged("x", "nowhere")]
)
def test_what_was_dropped_or_moved_cannot_be_walked_back(clause):
    with pytest.raises(UnknownLayoutError):
        before(LAYOUT, [clause])


@pytest.mark.parametrize(
    ("clauses", "expected"),
    [
        ([ColumnChanged("a", "b"), ColumnChanged("b", "a")], ("k", "b", "a")),
        ([ColumnAdded("a"), ColumnDropped("a")], ("k", "b", "a")),
        ([ColumnDropped("a"), ColumnAdded("a", FIRST)], ("a", "k", "b")),
        ([ColumnChanged("a", "x"), ColumnAdded("a", "x")], ("k", "x", "a", "b")),
        ([ColumnChanged("gone", "x", if_exists=True)], LAYOUT),
    ],
)
def test_clauses_of_one_statement_speak_of_the_table_before_it(clauses, expected):
    assert after(LAYOUT, clauses) == expected


def test_a_column_is_followed_through_a_statement():
    clauses: list[AlterClause] = [
        ColumnChanged("a", "b", keeps_type=True),
        ColumnChanged("b", "A", definition="int"),
        ColumnDropped("k"),
        ColumnAdded("k"),
    ]
    assert [later_name(name, clauses) for name in LAYOUT] == [None, "b", "A"]
    assert [earlier_name(name, clauses, LAYOUT) for name in ("b", "a", "k")] == ["a", "b", None]
    assert [new_definition(name, clauses) for name in LAYOUT] == [None, None, "int"]


@st.composite
def reversible(draw: st.DrawFn) -> tuple[tuple[str, ...], list[list[AlterClause]]]:
    layout: tuple[str, ...] = LAYOUT
    statements: list[list[AlterClause]] = []
    for number in range(draw(st.integers(0, 6))):
        added = ColumnAdded(f"n{number}", draw(st.sampled_from([None, FIRST])))
        changed = ColumnChanged(draw(st.sampled_from(layout)), f"r{number}")
        clauses: list[AlterClause] = draw(st.sampled_from([[added], [changed], [changed, added]]))
        layout = after(layout, clauses)
        statements.append(clauses)
    return layout, statements


@given(reversible())
def test_walking_back_undoes_additions_and_renames(case):
    layout, statements = case
    for clauses in reversed(statements):
        layout = before(layout, clauses)
    assert layout == LAYOUT


@pytest.mark.parametrize("walk", [after, before])
def test_a_column_that_is_changed_twice_is_not_known(walk):
    clauses = [ColumnChanged("b", "c"), ColumnAdded("b"), ColumnChanged("B", "b")]
    with pytest.raises(UnknownLayoutError, match="column b is changed more than once"):
        walk(("k", "c", "b"), clauses)
