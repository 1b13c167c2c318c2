"""How a value of the source is written into the target by hand, by the types it has there. Pure."""

from dataclasses import dataclass

from psycopg import sql

from dms_pipeline.binlog.table_id import quoted
from dms_pipeline.content.canonical import ComparedColumn, SourceColumn

_TEXTS = ("text", "varchar", "bpchar")


@dataclass(frozen=True, slots=True)
class WrittenColumn:
    """A column as it is written.

    Attributes:
        target: its name on the target.
        on_source: MySQL expression of a text from which the value can be made.
        value: PostgreSQL expression that makes it, with a place for the text.
    """

    target: str
    on_source: str
    value: sql.Composable


def written(column: SourceColumn, target: str, kind: str, pair: ComparedColumn) -> WrittenColumn:
    """The inverse of the text that a column is compared by, where that is not a digest.

    Args:
        column: the source's.
        target: the name of the target's.
        kind: its type as pg_type names it.
        pair: how the two are compared.
    """
    here, place = quoted(column.name), sql.Placeholder()
    if kind == "bytea":
        # Of the number that a BIT is, HEX would leave out zeros; no BIT is compared by a digest.
        octets = pair.on_source if column.data_type == "bit" else f"HEX({here})"
        return WrittenColumn(target, octets, sql.SQL("decode({}, 'hex')").format(place))
    if kind == "bool":
        return WrittenColumn(target, pair.on_source, sql.SQL("{}::int::bool").format(place))
    if kind in _TEXTS:
        text = f"CONVERT({here} USING utf8mb4)"
        return WrittenColumn(target, text, sql.SQL("{}").format(place))
    if kind == "timestamptz":
        moment = sql.SQL("({}::timestamp AT TIME ZONE 'UTC')").format(place)
        return WrittenColumn(target, pair.on_source, moment)
    if column.data_type == "float":
        # As DMS writes it: the shortest decimal that stands for the single.
        shortest = sql.SQL("{}::real::text::{}").format(place, sql.Identifier(kind))
        return WrittenColumn(target, pair.on_source, shortest)
    return WrittenColumn(
        target, pair.on_source, sql.SQL("{}::{}").format(place, sql.Identifier(kind))
    )
