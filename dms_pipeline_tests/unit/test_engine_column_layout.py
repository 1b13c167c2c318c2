import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_pipeline.local_dms.engine.column_layout import (
    UnknownLayoutError,
    after,
    before,
    is_retyped,
    later_name,
    names_before,
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


def test_names_before_a_drop_are_known_without_their_order():
    clauses: list[AlterClause] = [ColumnDropped("c"), ColumnChanged("x", "a")]
    assert names_before(LAYOUT, clauses) == {"k", "x", "b", "c"}


def test_a_column_is_followed_through_renames_to_its_end():
    clauses: list[AlterClause] = [ColumnChanged("a", "x", keeps_type=True), ColumnDropped("b")]
    assert later_name("a", clauses) == "x"
    assert later_name("b", clauses) is None
    assert not is_retyped("a", clauses)
    assert is_retyped("a", [*clauses, ColumnChanged("x", "x")])


@st.composite
def reversible(draw: st.DrawFn) -> tuple[tuple[str, ...], list[AlterClause]]:
    layout: tuple[str, ...] = LAYOUT
    clauses: list[AlterClause] = []
    for number in range(draw(st.integers(0, 6))):
        clause: AlterClause
        if draw(st.booleans()):
            clause = ColumnAdded(f"n{number}", draw(st.sampled_from([None, FIRST, *layout])))
        else:
            clause = ColumnChanged(draw(st.sampled_from(layout)), f"r{number}")
        layout = after(layout, [clause])
        clauses.append(clause)
    return layout, clauses


@given(reversible())
def test_walking_back_undoes_additions_and_renames(case):
    layout, clauses = case
    assert before(layout, clauses) == LAYOUT
