"""Integers, DECIMAL, FLOAT, DOUBLE, YEAR and BIT."""

import struct
from decimal import Decimal

from dms_pipeline.binlog.column_sizes import DECIMAL, ColumnFormat
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import (
    BinaryForm,
    Packed,
    decimal_form,
)
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import Conversion, UnfitValueError
from dms_pipeline.local_dms.engine.type_mapping.sent_fields import (
    SentColumn,
    sent_decimal_form,
    sent_whole_decimal,
)

INTEGER_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_SIGNED_TARGETS = {8: "smallint", 16: "smallint", 24: "integer", 32: "integer", 64: "bigint"}
_UNSIGNED_TARGETS = {8: "smallint", 16: "integer", 24: "bigint", 32: "bigint", 64: "bigint"}
_BIGINT_MAX = 2**63 - 1
# What `struct` calls the types of the log, and the signed integers of the target.
_STORED_CODES = {1: "b", 2: "h", 3: "i", 8: "q"}
_TARGET_CODES = {"smallint": "h", "integer": "i", "bigint": "q"}
_DOUBLE = 5
_FLOAT = struct.Struct("<f")
# Prints all digits of the stored value; adding zero instead would lose the sign of -0.
_EXACT = "({} * 1e0)"
SHORT_YEAR = "year(2)"


def map_integer(column: Column) -> Conversion:
    bits = INTEGER_BITS[column.data_type]
    target_type = (_UNSIGNED_TARGETS if column.is_unsigned else _SIGNED_TARGETS)[bits]

    def binary(stored: ColumnFormat) -> BinaryForm | None:
        code = _STORED_CODES.get(stored.type_code)
        if code is None:
            return None
        return Packed(code.upper() if column.is_unsigned else code, _TARGET_CODES[target_type])

    def sent(sent_column: SentColumn) -> BinaryForm | None:
        code = sent_column.number
        return Packed(code, _TARGET_CODES[target_type]) if code and sent_column.is_whole else None

    if not column.is_unsigned:
        return Conversion(
            "integer", target_type, bytes, _integer, printed=bytes, binary=binary, sent=sent
        )
    mask = (1 << bits) - 1

    def unsigned_from_binlog(value: int) -> bytes:
        return b"%d" % (value & mask)

    return Conversion(
        "integer",
        target_type,
        # ZEROFILL columns are printed with zeros in front.
        lambda value: b"%d" % int(value),
        unsigned_from_binlog,
        check=_fitting_bigint if bits == 64 else None,
        printed=bytes,
        binary=binary,
        sent=sent,
    )


def _integer(value: int) -> bytes:
    return b"%d" % value


def _fitting_bigint(value: bytes) -> bytes:
    if int(value) > _BIGINT_MAX:
        raise UnfitValueError(
            "BIGINT UNSIGNED above 9223372036854775807 does not fit into bigint, the type that AWS"
            " DMS creates for it; a change-data-type rule can make it numeric"
        )
    return value


def map_year(column: Column) -> Conversion:
    """MariaDB prints YEAR(2) without its century, which is that of 1970 to 2069.

    The log has four digits, which may be of other centuries, or 0.
    """
    if column.column_type != SHORT_YEAR:
        return Conversion("integer", "smallint", lambda value: b"%d" % int(value), _integer)
    return Conversion(
        "integer",
        "smallint",
        lambda value: _with_century(int(value)),
        lambda value: _with_century(value % 100),
    )


def _with_century(digits: int) -> bytes:
    return b"%d" % (1970 + (digits + 30) % 100)


def map_decimal(column: Column) -> Conversion:
    def from_text(value: bytes) -> bytes:
        return _decimal(Decimal(value.decode()))

    precision, scale = column.precision or 0, column.scale or 0
    layout = ColumnFormat(DECIMAL, bytes((precision, scale)))
    target_type = f"numeric({precision},{scale})"
    form = decimal_form(precision, scale)
    return Conversion(
        "decimal",
        target_type,
        from_text,
        _decimal,
        printed=bytes,
        binary=lambda stored: form if stored == layout else None,
        sent=lambda sent: sent_decimal_form(sent, precision, scale),
        sent_select=sent_whole_decimal(precision, scale),
    )


def _decimal(value: Decimal) -> bytes:
    return format(value, "f").encode()


def map_double(column: Column) -> Conversion:
    """A column defined with decimal places would be printed rounded to them."""
    select = _EXACT if "(" in column.column_type else "{}"
    return Conversion(
        "float",
        "double precision",
        lambda value: _double(float(value)),
        _double,
        select,
        printed=bytes,
        binary=lambda stored: Packed("d", "d") if stored.type_code == _DOUBLE else None,
        sent=lambda sent: Packed("d", "d") if sent.number == "d" else None,
    )


def _double(value: float) -> bytes:
    return repr(value).encode()


def map_float(column: Column) -> Conversion:
    """Single precision as the shortest decimal that stands for it: 0.1, not 0.10000000149.

    MySQL prints a FLOAT with six digits, which loses some; as a DOUBLE it prints them all.
    """
    return Conversion("float", "double precision", _float_from_text, _float, _EXACT)


def _float_from_text(value: bytes) -> bytes:
    return _float(_FLOAT.unpack(_FLOAT.pack(float(value)))[0])


def _float(value: float) -> bytes:
    for digits in (6, 7, 8):
        text = f"{value:.{digits}g}"
        try:
            if _FLOAT.unpack(_FLOAT.pack(float(text)))[0] == value:
                return repr(float(text)).encode()
        except OverflowError:
            # The rounded neighbour of the largest FLOAT is too large for one; more digits are not.
            continue
    return repr(float(f"{value:.9g}")).encode()


def map_bit(column: Column) -> Conversion:
    """The full load gets a BIT as its bytes, the highest first; the log as a number."""
    bits = column.precision or 1
    if bits == 1:
        return Conversion(
            "boolean",
            "boolean",
            lambda value: b"1" if any(value) else b"0",
            lambda value: b"1" if value else b"0",
        )
    size = (bits + 7) // 8

    def from_binlog(value: int) -> bytes:
        return value.to_bytes(size, "big")

    return Conversion("bytes", "bytea", bytes, from_binlog)
