"""Which columns a table had, in which order, before and after an ALTER TABLE. Pure.

The log names no columns, so the layout of a row is the one valid where the row was written. It is
found by walking from a known layout along the statements between, in either direction. The clauses
of one statement all speak of the table as it was before it: two columns may exchange their names.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from dms_pipeline.local_dms.engine.ddl_clauses import (
    FIRST,
    AlterClause,
    ColumnAdded,
    ColumnChanged,
    ColumnDropped,
    UnknownClause,
)

Layout = tuple[str, ...]


class UnknownLayoutError(Exception):
    """The statements do not tell; the text says which clause is to blame."""


def after(layout: Layout, clauses: Sequence[AlterClause]) -> Layout:
    """The columns behind a statement."""
    changes = _changes(clauses)
    _check(layout, clauses)
    names: list[str] = []
    for name in layout:
        change = changes.get(name.lower())
        if change is not None and change.place is None:
            names.append(change.new)
        elif change is None and not _is_dropped(name, clauses):
            names.append(name)
    for clause in clauses:
        if isinstance(clause, ColumnAdded):
            if not (clause.if_not_exists and _find(layout, clause.name) is not None):
                _insert(names, clause.name, clause.place)
        elif (
            isinstance(clause, ColumnChanged)
            and clause.place is not None
            and _find(layout, clause.old) is not None
        ):
            _insert(names, clause.new, clause.place)
    return tuple(names)


def before(layout: Layout, clauses: Sequence[AlterClause]) -> Layout:
    """The columns before a statement, if it did not remove or move any."""
    changes = {c.new.lower(): c for c in clauses if isinstance(c, ColumnChanged)}
    added = {c.name.lower() for c in clauses if isinstance(c, ColumnAdded)}
    _check_changes(clauses)
    for clause in clauses:
        if isinstance(clause, ColumnDropped):
            raise UnknownLayoutError(f"DROP COLUMN {clause.name}")
        if isinstance(clause, UnknownClause):
            raise UnknownLayoutError(f"clause {clause.text!r}")
        if isinstance(clause, ColumnAdded):
            if clause.if_not_exists:
                raise UnknownLayoutError(f"ADD COLUMN IF NOT EXISTS {clause.name}")
            if _find(layout, clause.name) is None:
                raise UnknownLayoutError(f"column {clause.name} is added and not there")
        if isinstance(clause, ColumnChanged):
            if clause.place is not None:
                raise UnknownLayoutError(f"column {clause.old} moved")
            if clause.if_exists or _find(layout, clause.new) is None:
                raise UnknownLayoutError(f"column {clause.new} is changed and not there")
    kept = [name for name in layout if name.lower() not in added]
    return tuple(changes[name.lower()].old if name.lower() in changes else name for name in kept)


def later_name(name: str, clauses: Iterable[AlterClause]) -> str | None:
    """What a column is called behind a statement; None if the statement drops it."""
    for clause in clauses:
        if isinstance(clause, ColumnDropped) and same_name(clause.name, name):
            return None
        if isinstance(clause, ColumnChanged) and same_name(clause.old, name):
            return clause.new
    return name


def earlier_name(name: str, clauses: Iterable[AlterClause], layout: Layout) -> str | None:
    """What a column was called before a statement, in ``layout``; None if it was added by it."""
    for clause in clauses:
        if isinstance(clause, ColumnAdded) and same_name(clause.name, name):
            if clause.if_not_exists and _find(layout, name) is not None:
                continue
            return None
        if isinstance(clause, ColumnChanged) and same_name(clause.new, name):
            return clause.old
    return name


def new_definition(name: str, clauses: Iterable[AlterClause]) -> str | None:
    """The definition that a statement gives the column of that name before it; None if none."""
    for clause in clauses:
        if isinstance(clause, ColumnChanged) and same_name(clause.old, name):
            return None if clause.keeps_type else clause.definition
    return None


def same_name(one: str, other: str) -> bool:
    """MySQL does not tell upper from lower case in names of columns."""
    return one.lower() == other.lower()


def _changes(clauses: Iterable[AlterClause]) -> dict[str, ColumnChanged]:
    return {c.old.lower(): c for c in clauses if isinstance(c, ColumnChanged)}


def _check_changes(clauses: Iterable[AlterClause]) -> None:
    """MariaDB changes a column that it renames, and then the one that it adds under that name."""
    names = Counter(c.old.lower() for c in clauses if isinstance(c, ColumnChanged))
    for name, count in names.items():
        if count > 1:
            raise UnknownLayoutError(f"column {name} is changed more than once")


def _check(layout: Layout, clauses: Sequence[AlterClause]) -> None:
    _check_changes(clauses)
    for clause in clauses:
        if isinstance(clause, UnknownClause):
            raise UnknownLayoutError(f"clause {clause.text!r}")
    for change in _changes(clauses).values():
        if not change.if_exists and _find(layout, change.old) is None:
            raise UnknownLayoutError(f"column {change.old} is changed and not known")


def _is_dropped(name: str, clauses: Iterable[AlterClause]) -> bool:
    return any(isinstance(c, ColumnDropped) and same_name(c.name, name) for c in clauses)


def _find(names: Sequence[str], name: str) -> int | None:
    for place, known in enumerate(names):
        if same_name(known, name):
            return place
    return None


def _insert(names: list[str], name: str, place: str | None) -> None:
    if place is None:
        names.append(name)
    elif place == FIRST:
        names.insert(0, name)
    else:
        before_it = _find(names, place)
        if before_it is None:
            raise UnknownLayoutError(f"column {place}, which {name} is placed after, is not known")
        names.insert(before_it + 1, name)
