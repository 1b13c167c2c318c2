"""Integers, DECIMAL, FLOAT, DOUBLE, YEAR and BIT."""

import struct
from decimal import Decimal

from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import (
    ColumnMapping,
    UnfitValueError,
)

_INTEGER_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_SIGNED_TARGETS = {8: "smallint", 16: "smallint", 24: "integer", 32: "integer", 64: "bigint"}
_UNSIGNED_TARGETS = {8: "smallint", 16: "integer", 24: "bigint", 32: "bigint", 64: "bigint"}
_BIGINT_MAX = 2**63 - 1
_FLOAT = struct.Struct("<f")


def map_integer(column: Column) -> ColumnMapping:
    bits = _INTEGER_BITS[column.data_type]
    if not column.is_unsigned:
        return ColumnMapping(_SIGNED_TARGETS[bits], _integer_from_text, _integer_from_binlog)
    mask = (1 << bits) - 1

    def unsigned_from_binlog(value: int) -> bytes:
        return _fitting_bigint(value & mask)

    return ColumnMapping(_UNSIGNED_TARGETS[bits], _integer_from_text, unsigned_from_binlog)


def _integer_from_text(value: bytes) -> bytes:
    return _fitting_bigint(int(value))


def _integer_from_binlog(value: int) -> bytes:
    return b"%d" % value


def _fitting_bigint(value: int) -> bytes:
    if value > _BIGINT_MAX:
        raise UnfitValueError(
            "BIGINT UNSIGNED above 9223372036854775807 does not fit into bigint, the type that AWS"
            " DMS creates for it"
        )
    return b"%d" % value


def map_year(column: Column) -> ColumnMapping:
    return ColumnMapping("smallint", _integer_from_text, _integer_from_binlog)


def map_decimal(column: Column) -> ColumnMapping:
    def from_text(value: bytes) -> bytes:
        return _decimal_field(Decimal(value.decode()))

    return ColumnMapping(
        f"numeric({column.precision},{column.scale or 0})", from_text, _decimal_field
    )


def _decimal_field(value: Decimal) -> bytes:
    return format(value, "f").encode()


def map_double(column: Column) -> ColumnMapping:
    return ColumnMapping("double precision", _double_from_text, _double_field)


def _double_from_text(value: bytes) -> bytes:
    return _double_field(float(value))


def _double_field(value: float) -> bytes:
    return repr(value).encode()


def map_float(column: Column) -> ColumnMapping:
    """Single precision as the shortest decimal that stands for it: 0.1, not 0.10000000149.

    MySQL prints a FLOAT with six digits, which loses some; as a DOUBLE it prints them all.
    """
    return ColumnMapping("double precision", _float_from_text, _float_field, "({} + 0e0)")


def _float_from_text(value: bytes) -> bytes:
    return _float_field(_FLOAT.unpack(_FLOAT.pack(float(value)))[0])


def _float_field(value: float) -> bytes:
    for digits in (6, 7, 8):
        text = f"{value:.{digits}g}"
        try:
            if _FLOAT.unpack(_FLOAT.pack(float(text)))[0] == value:
                return repr(float(text)).encode()
        except OverflowError:
            # The rounded neighbour of the largest FLOAT is too large for one; more digits are not.
            continue
    return repr(float(f"{value:.9g}")).encode()


def map_bit(column: Column) -> ColumnMapping:
    bits = column.precision or 1
    if bits == 1:
        return ColumnMapping("boolean", _boolean_from_text, _boolean_field, "({} + 0)")
    size = (bits + 7) // 8

    def field(value: int) -> bytes:
        return b"\\\\x" + value.to_bytes(size, "big").hex().encode()

    def from_text(value: bytes) -> bytes:
        return field(int(value))

    return ColumnMapping("bytea", from_text, field, "({} + 0)")


def _boolean_from_text(value: bytes) -> bytes:
    return _boolean_field(int(value))


def _boolean_field(value: int) -> bytes:
    return b"t" if value else b"f"
