"""Tables of the workloads: their columns, the values of a row, and a digest of all rows.

A value is computed by the source from the row's number, so that filling a table needs no client,
and every run has the same rows.
"""

from dataclasses import dataclass, replace

_BATCH_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the source.

    `value` is an expression of `seq`, the row's number. `change` is what an UPDATE sets, if it sets
    the column. `source_text` and `target_text` write a value `{c}` the same way on both sides.
    """

    name: str
    definition: str
    value: str
    change: str = ""
    source_text: str = "{c}"
    target_text: str = "{c}"


def _hash(which: str) -> str:
    return f"CRC32(CONCAT(seq, '{which}'))"


_AMOUNT = Column(
    "amount", "int NOT NULL", f"CAST({_hash('a')} % 1000000 AS SIGNED) - 500000", "-amount"
)
_CONTENT = (
    _AMOUNT,
    Column("total", "bigint NOT NULL", f"{_hash('b')} * 100003"),
    Column("price", "decimal(12,2) NOT NULL", f"{_hash('c')} / 100", "price + 1"),
    # Eighths are exact in binary and short in decimal: both servers write the same digits.
    Column("share", "double", f"IF({_hash('d')} % 7 = 0, NULL, ({_hash('d')} % 8000000) / 8)"),
    Column(
        "created",
        "datetime(6) NOT NULL",
        f"'2020-01-01' + INTERVAL {_hash('e')} * 27 MICROSECOND",
        "created + INTERVAL 1 SECOND",
        "DATE_FORMAT({c}, '%Y-%m-%d %H:%i:%s.%f')",
        "to_char({c}, 'YYYY-MM-DD HH24:MI:SS.US')",
    ),
    Column("day", "date", f"'2000-01-01' + INTERVAL ({_hash('f')} % 9000) DAY"),
    Column("flag", "tinyint NOT NULL", f"{_hash('g')} % 100"),
    Column("name", "varchar(60) NOT NULL", f"CONCAT('náme ', HEX({_hash('h')}))"),
    Column(
        "note",
        "varchar(255)",
        f"IF({_hash('i')} % 10 = 0, NULL, REPEAT(MD5({_hash('i')}), 6))",
        "REVERSE(note)",
    ),
)
_NUMBER_KEY = Column("id", "bigint NOT NULL PRIMARY KEY", "seq")
_TEXT_KEY = Column("id", "varchar(200) NOT NULL PRIMARY KEY", "CONCAT(MD5(seq), REPEAT('k', 168))")


@dataclass(frozen=True, slots=True)
class Table:
    """The first column is the key."""

    schema: str
    name: str
    columns: tuple[Column, ...]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def has_text_key(self) -> bool:
        return self.columns[0] is _TEXT_KEY

    @property
    def names(self) -> str:
        return ", ".join(column.name for column in self.columns)

    @property
    def values(self) -> str:
        """What the columns hold in row `seq`."""
        return ", ".join(column.value for column in self.columns)

    @property
    def assignments(self) -> str:
        """What an UPDATE sets."""
        changed = (column for column in self.columns if column.change)
        return ", ".join(f"{column.name} = {column.change}" for column in changed)

    def creation(self) -> str:
        columns = ", ".join(f"{column.name} {column.definition}" for column in self.columns)
        return f"CREATE TABLE {self} ({columns})"

    def fills(self, rows: int) -> list[str]:
        """Statements that fill it, each of which takes seconds at most."""
        ranges = [
            f"seq_{first}_to_{min(first + _BATCH_ROWS - 1, rows)}"
            for first in range(1, rows + 1, _BATCH_ROWS)
        ]
        return [f"INSERT INTO {self} SELECT {self.values} FROM {numbers}" for numbers in ranges]

    def source_digest(self) -> str:
        texts = ", ".join(
            f"IFNULL({column.source_text.format(c=column.name)}, '~')" for column in self.columns
        )
        number = f"CAST(CONV(LEFT(MD5(CONCAT_WS('|', {texts})), 8), 16, 10) AS UNSIGNED)"
        return f"SELECT COUNT(*), IFNULL(SUM({number}), 0) FROM {self}"

    def target_digest(self) -> str:
        texts = ", ".join(
            f"coalesce({column.target_text.format(c=column.name)}::text, '~')"
            for column in self.columns
        )
        number = f"('x' || left(md5(concat_ws('|', {texts})), 8))::bit(32)::bigint"
        return f"SELECT count(*), coalesce(sum({number}), 0) FROM {self}"


def mixed(schema: str, name: str = "t") -> Table:
    """10 columns of usual types, about 270 bytes a row as text."""
    return Table(schema, name, (_NUMBER_KEY, *_CONTENT))


def wide(schema: str) -> Table:
    """20 columns: the usual ones, and all but the key once more, and one beside."""
    again = [replace(column, name=f"{column.name}_2", change="") for column in _CONTENT]
    more = replace(_AMOUNT, name="amount_3", change="")
    return Table(schema, "t", (_NUMBER_KEY, *_CONTENT, *again, more))


def text_keyed(schema: str) -> Table:
    """10 columns, whose key is a text of 200 bytes."""
    return Table(schema, "t", (_TEXT_KEY, *_CONTENT))
