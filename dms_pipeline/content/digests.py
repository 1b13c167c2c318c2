"""The queries of a comparison, in pairs: what MySQL and PostgreSQL answer is to be equal. Pure.

A row is told by the digest of its key, which puts it into one of 4,096 buckets. Of each bucket both
servers tell how many rows it has and the sum of the digests of its rows, in one pass over the
table; no order of keys is involved, in which the servers would differ.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256

from psycopg import sql

from dms_pipeline.binlog.table_id import TableId, quoted_table
from dms_pipeline.content.canonical import ComparedColumn
from dms_pipeline.content.written import WrittenColumn
from dms_pipeline.row_filter import ALL_ROWS, RowFilter

BUCKET_DIGITS = 3
_NUMBER_DIGITS = 12
_NULL = "~"


@dataclass(frozen=True, slots=True)
class ComparedTable:
    """What is compared of a table, under which names.

    Attributes:
        key: columns of the primary key.
        columns: the others.
        share: the first hexadecimal digits that the digests of keys may have; all if empty.
        rows: which rows of the source are on the target.
    """

    source: TableId
    target: TableId
    key: tuple[ComparedColumn, ...]
    columns: tuple[ComparedColumn, ...]
    share: str = ""
    rows: RowFilter = ALL_ROWS


def key_digest(texts: Sequence[str | None], key: Sequence[ComparedColumn]) -> int:
    """The number that both servers compute for a key, from its canonical texts."""
    parts = [
        _NULL if text is None else f"{len(text)}:{text}" if column.is_free else text
        for text, column in zip(texts, key, strict=True)
    ]
    return int(sha256("|".join(parts).encode()).hexdigest()[:_NUMBER_DIGITS], 16)


def source_digests(table: ComparedTable, without: Collection[int]) -> str:
    """MySQL: bucket, rows, sum of digests; without the rows whose keys have these digests."""
    row = _mysql_text((*table.key, *table.columns))
    return (
        f"SELECT LEFT(k, {BUCKET_DIGITS}), COUNT(*), SUM({_mysql_number('r')}) FROM"
        f" (SELECT {_mysql_key(table)} AS k, SHA2({row}, 256) AS r"
        f" FROM {_mysql_rows(table)}) AS digests"
        f"{_mysql_where(table, without)} GROUP BY LEFT(k, {BUCKET_DIGITS})"
    )


def target_digests(table: ComparedTable, without: Collection[int]) -> sql.Composed:
    """PostgreSQL: the same as `source_digests`."""
    row = _postgres_text((*table.key, *table.columns))
    return sql.SQL(
        "SELECT left(k, {digits}), count(*), sum({number}) FROM"
        " (SELECT {key} AS k, {row} AS r FROM {table}) AS digests{where} GROUP BY 1"
    ).format(
        digits=sql.Literal(BUCKET_DIGITS),
        number=_postgres_number("r"),
        key=_postgres_key(table),
        row=_postgres_sha(row),
        table=_postgres_table(table),
        where=_postgres_where(table, without),
    )


def unsure_rows(table: ComparedTable, without: Collection[int]) -> str:
    """MySQL: one row, if there are rows of which nobody can tell whether the filter passes them."""
    return (
        f"SELECT 1 FROM (SELECT {_mysql_key(table)} AS k FROM {quoted_table(table.source)}"
        f" WHERE {table.rows.unsure}) AS unsure{_mysql_where(table, without)} LIMIT 1"
    )


def source_rows(table: ComparedTable, buckets: Collection[str], without: Collection[int]) -> str:
    """MySQL: the canonical texts of the rows in these buckets, those of the key first."""
    shown = ", ".join(
        f"{column.on_source} AS c{place}"
        for place, column in enumerate((*table.key, *table.columns))
    )
    count = len(table.key) + len(table.columns)
    names = ", ".join(f"c{place}" for place in range(count))
    listed = ", ".join(f"'{bucket}'" for bucket in sorted(buckets))
    return (
        f"SELECT {names} FROM (SELECT {_mysql_key(table)} AS k, {shown}"
        f" FROM {_mysql_rows(table)}) AS texts"
        f"{_mysql_where(table, without)} AND LEFT(k, {BUCKET_DIGITS}) IN ({listed})"
    )


def target_rows(
    table: ComparedTable, buckets: Collection[str], without: Collection[int]
) -> sql.Composed:
    """PostgreSQL: the same as `source_rows`."""
    columns = (*table.key, *table.columns)
    names = sql.SQL(", ").join(sql.Identifier(f"c{place}") for place in range(len(columns)))
    shown = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(column.on_target, sql.Identifier(f"c{place}"))
        for place, column in enumerate(columns)
    )
    return sql.SQL(
        "SELECT {names} FROM (SELECT {key} AS k, {shown} FROM {table}) AS texts{where}"
        " AND left(k, {digits}) = ANY({buckets})"
    ).format(
        names=names,
        key=_postgres_key(table),
        shown=shown,
        table=_postgres_table(table),
        where=_postgres_where(table, without),
        digits=sql.Literal(BUCKET_DIGITS),
        buckets=sql.Literal(sorted(buckets)),
    )


def source_values(
    table: ComparedTable, written: Sequence[WrittenColumn], keys: Collection[int]
) -> str:
    """MySQL: of the rows whose keys have these digests the texts of the key, and the values."""
    texts = ", ".join(column.on_source for column in table.key)
    values = ", ".join(column.on_source for column in written)
    listed = ", ".join(map(str, keys))
    return (
        f"SELECT {texts}, {values} FROM {quoted_table(table.source)}"
        f" WHERE {_mysql_number(_mysql_key(table))} IN ({listed})"
    )


def target_deletion(table: ComparedTable) -> sql.Composed:
    """PostgreSQL: deletes the rows with these canonical texts of the key, given as arrays."""
    names = [sql.Identifier(f"given {place}") for place in range(len(table.key))]
    return sql.SQL(
        "DELETE FROM {table} AS t USING unnest({arrays}) AS given ({names}) WHERE {same}"
    ).format(
        table=_postgres_table(table),
        arrays=sql.SQL(", ").join([sql.SQL("%s::text[]")] * len(names)),
        names=sql.SQL(", ").join(names),
        same=sql.SQL(" AND ").join(
            sql.SQL("{} = given.{}").format(column.on_target, name)
            for column, name in zip(table.key, names, strict=True)
        ),
    )


def target_upsert(table: ComparedTable, written: Sequence[WrittenColumn]) -> sql.Composed:
    """PostgreSQL: writes a row, given as the texts of its columns, over the one of its key."""
    names = [sql.Identifier(column.target) for column in written]
    key, others = names[: len(table.key)], names[len(table.key) :]
    change = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(name) for name in others)
    return sql.SQL(
        "INSERT INTO {table} ({names}) VALUES ({values}) ON CONFLICT ({key}) DO {change}"
    ).format(
        table=_postgres_table(table),
        names=sql.SQL(", ").join(names),
        values=sql.SQL(", ").join(column.value for column in written),
        key=sql.SQL(", ").join(key),
        change=sql.SQL("UPDATE SET {}").format(change) if others else sql.SQL("NOTHING"),
    )


def _postgres_table(table: ComparedTable) -> sql.Identifier:
    return sql.Identifier(table.target.schema, table.target.table)


def _mysql_rows(table: ComparedTable) -> str:
    where = f" WHERE {table.rows.passes}" if table.rows.passes else ""
    return f"{quoted_table(table.source)}{where}"


def _mysql_key(table: ComparedTable) -> str:
    return f"SHA2({_mysql_text(table.key)}, 256)"


def _postgres_key(table: ComparedTable) -> sql.Composed:
    return _postgres_sha(_postgres_text(table.key))


def _mysql_text(columns: Sequence[ComparedColumn]) -> str:
    """One text for the values of a row, which no other row has."""
    parts = ", ".join(
        f"IFNULL(CONCAT(CHAR_LENGTH({column.on_source}), ':', {column.on_source}), '{_NULL}')"
        if column.is_free
        else f"IFNULL({column.on_source}, '{_NULL}')"
        for column in columns
    )
    return f"CONVERT(CONCAT_WS('|', {parts}) USING utf8mb4)"


def _postgres_text(columns: Sequence[ComparedColumn]) -> sql.Composed:
    parts = sql.SQL(", ").join(
        sql.SQL(
            "coalesce(char_length({0}) || ':' || {0}, {1})"
            if column.is_free
            else "coalesce({0}, {1})"
        ).format(column.on_target, sql.Literal(_NULL))
        for column in columns
    )
    return sql.SQL("concat_ws('|', {})").format(parts)


def _postgres_sha(text: sql.Composable) -> sql.Composed:
    return sql.SQL("encode(sha256(convert_to({}, 'UTF8')), 'hex')").format(text)


def _mysql_number(digest: str) -> str:
    return f"CAST(CONV(LEFT({digest}, {_NUMBER_DIGITS}), 16, 10) AS UNSIGNED)"


def _postgres_number(digest: str) -> sql.Composed:
    return sql.SQL("('x' || left({}, {}))::bit({})::bigint").format(
        sql.Identifier(digest), sql.Literal(_NUMBER_DIGITS), sql.Literal(4 * _NUMBER_DIGITS)
    )


def _mysql_where(table: ComparedTable, without: Collection[int]) -> str:
    conditions = [f"k LIKE '{table.share}%'"] if table.share else []
    if without:
        listed = ", ".join(map(str, without))
        conditions.append(f"{_mysql_number('k')} NOT IN ({listed})")
    return f" WHERE {' AND '.join(conditions or ['TRUE'])}"


def _postgres_where(table: ComparedTable, without: Collection[int]) -> sql.Composed:
    conditions: list[sql.Composable] = []
    if table.share:
        conditions.append(sql.SQL("k LIKE {}").format(sql.Literal(f"{table.share}%")))
    if without:
        conditions.append(
            sql.SQL("{} <> ALL({})").format(_postgres_number("k"), sql.Literal(list(without)))
        )
    return sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(conditions or [sql.SQL("true")]))
