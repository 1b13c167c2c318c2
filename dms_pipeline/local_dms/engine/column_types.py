"""Whether rows in the log can belong to the columns they are taken for.

The log names a type per column, and with more metadata also names and signs. Two columns that were
exchanged show only if their types differ, but what does show is refused here.
"""

from dms_pipeline.binlog.row_decoder import PRE_56_TEMPORAL_TYPES
from dms_pipeline.binlog.table_metadata import ColumnMetadata, TableMetadata
from dms_pipeline.local_dms.engine.column_layout import same_name
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.past_table import PastTable
from dms_pipeline.local_dms.engine.type_mapping.charsets import charset_of, same_charset
from dms_pipeline.local_dms.engine.type_mapping.labels import parse_labels

_TEXT = frozenset({15, 140, 141, 249, 250, 251, 252, 253, 254})
_STRING = frozenset({247, 248, 254})
_CODES: dict[str, frozenset[int]] = {
    "tinyint": frozenset({1}), "smallint": frozenset({2}), "mediumint": frozenset({9}),
    "int": frozenset({3}), "bigint": frozenset({8}), "decimal": frozenset({246}),
    "float": frozenset({4}), "double": frozenset({5}), "year": frozenset({13}),
    "bit": frozenset({16}), "date": frozenset({10, 14}), "datetime": frozenset({12, 18}),
    "timestamp": frozenset({7, 17}), "time": frozenset({11, 19}),
    "char": _TEXT, "varchar": _TEXT, "binary": _TEXT, "varbinary": _TEXT,
    "tinytext": _TEXT, "text": _TEXT, "mediumtext": _TEXT, "longtext": _TEXT,
    "tinyblob": _TEXT, "blob": _TEXT, "mediumblob": _TEXT, "longblob": _TEXT,
    "enum": _STRING, "set": _STRING,
}  # fmt: skip
_INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
_CHARACTERS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")
_BINARIES = ("varbinary", "tinyblob", "blob", "mediumblob", "longblob")
_SELF_DESCRIBING = ("decimal", "float", "double", "year", "date", "datetime", "timestamp", "time")
"""Types whose codes and formats in the log say all that reading a value needs."""
_FIXED_LENGTH = 254
_NOTHING = ColumnMetadata()
_SAME_DECODING = (frozenset({1, 2, 3, 8, 9}), _TEXT - _STRING)
"""Types whose values mean the same when the column is widened or narrowed within the group."""

_HASH = bytes([8])
_SEQUENCE = bytes([8, 8, 8, 8, 8, 8, 1, 8])
"""The columns of the table in which MariaDB keeps a sequence, and logs every step of it."""


def may_be_sequence(types: bytes) -> bool:
    """Whether a table nobody knows can have been a sequence."""
    return types == _SEQUENCE


def misfit(table: PastTable, types: bytes, metadata: TableMetadata | None) -> str | None:
    """What shows that rows are not of these columns; None if nothing does."""
    columns = table.source.columns
    hidden = types[len(columns) :]
    if len(types) < len(columns) or not _may_be_hashes(hidden, table.source.hidden_columns):
        return f"they have {len(types)} columns, and the table is known with {len(columns)}"
    for place, (column, code) in enumerate(zip(columns, types, strict=False)):
        if column.name in table.dropped_later:
            continue
        known = _NOTHING if metadata is None else metadata.columns[place]
        is_uncertain = column.name in table.uncertain
        if column.name in table.unknown:
            return f"what column {column.name} was when they were written is not known"
        if is_uncertain and not _is_told(column, code, known):
            return f"column {column.name} got the definition {column.column_type} only later"
        if not _fits(column, code, retyped=is_uncertain):
            return f"column {column.name} is known as {column.column_type}, which they do not hold"
        if wrong := _contradiction(column, known, place):
            return wrong
    return None


def _may_be_hashes(types: bytes, most: int) -> bool:
    """There are fewer in rows from before an index was added."""
    return len(types) <= most and types == _HASH * len(types)


def _fits(column: Column, code: int, *, retyped: bool) -> bool:
    expected = _CODES.get(column.data_type)
    if expected is None or code in expected:
        return True
    if not retyped:
        return False
    return any(code in group and expected & group for group in _SAME_DECODING)


def _is_told(column: Column, code: int, known: ColumnMetadata) -> bool:
    """Whether the log says enough to read values of a column by a later definition."""
    kind = column.data_type
    if kind in _INTEGERS:
        # The width matters only for what is added to a negative number to make it unsigned.
        widened = code != min(_CODES[kind]) and (column.is_unsigned or known.unsigned)
        return known.unsigned is not None and not widened
    if kind in ("enum", "set"):
        labels = parse_labels(column.column_type)
        now = tuple(label.encode(errors="surrogateescape") for label in labels)
        return known.members == now
    if kind in _CHARACTERS:
        charset = charset_of(known.collation)
        return charset is not None and same_charset(charset, column.charset or "binary")
    if kind in _BINARIES:
        # A BINARY is written without the zero bytes at its end, which depend on its length.
        return charset_of(known.collation) == "binary" and code != _FIXED_LENGTH
    return kind in _SELF_DESCRIBING


def _contradiction(column: Column, known: ColumnMetadata, place: int) -> str | None:
    if known.name is not None and not same_name(known.name, column.name):
        return f"column {place + 1} is {known.name} in them, and is known as {column.name}"
    problem = f"column {column.name} is known as {column.column_type}, and they have another"
    if column.data_type in _INTEGERS and known.unsigned not in (None, column.is_unsigned):
        return f"{problem} sign"
    if column.data_type in (*_CHARACTERS, *_BINARIES, "binary"):
        charset = charset_of(known.collation)
        if charset is not None and not same_charset(charset, column.charset or "binary"):
            return f"{problem} character set, {charset}"
    return None


def old_fractions(table: PastTable, types: bytes) -> str | None:
    """A column that keeps fractions of seconds in the format before MySQL 5.6."""
    for column, code in zip(table.source.columns, types, strict=False):
        if code in PRE_56_TEMPORAL_TYPES and column.fraction_digits:
            return column.name
    return None
