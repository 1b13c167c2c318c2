"""The columns that a table on the target has, and the order that they have on the source.

New columns are appended on the target, wherever they stand on the source. Where the orders differ
the source's is kept in the comment of the target table: the next run may need it, after columns
were dropped on the source whose place nobody else remembers.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from psycopg import sql

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.column_layout import Layout
from dms_pipeline.local_dms.engine.table_plan import TablePlan
from dms_pipeline.local_dms.engine.target_tables import TargetConnection, qualified

_COMMENT = "columns on the source: "


@dataclass(frozen=True, slots=True)
class TargetColumns:
    """Names with their types in the target's order, and the kept order of the source if any."""

    types: dict[str, str]
    source_order: Layout | None = None

    @classmethod
    def read(cls, target: TargetConnection, plan: TablePlan) -> "TargetColumns":
        """Without columns if the table is missing."""
        name = qualified(plan).as_string(target)
        rows = target.execute(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_catalog.pg_attribute"
            " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            (name,),
        ).fetchall()
        comment = target.execute(
            "SELECT obj_description(to_regclass(%s), 'pg_class')", (name,)
        ).fetchone()
        return cls(dict(rows), _parse(comment[0] if comment else None))

    def order(
        self, target_name: Callable[[TableId, str], str | None], table: TableId, names: set[str]
    ) -> Layout | None:
        """These source columns in the source's order; None if they are not those of the table."""
        if self.source_order is not None:
            return self.source_order if set(self.source_order) == names else None
        known = {target_name(table, name): name for name in names}
        if len(known) != len(names) or not self.types.keys() >= known.keys():
            return None
        return tuple(known[column] for column in self.types if column in known)

    @staticmethod
    def keep_order(target: TargetConnection, plan: TablePlan) -> None:
        """Keep the order of the planned table's columns on the source, if the target differs."""
        known = TargetColumns.read(target, plan)
        layout = tuple(column.name for column in plan.source.columns)
        names = {column.source.name: column.target_name for column in plan.columns}
        ours = [names[name] for name in layout if name in names]
        differs = ours != [column for column in known.types if column in ours]
        if differs or known.source_order is not None:
            comment = _COMMENT + json.dumps(layout) if differs else None
            target.execute(
                sql.SQL("COMMENT ON TABLE {} IS {}").format(qualified(plan), sql.Literal(comment))
            )


def _parse(comment: str | None) -> Layout | None:
    if not comment or not comment.startswith(_COMMENT):
        return None
    return tuple(json.loads(comment.removeprefix(_COMMENT)))
