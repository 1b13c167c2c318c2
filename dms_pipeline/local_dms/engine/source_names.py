"""Names in statements for the source."""

from dms_pipeline.binlog.table_id import TableId


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def quoted_table(table: TableId) -> str:
    return f"{quoted(table.schema)}.{quoted(table.table)}"
