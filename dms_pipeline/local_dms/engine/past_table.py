"""A table as rows at some place in the log have it, and what is not known of it there. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine import column_layout
from dms_pipeline.local_dms.engine.column_layout import Layout
from dms_pipeline.local_dms.engine.ddl_clauses import (
    WIDE_CHARSETS,
    AlterClause,
    CharsetConverted,
    ColumnAdded,
    ColumnChanged,
    DefaultCharset,
    KeyChanged,
)
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.stated_columns import TABLE_CHARSET

# Nothing is read or written by this type, it only keeps the place.
_UNKNOWN = Column(name="", data_type="int", column_type="an unknown type")

_CHARSET_CLAUSES = (CharsetConverted, DefaultCharset)

Clauses = Sequence[AlterClause]


@dataclass(frozen=True, slots=True)
class PastTable:
    """Columns in the order of the rows, with the names they had there.

    Attributes:
        source: the table.
        unknown: columns of which only the name is known.
        uncertain: columns of which only a later definition is known, which ``source`` has.
        dropped_later: of the unknown ones those whose values do not matter.
    """

    source: SourceTable
    unknown: frozenset[str] = frozenset()
    uncertain: frozenset[str] = frozenset()
    dropped_later: frozenset[str] = frozenset()

    @property
    def layout(self) -> Layout:
        return tuple(column.name for column in self.source.columns)

    def certain(self, name: str) -> Column | None:
        """The column's definition here, if it is known."""
        for column in self.source.columns:
            if column_layout.same_name(column.name, name):
                is_known = column.name not in self.unknown and column.name not in self.uncertain
                return column if is_known else None
        return None


def walked_back(
    today: SourceTable, layout: Layout, later: Sequence[Clauses], *, behind: Clauses = ()
) -> PastTable:
    """The table before the statements ``later``, which led to what it is today.

    A statement that gives a column the definition again that it got ``behind`` another statement
    changes nothing.
    """
    by_name = {column.name.lower(): column for column in today.columns}
    earlier_names: dict[str, str] = {}
    dropped, uncertain, columns = set(), set(), []
    for name in layout:
        todays_name, given = _followed(name, later)
        definition = by_name.get((todays_name or "").lower())
        if definition is None:
            dropped.add(name)
            columns.append(replace(_UNKNOWN, name=name))
            continue
        earlier_names[definition.name.lower()] = name
        columns.append(replace(definition, name=name))
        stated = _stated(name, behind)
        is_changed = any(one != stated for one in given)
        if definition.charset is not None:
            # A definition without a character set takes the table's, maybe another one by then.
            is_changed = bool(given) or any(_conversion(clauses) for clauses in later)
        if is_changed:
            uncertain.add(name)
    key = tuple(earlier_names.get(part.lower(), "") for part in today.primary_key)
    if any(map(_sets_key, later)) or "" in key:
        key = ()
    # What the default was before a statement that sets it is not said.
    charset = None if any(map(sets_charset, later)) else today.charset
    named = tuple(_computed_before(column, earlier_names, later) for column in columns)
    source = replace(today, columns=named, primary_key=key, charset=charset)
    return PastTable(source, frozenset(dropped), frozenset(uncertain), frozenset(dropped))


def carried_on(before: PastTable, clauses: Clauses) -> PastTable:
    """The table behind a statement, as far as what it was before it tells.

    Raises:
        UnknownLayoutError: the statement does not tell.
    """
    unknown, columns = set(), []
    charset = before.source.charset
    if sets_charset(clauses):
        charset = next(c.charset for c in clauses if isinstance(c, _CHARSET_CLAUSES))
    for name in column_layout.after(before.layout, clauses):
        definition = _definition_behind(before, name, clauses, charset)
        if definition is None:
            unknown.add(name)
        columns.append(replace(definition or _UNKNOWN, name=name))
    # A statement may name a column of the key in other cases than where it defines it.
    spelled = {column.name.lower(): column.name for column in columns}
    key = _key_behind(before.source.primary_key, clauses)
    source = replace(
        before.source,
        columns=tuple(columns),
        primary_key=tuple(spelled.get(part.lower(), part) for part in key),
        charset=charset,
    )
    return PastTable(source, frozenset(unknown))


def created(table: TableId, clauses: Clauses, charset: str | None = None) -> PastTable | None:
    """The table behind its CREATE TABLE; None if the statement lists no columns.

    ``charset`` is the table's default, if that is known, where the statement does not give one.
    """
    before = PastTable(SourceTable(table, (), (), charset=charset))
    return carried_on(before, clauses) if clauses else None


def completed(walked: PastTable, known: PastTable) -> PastTable:
    """What was walked back to, and what is known beside it, of one table at one place."""
    unknown: set[str] = set()
    uncertain: set[str] = set()
    columns = []
    for column in walked.source.columns:
        definition = walked.certain(column.name) or known.certain(column.name)
        columns.append(definition or column)
        if definition is None:
            (unknown if column.name in walked.unknown else uncertain).add(column.name)
    source = replace(
        walked.source,
        columns=tuple(columns),
        primary_key=known.source.primary_key,
        charset=walked.source.charset or known.source.charset,
    )
    return PastTable(
        source, frozenset(unknown), frozenset(uncertain), walked.dropped_later & unknown
    )


def _computed_from(column: Column, renamed: Callable[[str], str | None]) -> Column:
    """MariaDB renames columns also in the expressions that name them."""
    if not column.computed_from:
        return column
    names = (renamed(name) or name for name in column.computed_from)
    return replace(column, computed_from=tuple(name.lower() for name in names))


def _computed_before(
    column: Column, earlier_names: Mapping[str, str], later: Sequence[Clauses]
) -> Column:
    """A column with what it may have been computed from before those statements."""
    before = _computed_from(column, earlier_names.get)
    # One that left its name to another is gone, but expressions keep the name.
    left = (name for name in column.computed_from if any(_is_left(name, one) for one in later))
    return replace(before, computed_from=(*before.computed_from, *left))


def _is_left(name: str, clauses: Clauses) -> bool:
    """Whether a statement drops a column and renames another one to its name."""
    return column_layout.later_name(name, clauses) is None and any(
        isinstance(clause, ColumnChanged) and column_layout.same_name(clause.new, name)
        for clause in clauses
    )


def _stated(name: str, clauses: Clauses) -> str | None:
    """The definition that a statement gives the column of that name behind it."""
    return next((clause.definition for clause in clauses if _defines(clause, name)), None)


def _defines(clause: AlterClause, name: str) -> TypeGuard[ColumnAdded | ColumnChanged]:
    if isinstance(clause, ColumnAdded):
        return column_layout.same_name(clause.name, name)
    return isinstance(clause, ColumnChanged) and column_layout.same_name(clause.new, name)


def sets_charset(clauses: Clauses) -> bool:
    """Whether a statement gives the table another default."""
    return any(isinstance(clause, _CHARSET_CLAUSES) for clause in clauses)


def _followed(name: str, later: Iterable[Clauses]) -> tuple[str | None, list[str]]:
    """What a column is called today, and the definitions that it was given on the way."""
    current: str | None = name
    given = []
    for clauses in later:
        if current is None:
            break
        if (definition := column_layout.new_definition(current, clauses)) is not None:
            given.append(definition)
        current = column_layout.later_name(current, clauses)
    return current, given


def _definition_behind(
    before: PastTable, name: str, clauses: Clauses, charset: str | None
) -> Column | None:
    """What a column is behind a statement: as it was before, or as the statement says.

    ``charset`` is the table's default there.
    """
    earlier = column_layout.earlier_name(name, clauses, before.layout)
    if earlier is not None and column_layout.new_definition(earlier, clauses) is None:
        kept = _kept(before, earlier, clauses)
        return kept and _computed_from(kept, lambda one: column_layout.later_name(one, clauses))
    stated = next((c.stated for c in clauses if _defines(c, name)), None)
    if stated is None or stated.charset != TABLE_CHARSET:
        return stated
    # Of a binary table they would be no text.
    return None if charset in (None, "binary") else replace(stated, charset=charset)


def _kept(before: PastTable, earlier: str, clauses: Clauses) -> Column | None:
    """The definition that a column had before a statement and has kept."""
    definition = before.certain(earlier)
    converted = _conversion(clauses)
    if definition is None or definition.charset is None or converted is None:
        return definition
    # Labels are not in the rows. Servers convert them by leaving their bytes as they are.
    is_label = definition.data_type in ("enum", "set") and definition.column_type.isascii()
    was_ascii = not definition.charset.startswith(WIDE_CHARSETS)
    return definition if is_label and was_ascii and converted.keeps_ascii else None


def _conversion(clauses: Clauses) -> CharsetConverted | None:
    return next((clause for clause in clauses if isinstance(clause, CharsetConverted)), None)


def _key_behind(key: tuple[str, ...], clauses: Clauses) -> tuple[str, ...]:
    added = {c.name.lower(): c.name for c in clauses if isinstance(c, ColumnAdded)}
    # A column that one statement drops and adds anew keeps its place in the key.
    later = (column_layout.later_name(part, clauses) or added.get(part.lower()) for part in key)
    names = tuple(name for name in later if name is not None)
    for clause in clauses:
        if isinstance(clause, KeyChanged):
            names = clause.columns or ()
        elif isinstance(clause, ColumnAdded) and clause.is_key:
            names = (clause.name,)
        elif isinstance(clause, ColumnChanged) and clause.is_key:
            names = (clause.new,)
    return names


def _sets_key(clauses: Clauses) -> bool:
    return any(
        isinstance(clause, KeyChanged)
        or (isinstance(clause, ColumnAdded | ColumnChanged) and clause.is_key)
        for clause in clauses
    )
