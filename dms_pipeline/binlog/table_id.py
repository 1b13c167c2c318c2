"""The name of a table: two fields, never a joined string, because names may contain dots."""

from typing import NamedTuple


class TableId(NamedTuple):
    """A table of the source: ``schema`` is the MySQL database, both names are case-sensitive."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


def quoted(name: str) -> str:
    """The name as MySQL reads it in a statement, whatever characters it has."""
    return "`" + name.replace("`", "``") + "`"


def quoted_table(table: TableId) -> str:
    return f"{quoted(table.schema)}.{quoted(table.table)}"
