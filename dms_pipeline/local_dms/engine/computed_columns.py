"""Which generated columns the source computes anew because a statement changes others. Pure.

The log does not tell what they become, neither of stored columns nor of virtual ones.
"""

from dms_pipeline.local_dms.engine import column_layout
from dms_pipeline.local_dms.engine.column_conversions import is_same_in_expressions
from dms_pipeline.local_dms.engine.ddl_clauses import (
    CharsetConverted,
    ColumnChanged,
    DefaultChanged,
)
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.past_table import Clauses, PastTable


def computed_anew(
    before: PastTable, after: PastTable, clauses: Clauses, *, pads_char: bool
) -> list[Column]:
    """Generated columns of ``before`` that may have other values in ``after``, between them.

    Those are left out that the statement itself drops or gives another definition. ``pads_char``
    says whether it read CHAR with the blanks at its end, which the rows may not have been written
    with; the source computes stored columns anew if it copies the table.
    """
    values, defaults = _changed(before, after, clauses)
    if pads_char and clauses:
        values |= {c.name.lower() for c in before.source.columns if c.data_type == "char"}
    found = []
    for column in before.source.columns:
        name = column.name
        # What it is computed from may be known where its character set is not.
        if name in before.unknown or column_layout.later_name(name, clauses) is None:
            continue
        if column_layout.new_definition(name, clauses) is not None:
            continue
        named = set(column.computed_from)
        # MariaDB reads the texts of an expression by the table's character set.
        is_read_anew = bool(named) and _converts(clauses)
        if is_read_anew or named & values or (column.uses_defaults and named & defaults):
            found.append(column)
    return found


def uses_default(table: PastTable, name: str) -> bool:
    """Whether a generated column may be computed from the default of the column of that name."""
    return any(
        column.uses_defaults and name.lower() in column.computed_from
        for column in table.source.columns
    )


def _converts(clauses: Clauses) -> bool:
    return any(isinstance(clause, CharsetConverted) for clause in clauses)


def _changed(before: PastTable, after: PastTable, clauses: Clauses) -> tuple[set[str], set[str]]:
    """Columns whose values may mean something else to an expression, and whose defaults may."""
    values, defaults = set(), set()
    for name in before.layout:
        column, later = before.certain(name), column_layout.later_name(name, clauses)
        if later is None:
            # Another one has come under its name, or no expression could name it.
            values.add(name.lower())
            continue
        if column_layout.new_definition(name, clauses) is not None:
            became = after.certain(later)
            if column is None or became is None or not is_same_in_expressions(column, became):
                values.add(name.lower())
    for clause in clauses:
        if isinstance(clause, DefaultChanged):
            defaults.add(clause.name.lower())
        elif isinstance(clause, ColumnChanged) and not clause.keeps_type:
            defaults.add(clause.old.lower())
    return values, defaults
