"""The tables of the source, as frozen values."""

from dataclasses import dataclass, field

from dms_pipeline.binlog.table_id import TableId


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a source table as information_schema describes it."""

    name: str
    data_type: str
    column_type: str
    charset: str | None = None
    char_length: int | None = None
    octet_length: int | None = None
    precision: int | None = None
    scale: int | None = None
    fraction_digits: int = 0
    collation: str | None = None
    is_nullable: bool = True
    is_falsely_logged: bool = False
    """Whether the source's log may hold other values than the table."""
    computed_from: tuple[str, ...] = ()
    """The columns that the expression of a generated column names, in lower case."""
    uses_defaults: bool = False
    """Whether that expression asks for the default of a column."""
    varies_by: str = ""
    """What of the session that reads it the value of a virtual column depends on, for people."""

    @property
    def is_unsigned(self) -> bool:
        return "unsigned" in self.column_type or "zerofill" in self.column_type


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A base table of the source; ``primary_key`` holds column names in key order.

    ``hidden_columns`` is how many columns the rows in the log may have behind those that can be
    seen. ``charset`` is the default for columns of text, if it is known. ``why_refused``: why
    tables of its kind are not replicated.
    """

    table_id: TableId
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    estimated_rows: int = field(default=0, compare=False)
    hidden_columns: int = 0
    charset: str | None = None
    why_refused: str = ""
