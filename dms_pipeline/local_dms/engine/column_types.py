"""Whether rows in the log can belong to the columns they are taken for.

The log names a type per column, and with more metadata also names and signs. Two columns that were
exchanged show only if their types differ, but what does show is refused here.
"""

from dms_pipeline.binlog.row_decoder import PRE_56_TEMPORAL_TYPES
from dms_pipeline.binlog.table_metadata import TableMetadata
from dms_pipeline.local_dms.engine.column_layout import same_name
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.schema_history import PastTable
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
_SIGNED_TARGETS = {2: "smallint", 9: "integer", 3: "integer"}
"""What the target has for a signed integer of a type in the log; wider if it is unsigned."""
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
        if column.name in table.retyped_later and (
            wrong := _unsure(column, code, metadata, place, table.target_types.get(column.name))
        ):
            return wrong
        if not _fits(column, code, retyped=column.name in table.retyped_later):
            return f"column {column.name} is known as {column.column_type}, which they do not hold"
        if metadata is not None and (wrong := _contradiction(column, metadata, place)):
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


def _unsure(
    column: Column,
    code: int,
    metadata: TableMetadata | None,
    place: int,
    target_type: str | None,
) -> str | None:
    """Why the values of a column that got a new definition later may mean something else."""
    problem = f"column {column.name} got the definition {column.column_type} only later"
    members = None if metadata is None else metadata.columns[place].members
    unsigned = None if metadata is None else metadata.columns[place].unsigned
    if column.data_type in ("bit", "binary"):
        return problem
    if column.data_type in ("enum", "set"):
        now = tuple(label.encode() for label in parse_labels(column.column_type))
        return None if members == now else problem
    if column.data_type not in _INTEGERS:
        return None
    if code != min(_CODES[column.data_type]) and (column.is_unsigned or unsigned):
        return problem
    if unsigned is not None or code in (1, 8):
        return None
    is_signed = target_type == _SIGNED_TARGETS[code]
    return problem if is_signed == column.is_unsigned else None


def _contradiction(column: Column, metadata: TableMetadata, place: int) -> str | None:
    known = metadata.columns[place]
    if known.name is not None and not same_name(known.name, column.name):
        return f"column {place + 1} is {known.name} in them, and is known as {column.name}"
    is_integer = column.data_type in _INTEGERS and known.unsigned is not None
    if is_integer and known.unsigned != column.is_unsigned:
        return f"column {column.name} is known as {column.column_type}, and they have another sign"
    return None


def old_fractions(table: PastTable, types: bytes) -> str | None:
    """A column that keeps fractions of seconds in the format before MySQL 5.6."""
    for column, code in zip(table.source.columns, types, strict=False):
        if code in PRE_56_TEMPORAL_TYPES and column.fraction_digits:
            return column.name
    return None
