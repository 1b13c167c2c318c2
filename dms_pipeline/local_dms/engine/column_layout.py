"""Which columns a table had, in which order, before and after an ALTER TABLE. Pure.

The log names no columns, so the layout of a row is the one valid where the row was written. It is
found by walking from a known layout along the statements between, in either direction.
"""

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


def after(layout: Layout, clauses: Iterable[AlterClause]) -> Layout:
    """The columns behind a statement."""
    names = list(layout)
    for clause in clauses:
        if isinstance(clause, ColumnAdded):
            if not (clause.if_not_exists and _find(names, clause.name) is not None):
                _insert(names, clause.name, clause.place)
        elif isinstance(clause, ColumnDropped):
            place = _find(names, clause.name)
            if place is not None:
                del names[place]
        elif isinstance(clause, ColumnChanged):
            _change(names, clause)
        elif isinstance(clause, UnknownClause):
            raise UnknownLayoutError(f"clause {clause.text!r}")
    return tuple(names)


def before(layout: Layout, clauses: Sequence[AlterClause]) -> Layout:
    """The columns before a statement, if it did not remove or move any."""
    names = list(layout)
    for clause in reversed(clauses):
        if isinstance(clause, ColumnAdded):
            if clause.if_not_exists:
                raise UnknownLayoutError(f"ADD COLUMN IF NOT EXISTS {clause.name}")
            place = _find(names, clause.name)
            if place is None:
                raise UnknownLayoutError(f"column {clause.name} is added and not there")
            del names[place]
        elif isinstance(clause, ColumnDropped):
            raise UnknownLayoutError(f"DROP COLUMN {clause.name}")
        elif isinstance(clause, ColumnChanged):
            if clause.place is not None:
                raise UnknownLayoutError(f"column {clause.old} moved")
            place = _find(names, clause.new)
            if place is None:
                raise UnknownLayoutError(f"column {clause.new} is changed and not there")
            names[place] = clause.old
        elif isinstance(clause, UnknownClause):
            raise UnknownLayoutError(f"clause {clause.text!r}")
    return tuple(names)


def names_before(names: Iterable[str], clauses: Sequence[AlterClause]) -> set[str]:
    """The columns before a statement in no order, also where it removed or moved some."""
    known = list(names)
    for clause in reversed(clauses):
        if isinstance(clause, ColumnDropped):
            known.append(clause.name)
        elif isinstance(clause, ColumnChanged):
            place = _find(known, clause.new)
            if place is None:
                raise UnknownLayoutError(f"column {clause.new} is changed and not there")
            known[place] = clause.old
        else:
            known = list(before(tuple(known), [clause]))
    return set(known)


def later_name(name: str, clauses: Iterable[AlterClause]) -> str | None:
    """What a column is called behind these clauses; None if it is dropped by one."""
    current: str | None = name
    for clause in clauses:
        if current is None:
            return None
        if isinstance(clause, ColumnDropped) and same_name(clause.name, current):
            current = None
        elif isinstance(clause, ColumnChanged) and same_name(clause.old, current):
            current = clause.new
    return current


def is_retyped(name: str, clauses: Iterable[AlterClause]) -> bool:
    """Whether a clause gives the column, or whatever it is called by then, a new definition."""
    for clause in clauses:
        if isinstance(clause, ColumnChanged) and same_name(clause.old, name):
            if not clause.keeps_type:
                return True
            name = clause.new
    return False


def same_name(one: str, other: str) -> bool:
    """MySQL does not tell upper from lower case in names of columns."""
    return one.lower() == other.lower()


def _find(names: list[str], name: str) -> int | None:
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


def _change(names: list[str], clause: ColumnChanged) -> None:
    place = _find(names, clause.old)
    if place is None:
        raise UnknownLayoutError(f"column {clause.old} is changed and not known")
    if clause.place is None:
        names[place] = clause.new
        return
    del names[place]
    _insert(names, clause.new, clause.place)
