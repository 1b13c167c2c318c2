"""What the log itself says about a table's columns beyond their formats.

How much depends on the server's ``binlog_row_metadata``: MySQL's MINIMAL tells signedness and
collations, FULL also names, members of ENUM and SET, and the primary key. MariaDB's default,
NO_LOG, tells nothing. What was not said is None.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dms_pipeline.binlog.column_sizes import STRING, ColumnFormat
from dms_pipeline.binlog.wire import read_length

_NUMERIC = frozenset({1, 2, 3, 4, 5, 8, 9, 13, 246})
_CHARACTER = frozenset({15, 249, 250, 251, 252, 253, STRING})

_SIGNEDNESS, _DEFAULT_CHARSET, _COLUMN_CHARSET, _NAMES = 1, 2, 3, 4
_SET_MEMBERS, _ENUM_MEMBERS, _PRIMARY_KEY, _PREFIXED_PRIMARY_KEY = 5, 6, 8, 9
_ENUM_DEFAULT_CHARSET, _ENUM_CHARSET, _VISIBILITY = 10, 11, 12


@dataclass(frozen=True, slots=True)
class ColumnMetadata:
    """One column, as far as the log describes it; members of ENUM and SET are in its charset."""

    name: str | None = None
    unsigned: bool | None = None
    collation: int | None = None
    members: tuple[bytes, ...] | None = None
    visible: bool | None = None


@dataclass(frozen=True, slots=True)
class TableMetadata:
    """All columns in the order of the row images, and the primary key as indexes of columns."""

    columns: tuple[ColumnMetadata, ...]
    primary_key: tuple[int, ...] | None = None


def parse_table_metadata(block: bytes, columns: tuple[ColumnFormat, ...]) -> TableMetadata:
    """Read the optional block at the end of a table map; unknown fields are passed over."""
    found: list[dict[str, Any]] = [{} for _ in columns]
    key: tuple[int, ...] | None = None
    numeric = [i for i, c in enumerate(columns) if c.type_code in _NUMERIC]
    character = [i for i, c in enumerate(columns) if _is_character(c)]
    enums = [i for i, c in enumerate(columns) if c.is_enum]
    sets = [i for i, c in enumerate(columns) if c.is_set]
    for field, value in _fields(block):
        if field == _SIGNEDNESS:
            _assign(found, numeric, "unsigned", _bits(value))
        elif field == _VISIBILITY:
            _assign(found, list(range(len(columns))), "visible", _bits(value))
        elif field == _NAMES:
            names = (name.decode() for name in _texts(value))
            _assign(found, list(range(len(columns))), "name", names)
        elif field in (_DEFAULT_CHARSET, _ENUM_DEFAULT_CHARSET):
            indexes = character if field == _DEFAULT_CHARSET else sorted(enums + sets)
            _assign(found, indexes, "collation", _with_default(value, len(indexes)))
        elif field in (_COLUMN_CHARSET, _ENUM_CHARSET):
            indexes = character if field == _COLUMN_CHARSET else sorted(enums + sets)
            _assign(found, indexes, "collation", _lengths(value))
        elif field in (_SET_MEMBERS, _ENUM_MEMBERS):
            indexes = sets if field == _SET_MEMBERS else enums
            _assign(found, indexes, "members", _member_lists(value))
        elif field == _PRIMARY_KEY:
            key = tuple(_lengths(value))
        elif field == _PREFIXED_PRIMARY_KEY:
            key = tuple(list(_lengths(value))[::2])
    return TableMetadata(tuple(ColumnMetadata(**column) for column in found), key)


def _is_character(column: ColumnFormat) -> bool:
    return column.type_code in _CHARACTER and not column.is_enum and not column.is_set


def _assign(
    found: list[dict[str, Any]], indexes: list[int], name: str, values: Iterator[Any]
) -> None:
    # Bits are padded to whole bytes, so there may be more values than columns.
    for index, value in zip(indexes, values, strict=False):
        found[index][name] = value


def _fields(block: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(block):
        length, start = read_length(block, offset + 1)
        yield block[offset], block[start : start + length]
        offset = start + length


def _bits(value: bytes) -> Iterator[bool]:
    return (bool(byte >> bit & 1) for byte in value for bit in range(7, -1, -1))


def _lengths(value: bytes) -> Iterator[int]:
    offset = 0
    while offset < len(value):
        number, offset = read_length(value, offset)
        yield number


def _with_default(value: bytes, count: int) -> Iterator[int]:
    """A default, then pairs of a column's place among its likes and what it has instead."""
    default, *exceptions = _lengths(value)
    others = dict(zip(exceptions[::2], exceptions[1::2], strict=True))
    return (others.get(index, default) for index in range(count))


def _texts(value: bytes) -> Iterator[bytes]:
    offset = 0
    while offset < len(value):
        text, offset = _text(value, offset)
        yield text


def _member_lists(value: bytes) -> Iterator[tuple[bytes, ...]]:
    offset = 0
    while offset < len(value):
        count, offset = read_length(value, offset)
        members = []
        for _ in range(count):
            member, offset = _text(value, offset)
            members.append(member)
        yield tuple(members)


def _text(value: bytes, offset: int) -> tuple[bytes, int]:
    length, start = read_length(value, offset)
    return value[start : start + length], start + length
