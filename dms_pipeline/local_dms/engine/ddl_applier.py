"""Changes of a table's definition, carried out on the target table.

Columns come and go and get other names and types; rows that are there keep their values, or get the
value the source gave them. A conversion of which that cannot be promised is refused: the table
needs a full load then. Raises LoadError or psycopg.Error; the caller's transaction is void then.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from psycopg import sql

from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine.column_conversions import (
    conversion,
    cut_blanks,
    keeps_blanks,
    misfits,
)
from dms_pipeline.local_dms.engine.column_defaults import default_field
from dms_pipeline.local_dms.engine.column_layout import (
    earlier_name,
    later_name,
    new_definition,
    same_name,
)
from dms_pipeline.local_dms.engine.computed_columns import computed_anew
from dms_pipeline.local_dms.engine.ddl_clauses import (
    CharsetConverted,
    ColumnAdded,
    ColumnChanged,
    ColumnDropped,
    DefaultChanged,
    KeyChanged,
)
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.past_table import Clauses, PastTable
from dms_pipeline.local_dms.engine.row_applier import unescape
from dms_pipeline.local_dms.engine.stated_defaults import NULL_DEFAULT
from dms_pipeline.local_dms.engine.statement_times import StatementTimes
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn, TablePlan
from dms_pipeline.local_dms.engine.target_columns import read_target_columns
from dms_pipeline.local_dms.engine.target_tables import (
    TargetConnection,
    add_primary_key,
    create_table,
    qualified,
    table_exists,
)

_RENAMED = "local_dms_renamed_"
_ALL = sql.SQL("true")


@dataclass(frozen=True, slots=True)
class TableChange:
    """One ALTER TABLE.

    Attributes:
        before: the table before the statement, as far as it is known; ``old`` is its plan.
        after: the table behind it, as far as it is known; ``new`` is its plan. Of a column that
            ``after`` does not know the plan has a later definition.
        clauses: the statement's.
        times: of the statement and its literals.
        is_strict: whether the source refused what would have changed values.
        pads_char: whether it read CHAR with the blanks at its end.
        target_name: what a column is called on the target that is in no plan.
    """

    before: PastTable
    after: PastTable
    old: TablePlan
    new: TablePlan
    clauses: Clauses
    times: StatementTimes
    is_strict: bool
    pads_char: bool
    target_name: Callable[[str], str | None]


def alter_target(target: TargetConnection, change: TableChange) -> None:
    """Make the target table follow; ``target`` is in a transaction."""
    old, new = change.old, change.new
    _refuse_computed_anew(target, change)
    if new.key != old.key or _names_of_key(old) != _names_of_key(new):
        _drop_primary_key(target, old)
    _drop_and_rename(target, change)
    for clause in change.clauses:
        if isinstance(clause, ColumnAdded):
            _add(target, change, clause)
    for clause in change.clauses:
        if isinstance(clause, ColumnChanged) and not clause.keeps_type:
            _change(target, change, clause)
        elif isinstance(clause, CharsetConverted):
            _retype_text(target, change, clause.charset)
    changed_key = any(isinstance(clause, KeyChanged) for clause in change.clauses)
    if new.key and (changed_key or new.key != old.key or not _primary_key(target, new)):
        _drop_primary_key(target, new)
        add_primary_key(target, new)


def _refuse_computed_anew(target: TargetConnection, change: TableChange) -> None:
    planned = _by_name(change.old)
    columns = computed_anew(change.before, change.after, change.clauses, pads_char=change.pads_char)
    names = [column.name for column in columns if column.name.lower() in planned]
    if names and _has_rows(target, change.old):
        raise _computed_anew(names)


def _computed_anew(names: list[str]) -> LoadError:
    return LoadError(
        f"the source computes values of column {', '.join(names)} anew, and what they became"
        " cannot be told; run a full load of the table"
    )


def create_on_target(target: TargetConnection, plan: TablePlan) -> None:
    """The table of a CREATE TABLE, empty.

    What the target has of a table of that name that was dropped before stays there, because a drop
    is not replicated; a table with such rows is refused.
    """
    if not table_exists(target, plan):
        create_table(target, plan)
        add_primary_key(target, plan)
        return
    if _has_rows(target, plan):
        raise LoadError(
            f"it was created on the source, and target table {plan.target_schema}."
            f"{plan.target_table} already has rows; run a full load of the table"
        )
    if not _is_as_planned(target, plan):
        target.execute(sql.SQL("DROP TABLE {}").format(qualified(plan)))
        create_table(target, plan)
        add_primary_key(target, plan)


def _is_as_planned(target: TargetConnection, plan: TablePlan) -> bool:
    """Whether a table has the columns, types and key that would be made."""
    found = target.execute(
        r"SELECT attname::text, atttypid, substring(format_type(atttypid, atttypmod) from '\(.*\)')"
        " FROM pg_catalog.pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        (qualified(plan).as_string(target),),
    ).fetchall()
    planned = target.execute(
        r"SELECT name, to_regtype(type)::oid, substring(type from '\(.*\)')"
        " FROM unnest(%s::text[], %s::text[]) AS planned (name, type)",
        (
            [column.target_name for column in plan.columns],
            [column.mapping.target_type for column in plan.columns],
        ),
    ).fetchall()
    key = {column for _, column in _primary_key(target, plan)}
    return set(found) == set(planned) and key == set(_names_of_key(plan))


def _drop_and_rename(target: TargetConnection, change: TableChange) -> None:
    """All at once, because columns may exchange their names."""
    known = read_target_columns(target, change.old)
    olds, news = _by_name(change.old), _by_name(change.new)

    def named(plan: dict[str, PlannedColumn], column: str) -> str | None:
        planned = plan.get(column.lower())
        return change.target_name(column) if planned is None else planned.target_name

    renames = []
    for column in change.before.layout:
        name, later = named(olds, column), later_name(column, change.clauses)
        new_name = None if later is None else named(news, later)
        if name not in known:
            continue
        if new_name is None:
            _execute(target, change.old, "DROP COLUMN {}", name)
        elif new_name != name:
            renames.append((name, new_name))
    taken = {name for name, _ in renames}
    for place, (name, new_name) in enumerate(renames):
        if new_name in taken:
            renames[place] = (f"{_RENAMED}{place}", new_name)
            _execute(target, change.old, "RENAME COLUMN {} TO {}", name, renames[place][0])
    for name, new_name in renames:
        _execute(target, change.old, "RENAME COLUMN {} TO {}", name, new_name)


def _add(target: TargetConnection, change: TableChange, clause: ColumnAdded) -> None:
    new = change.new
    column = _by_name(new).get(clause.name.lower())
    if column is None:
        # Left out by a rule, or dropped again by a later statement.
        return
    added = sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}").format(
        qualified(new), sql.Identifier(column.target_name), sql.SQL(column.mapping.target_type)
    )
    if not _has_rows(target, new):
        target.execute(added)
        return
    if _redefines_at_once(change, clause.name):
        raise LoadError(
            f"column {clause.name} was added and given another default by one statement, and"
            " what existing rows got is known to the source only; run a full load of the table"
        )
    if any(same_name(part, clause.name) for part in change.after.source.primary_key):
        clause = replace(clause, is_key=True)
    if not (_adds_null(clause) or change.after.certain(column.source.name)):
        raise LoadError(
            f"column {column.source.name} was added in a type that is not known, because it was"
            " given another one later, and what existing rows got is known to the source only; run"
            " a full load of the table"
        )
    field = default_field(
        column, clause, change.times, is_strict=change.is_strict, charset=new.source.charset
    )
    if field is None:
        target.execute(added)
        return
    # A default that is taken away again fills the rows there are without writing them.
    target.execute(sql.SQL("{} DEFAULT {}").format(added, sql.Literal(unescape(field))))
    _execute(target, new, "ALTER COLUMN {} DROP DEFAULT", column.target_name)


def _redefines_at_once(change: TableChange, added: str) -> bool:
    """Whether the statement that adds a column also gives it another default or definition.

    A change of a column of that name means the one that was there before, unless it is dropped.
    """
    was_there = added.lower() in _by_name(change.old) and not any(
        isinstance(each, ColumnDropped) and same_name(each.name, added) for each in change.clauses
    )
    return any(
        same_name(each.name, added)
        if isinstance(each, DefaultChanged)
        else isinstance(each, ColumnChanged) and same_name(each.old, added) and not was_there
        for each in change.clauses
    )


def _adds_null(clause: ColumnAdded) -> bool:
    """Whether it says so; what it gets that says nothing depends on its type."""
    return clause.is_nullable is True and (clause.default is None or clause.default == NULL_DEFAULT)


def _change(target: TargetConnection, change: TableChange, clause: ColumnChanged) -> None:
    after = _by_name(change.new).get(clause.new.lower())
    if after is None or not any(same_name(name, clause.old) for name in change.before.layout):
        return
    became = change.after.certain(after.source.name)
    _retype(target, change, change.before.certain(clause.old), became, after)
    unnumbered = sql.SQL("{0} IS NULL OR {0} = 0").format(sql.Identifier(after.target_name))
    if (clause.recomputes and _has_rows(target, change.new)) or (
        clause.numbers and _has_rows(target, change.new, where=unnumbered)
    ):
        raise _computed_anew([after.source.name])


def _retype_text(target: TargetConnection, change: TableChange, charset: str | None) -> None:
    for column in change.new.columns:
        earlier = earlier_name(column.source.name, change.clauses, change.before.layout)
        if earlier is None or column.source.charset is None:
            continue
        before = change.before.certain(earlier)
        became = change.after.certain(column.source.name)
        is_kept = new_definition(earlier, change.clauses) is None
        if became is None and before is not None and is_kept and charset != "binary":
            became = replace(before, charset=charset)
        _retype(target, change, before, became, column)


def _retype(
    target: TargetConnection,
    change: TableChange,
    before: Column | None,
    became: Column | None,
    after: PlannedColumn,
) -> None:
    """Convert a column's values as the source did; raises `LoadError` if that cannot be promised.

    ``before`` and ``became`` are its definitions around the statement, if they are known.
    """
    plan = change.new
    actual = read_target_columns(target, plan).get(after.target_name)
    if actual is None:
        raise LoadError(f"column {after.target_name} is missing on the target")
    place = sql.Identifier(after.target_name)

    def any_row(condition: str) -> bool:
        return _has_rows(target, plan, where=sql.SQL(condition).format(place))

    expression = _conversion(change, before, became, actual, any_row)
    if expression is None:
        if _has_rows(target, plan):
            raise LoadError(
                f"column {after.source.name} was converted by the source from {_shown(before)} to"
                f" {_shown(became)}, and what became of its values cannot be told; run a full load"
                " of the table"
            )
        expression = "NULL"
    target.execute(
        sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {} USING ({})::{}").format(
            qualified(plan),
            place,
            sql.SQL(after.mapping.target_type),
            sql.SQL(expression).format(place),
            sql.SQL(after.mapping.target_type),
        )
    )


def _shown(column: Column | None) -> str:
    if column is None:
        return "a type that is not known"
    charset = f" CHARACTER SET {column.charset}" if column.charset else ""
    return f"{column.column_type}{charset}"


def _conversion(
    change: TableChange,
    before: Column | None,
    became: Column | None,
    target_type: str,
    any_row: Callable[[str], bool],
) -> str | None:
    """The conversion as the source made it; None if it cannot be promised.

    A source that is not strict changes what does not fit, and puts zero or nothing in the place of
    NULL. ``any_row`` says whether a condition holds for any row of the target.
    """
    if became is None or (change.pads_char and keeps_blanks(before, became)):
        return None
    # In a TIMESTAMP even a strict source puts its time in the place of NULL.
    replaces_null = not change.is_strict or became.data_type == "timestamp"
    may_lose_null = not became.is_nullable and (before is None or before.is_nullable)
    if replaces_null and may_lose_null and any_row("{0} IS NULL"):
        return None
    made = conversion(before, became, target_type, is_strict=change.is_strict)
    if made is not None and change.is_strict:
        longer = cut_blanks(before, became)
        return None if longer is not None and any_row(longer) else made
    if made is None and not change.is_strict and before is not None:
        condition = misfits(before, became)
        if condition is not None and not any_row(condition):
            return conversion(before, became, target_type, is_strict=True)
    return made


def _has_rows(target: TargetConnection, plan: TablePlan, *, where: sql.Composable = _ALL) -> bool:
    statement = sql.SQL("SELECT 1 FROM {} WHERE {} LIMIT 1").format(qualified(plan), where)
    return target.execute(statement).fetchone() is not None


def _primary_key(target: TargetConnection, plan: TablePlan) -> list[tuple[str, str]]:
    """Of each of its columns the constraint's name and the column's."""
    return target.execute(
        "SELECT conname, attname FROM pg_catalog.pg_constraint JOIN pg_catalog.pg_attribute"
        " ON attrelid = conrelid AND attnum = ANY(conkey)"
        " WHERE contype = 'p' AND conrelid = %s::regclass",
        (qualified(plan).as_string(target),),
    ).fetchall()


def _drop_primary_key(target: TargetConnection, plan: TablePlan) -> None:
    columns = _primary_key(target, plan)
    for name in dict.fromkeys(name for name, _ in columns):
        _execute(target, plan, "DROP CONSTRAINT {}", name)
    for _, column in columns:
        # PostgreSQL leaves that behind. A full load makes only columns of the key NOT NULL.
        _execute(target, plan, "ALTER COLUMN {} DROP NOT NULL", column)


def _execute(target: TargetConnection, plan: TablePlan, action: str, *names: str) -> None:
    statement = "ALTER TABLE {} " + action
    target.execute(sql.SQL(statement).format(qualified(plan), *map(sql.Identifier, names)))


def _by_name(plan: TablePlan) -> dict[str, PlannedColumn]:
    return {column.source.name.lower(): column for column in plan.columns}


def _names_of_key(plan: TablePlan) -> list[str]:
    return [column.target_name for column in plan.key_columns]
