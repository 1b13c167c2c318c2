"""The columns that a table on the target has."""

from dms_pipeline.local_dms.engine.table_plan import TablePlan
from dms_pipeline.local_dms.engine.target_tables import TargetConnection, qualified


def read_target_columns(target: TargetConnection, plan: TablePlan) -> dict[str, str]:
    """Names with their types, in the target's order; empty if the table is missing."""
    rows = target.execute(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_catalog.pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (qualified(plan).as_string(target),),
    ).fetchall()
    return dict(rows)
