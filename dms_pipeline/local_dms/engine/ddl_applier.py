"""Changes of a table's definition, carried out on the target table.

Columns come and go and get other names and types; rows that are there keep their values, or get the
value the source gave them. A conversion of which that cannot be promised is refused: the table
needs a full load then. Raises LoadError or psycopg.Error; the caller's transaction is void then.
"""

from collections.abc import Iterable

from psycopg import sql

from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine.column_conversions import conversion
from dms_pipeline.local_dms.engine.column_defaults import default_field
from dms_pipeline.local_dms.engine.column_layout import same_name
from dms_pipeline.local_dms.engine.ddl_clauses import (
    AlterClause,
    CharsetConverted,
    ColumnAdded,
    ColumnChanged,
    ColumnDropped,
    KeyChanged,
)
from dms_pipeline.local_dms.engine.row_applier import unescape
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn, TablePlan
from dms_pipeline.local_dms.engine.target_columns import TargetColumns
from dms_pipeline.local_dms.engine.target_tables import (
    TargetConnection,
    add_primary_key,
    create_table,
    qualified,
    table_exists,
)


def alter_target(
    target: TargetConnection,
    old: TablePlan,
    new: TablePlan,
    clauses: Iterable[AlterClause],
    *,
    timestamp: int,
    uncertain: frozenset[str] = frozenset(),
) -> None:
    """Carry out the clauses of one ALTER TABLE.

    Args:
        target: in a transaction.
        old: the table before the statement, ``new`` behind it.
        new: see ``old``.
        clauses: in their order.
        timestamp: when the statement ran.
        uncertain: columns whose definition in ``old`` is only assumed.
    """
    if new.key != old.key or _names_of_key(old) != _names_of_key(new):
        _drop_primary_key(target, old)
    columns = dict(_by_name(old))
    for clause in clauses:
        if isinstance(clause, ColumnAdded):
            _add(target, new, clause, timestamp)
        elif isinstance(clause, ColumnDropped):
            dropped = columns.get(clause.name.lower())
            if dropped is not None:
                _execute(target, old, "DROP COLUMN IF EXISTS {}", dropped.target_name)
        elif isinstance(clause, ColumnChanged):
            _change(target, old, new, clause, certain=clause.old not in uncertain)
        elif isinstance(clause, CharsetConverted):
            _retype_text(target, old, new)
    TargetColumns.keep_order(target, new)
    changed_key = any(isinstance(clause, KeyChanged) for clause in clauses)
    if new.key and (changed_key or new.key != old.key):
        _drop_primary_key(target, new)
        add_primary_key(target, new)


def create_on_target(target: TargetConnection, plan: TablePlan) -> None:
    """The table of a CREATE TABLE, empty.

    What the target has of a table of that name that was dropped before stays there, because a drop
    is not replicated; a table with such rows is refused.
    """
    if not table_exists(target, plan):
        create_table(target, plan)
        add_primary_key(target, plan)
        return
    found = target.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(qualified(plan))).fetchone()
    if found is not None:
        raise LoadError(
            f"it was created on the source, and target table {plan.target_schema}."
            f"{plan.target_table} already has rows; run a full load of the table"
        )
    missing = set(TargetColumns.read(target, plan).types) ^ {c.target_name for c in plan.columns}
    if missing:
        target.execute(sql.SQL("DROP TABLE {}").format(qualified(plan)))
        create_table(target, plan)
        add_primary_key(target, plan)


def _add(target: TargetConnection, new: TablePlan, clause: ColumnAdded, timestamp: int) -> None:
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
    field = default_field(column, clause, timestamp)
    if field is None:
        target.execute(added)
        return
    # A default that is taken away again fills the rows there are without writing them.
    target.execute(sql.SQL("{} DEFAULT {}").format(added, sql.Literal(unescape(field))))
    _execute(target, new, "ALTER COLUMN {} DROP DEFAULT", column.target_name)


def _change(
    target: TargetConnection,
    old: TablePlan,
    new: TablePlan,
    clause: ColumnChanged,
    *,
    certain: bool,
) -> None:
    before, after = _by_name(old).get(clause.old.lower()), _by_name(new).get(clause.new.lower())
    if before is None:
        return
    if after is None:
        if not any(same_name(c.name, clause.new) for c in new.source.columns):
            return
        _execute(target, old, "DROP COLUMN IF EXISTS {}", before.target_name)
        return
    if before.target_name != after.target_name:
        target.execute(
            sql.SQL("ALTER TABLE {} RENAME COLUMN {} TO {}").format(
                qualified(old),
                sql.Identifier(before.target_name),
                sql.Identifier(after.target_name),
            )
        )
    if not clause.keeps_type:
        _retype(target, new, before if certain else None, after)


def _retype_text(target: TargetConnection, old: TablePlan, new: TablePlan) -> None:
    known = _by_name(old)
    for column in new.columns:
        before = known.get(column.source.name.lower())
        if before is not None and before.mapping.target_type != column.mapping.target_type:
            _retype(target, new, before, column)


def _retype(
    target: TargetConnection, plan: TablePlan, before: PlannedColumn | None, after: PlannedColumn
) -> None:
    actual = TargetColumns.read(target, plan).types.get(after.target_name)
    if actual is None:
        raise LoadError(f"column {after.target_name} is missing on the target")
    expression = conversion(None if before is None else before.source, after.source, actual)
    if expression is None:
        if not _has_rows(target, plan):
            expression = "NULL"
        else:
            was = "its old type" if before is None else before.source.column_type
            raise LoadError(
                f"column {after.source.name} was converted by the source from {was} to"
                f" {after.source.column_type}, and what became of its values cannot be told; run a"
                " full load of the table"
            )
    place = sql.Identifier(after.target_name)
    target.execute(
        sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {} USING ({})::{}").format(
            qualified(plan),
            place,
            sql.SQL(after.mapping.target_type),
            sql.SQL(expression).format(place),
            sql.SQL(after.mapping.target_type),
        )
    )


def _has_rows(target: TargetConnection, plan: TablePlan) -> bool:
    statement = sql.SQL("SELECT 1 FROM {} LIMIT 1").format(qualified(plan))
    return target.execute(statement).fetchone() is not None


def _drop_primary_key(target: TargetConnection, plan: TablePlan) -> None:
    name = target.execute(
        "SELECT conname FROM pg_catalog.pg_constraint"
        " WHERE contype = 'p' AND conrelid = %s::regclass",
        (qualified(plan).as_string(target),),
    ).fetchone()
    if name is not None:
        _execute(target, plan, "DROP CONSTRAINT {}", name[0])


def _execute(target: TargetConnection, plan: TablePlan, action: str, name: str) -> None:
    statement = "ALTER TABLE {} " + action
    target.execute(sql.SQL(statement).format(qualified(plan), sql.Identifier(name)))


def _by_name(plan: TablePlan) -> dict[str, PlannedColumn]:
    return {column.source.name.lower(): column for column in plan.columns}


def _names_of_key(plan: TablePlan) -> list[str]:
    return [column.target_name for column in plan.key_columns]
