"""Whether source, target, table mapping and pipeline.yaml still speak of the same tables."""

from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.target import PostgresTarget
from dms_pipeline.schema_drift import drift


def unlisted_tables(pipeline: PipelineConfig, source: MySQLSource) -> list[TableId]:
    """Tables that the mapping selects, and DMS loads, and that pipeline.yaml does not list."""
    selection = pipeline.selection
    listed = {table.source for table in pipeline.tables}
    return [name for name in source.tables() if selection.selects(name) and name not in listed]


def drifted_columns(
    pipeline: PipelineConfig,
    source: MySQLSource,
    target: PostgresTarget,
    *,
    checkpoint: BinlogPosition,
) -> dict[TableId, tuple[str, ...]]:
    """By source table what does not fit together; nothing of tables that one side lacks.

    What was altered since the checkpoint is left out: the next load alters the target.
    """
    tables = {table.source: table.target for table in pipeline.tables}
    ours, theirs = source.columns(tables), target.columns(tables.values())
    rules = pipeline.column_rules
    found = {
        name: drift(name, ours[name], theirs[there], rules)
        for name, there in tables.items()
        if name in ours and there in theirs
    }
    drifted = {name: problems for name, problems in found.items() if problems}
    since = source.statements_since(checkpoint) if drifted else []
    return {
        name: problems
        for name, problems in drifted.items()
        if not any(statement.may_concern(name) for statement in since)
    }
