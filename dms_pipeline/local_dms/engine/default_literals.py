"""What a column stores of a literal default, where MySQL and MariaDB are known to agree. Pure.

A default in parentheses is evaluated when the rows are written, and a session that is not strict
cuts it to what fits: so each value is held against the limits of its column.
"""

import ipaddress
import math
import re
import struct
import uuid
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from dms_pipeline.local_dms.engine.column_conversions import number_range
from dms_pipeline.local_dms.engine.copy_format import Field
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.stated_defaults import DefaultValue
from dms_pipeline.local_dms.engine.statement_times import StatementTimes
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn
from dms_pipeline.local_dms.engine.type_mapping.charsets import is_utf8
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import escape
from dms_pipeline.local_dms.engine.type_mapping.labels import parse_labels
from dms_pipeline.local_dms.engine.type_mapping.numbers import INTEGER_BITS

NUMBERS = frozenset({*INTEGER_BITS, "decimal", "float", "double", "year"})
TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
LOBS = (TEXTS | BYTES) - {"char", "varchar", "binary", "varbinary"}
TEMPORAL = frozenset({"date", "datetime", "timestamp"})

_CODECS = {"utf8mb4": "utf-8", "ascii": "ascii"}
_FLOAT = struct.Struct("<f")
_EXACT_DOUBLE_DIGITS = 15
_NUMBER = re.compile(r" *([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?) *")
_PRINTED_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,29})(?:\.[0-9]{1,30})?")
_DECIMAL_PLACES = re.compile(r"\(([0-9]+),([0-9]+)\)")
_FIRST_YEAR, _LAST_YEAR = 1901, 2155
_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[ T]([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2})(?:\.([0-9]{0,6}))?)?)?"
)
_MOMENT_IN_DIGITS = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})(?:([0-9]{2})([0-9]{2})([0-9]{2}))?()"
)
_TIME = re.compile(
    r"(-?)(?:([0-9]{1,3}):([0-9]{1,2})(?::([0-9]{1,2}))?|([0-9]{1,7}))(?:\.([0-9]{0,6}))?"
)
_LARGEST_TIME = (838, 59, 59, "")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def literal_field(column: PlannedColumn, default: DefaultValue, times: StatementTimes) -> Field:
    """The field of a COPY stream.

    Raises:
        ValueError, ArithmeticError: only the source can say what it stores.
    """
    kind, text, is_text = column.source.data_type, default.text or "", default.is_plain_text
    base = default.base
    if kind in NUMBERS or (kind == "bit" and not is_text):
        number = text if base is None else str(int(text, base))
        return column.mapping.from_binlog(_number(column.source, number, is_text=is_text))
    if kind in TEXTS:
        return _text(column, default)
    if kind in BYTES:
        return _bytes(column, default)
    if not is_text and (base is not None or text != str(int(text))):
        raise ValueError(text)
    if kind in TEMPORAL:
        return _moment(column, text, times)
    if kind == "time":
        return column.mapping.from_binlog(_time(column.source, text))
    if not is_text:
        # Such a number is the place of a label, or no value at all.
        raise ValueError(text)
    return _special(column, text)


def _number(column: Column, text: str, *, is_text: bool) -> int | float | Decimal:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError(text)
    text = found[1]
    if column.data_type == "year":
        return _year(text, is_text=is_text)
    is_double = not is_text and "e" in text.lower()
    if column.data_type in ("float", "double"):
        return _float(column, text, is_exact=not (is_text or is_double))
    exact = _exact(column, text, is_double=is_double)
    return exact if column.data_type == "decimal" else int(exact)


def _year(text: str, *, is_text: bool) -> int:
    """One or two digits mean a year from 1970 to 2069; zero is 2000 if it is a short text."""
    number = int(text)
    if 0 < number < 70 or (not number and is_text and text != "0000"):
        number += 2000
    elif 70 <= number < 100:
        number += 1900
    if number and not _FIRST_YEAR <= number <= _LAST_YEAR:
        raise ValueError(text)
    return number


def _exact(column: Column, text: str, *, is_double: bool) -> Decimal:
    scale = column.scale or 0 if column.data_type == "decimal" else 0
    value = Decimal(text)
    rounded = value.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)
    if is_double and (rounded != value or len(value.as_tuple().digits) > _EXACT_DOUBLE_DIGITS):
        # Halves of a number with an exponent are rounded to even.
        raise ValueError(text)
    lowest, highest = _limits(column, scale)
    if not lowest <= rounded <= highest:
        raise ValueError(text)
    # There is no negative zero.
    return rounded or abs(rounded)


def _limits(column: Column, scale: int) -> tuple[Decimal | int, Decimal | int]:
    if column.data_type == "bit":
        return 0, (1 << (column.precision or 1)) - 1
    if column.data_type == "decimal":
        highest = Decimal(10) ** ((column.precision or 10) - scale) - Decimal(1).scaleb(-scale)
        return 0 if column.is_unsigned else -highest, highest
    return number_range(column)[:2]


def _float(column: Column, text: str, *, is_exact: bool) -> float:
    value = float(text)
    if (places := _DECIMAL_PLACES.search(column.column_type)) is not None:
        value = _with_places(value, digits=int(places[1]), places=int(places[2]))
    if column.data_type == "float":
        value = _FLOAT.unpack(_FLOAT.pack(value))[0]
    if not math.isfinite(value) or (column.is_unsigned and value < 0):
        raise ValueError(text)
    if value == 0 and math.copysign(1, value) < 0:
        if not is_exact or Decimal(text) != 0:
            # MySQL keeps the sign of this zero, MariaDB does not.
            raise ValueError(text)
        return 0.0
    return value


def _with_places(value: float, *, digits: int, places: int) -> float:
    """As servers round to the places of FLOAT(M,D), by doubles, halves to even."""
    power = 10.0**places
    whole = math.floor(value)
    value = whole + round((value - whole) * power) / power
    if abs(value) > 10.0 ** (digits - places) - 1 / power:
        raise ValueError(value)
    return value


def _printed(text: str) -> str:
    """A number as a column of text has it: with the decimal places that were written."""
    is_negative_zero = text.startswith("-") and not Decimal(text)
    if is_negative_zero or not _PRINTED_NUMBER.fullmatch(text):
        raise ValueError(text)
    return text


def _octets(digits: str, base: int) -> bytes:
    """A literal in hexadecimal or binary digits, filled up with zeros at its beginning."""
    per_octet = 8 if base == 2 else 2
    size = -(-len(digits) // per_octet)
    return int(digits or "0", base).to_bytes(size, "big")


def _decoded(column: Column, octets: bytes) -> str:
    """Digits in hexadecimal are bytes of the column's own character set."""
    codec = _CODECS.get(column.charset or "")
    if codec is None:
        raise ValueError(column.charset)
    return octets.decode(codec)


def _text(column: PlannedColumn, default: DefaultValue) -> Field:
    source, text = column.source, default.text or ""
    if default.base is not None:
        text = _decoded(source, _octets(text, default.base))
    elif not default.is_plain_text:
        text = _printed(text)
    if source.data_type == "char":
        text = text.rstrip(" ")
    if "\0" in text or not _fits(source, text):
        raise ValueError(text)
    if default.is_evaluated and not text.isascii() and source.charset not in (None, "utf8mb4"):
        # What the character set lacks becomes a question mark.
        raise ValueError(text)
    return escape(text.encode())


def _fits(column: Column, text: str) -> bool:
    if column.data_type in ("char", "varchar"):
        return len(text) <= (column.char_length or len(text))
    size = len(text.encode("utf-8" if is_utf8(column.charset) else "utf-32-be"))
    return size <= (column.octet_length or size)


def _bytes(column: PlannedColumn, default: DefaultValue) -> Field:
    text = default.text or ""
    if default.base is not None:
        octets = _octets(text, default.base)
    else:
        # Other characters become the bytes that they were in the session's character set.
        octets = (text if default.is_plain_text else _printed(text)).encode("ascii")
    if len(octets) > (column.source.octet_length or len(octets)):
        raise ValueError(text)
    return column.mapping.from_binlog(octets)


def _labels(column: Column, text: str) -> int:
    """The number of an ENUM's label, or the bits of a SET's."""
    labels = parse_labels(column.column_type)
    if column.data_type == "enum":
        return _label_place(column, labels, text.rstrip(" ")) + 1
    bits = 0
    for label in text.rstrip(" ").split(",") if text else ():
        bits |= 1 << _label_place(column, labels, label)
    return bits


def _label_place(column: Column, labels: list[str], label: str) -> int:
    """Labels are told apart by the collation, of which no more is known here than cases."""
    if label in labels:
        return labels.index(label)
    alike = [place for place, known in enumerate(labels) if known.lower() == label.lower()]
    # Turkish has another letter for I.
    is_turkish = re.search("turkish|_tr_", column.collation or "") is not None
    if len(alike) != 1 or is_turkish:
        raise ValueError(label)
    return alike[0]


def _special(column: PlannedColumn, text: str) -> Field:
    """Labels, JSON, and MariaDB's addresses and UUIDs in the form in which servers print them."""
    kind = column.source.data_type
    if kind in ("enum", "set"):
        return column.mapping.from_binlog(_labels(column.source, text))
    if kind == "json" and text in ("{}", "[]"):
        return escape(text.encode())
    if kind == "uuid" and _UUID.fullmatch(text):
        return column.mapping.from_binlog(uuid.UUID(text).bytes)
    if kind not in ("inet4", "inet6"):
        raise ValueError(kind)
    address = ipaddress.IPv4Address(text) if kind == "inet4" else ipaddress.IPv6Address(text)
    field = column.mapping.from_binlog(address.packed)
    if field != text.lower().encode():
        raise ValueError(text)
    return field


def _moment(column: PlannedColumn, text: str, times: StatementTimes) -> Field:
    if text.startswith("0000-00-00") or text == "0":
        return None
    moment = moment_of(column.source, text)
    if column.source.data_type == "date":
        return column.mapping.from_binlog(moment.date().isoformat())
    if column.source.data_type == "timestamp":
        in_utc = times.in_utc.get(moment.replace(microsecond=0))
        if in_utc is None:
            raise ValueError(text)
        moment = in_utc.replace(microsecond=moment.microsecond)
    return column.mapping.from_binlog(moment.isoformat(" ", "microseconds"))


def moment_of(column: Column, text: str) -> datetime:
    """The moment that a literal of DATE, DATETIME or TIMESTAMP names.

    Raises:
        ValueError: it is not written plainly, or more precise than the column.
    """
    found = _MOMENT.fullmatch(text) or _MOMENT_IN_DIGITS.fullmatch(text)
    if found is None or (column.data_type == "date" and found[4]):
        raise ValueError(text)
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    fraction = _fraction(column, found[7]).ljust(6, "0")
    return datetime(year, month, day, hour, minute, second, int(fraction))


def _time(column: Column, text: str) -> str:
    """A literal of TIME as servers print it; without colons its last digits are seconds."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    sign, *parts, digits, fraction = found.groups()
    if digits:
        parts = [digits[:-4], digits[-4:-2], digits[-2:]]
    hour, minute, second = (int(part or 0) for part in parts)
    fraction = _fraction(column, fraction)
    if max(minute, second) > 59 or (hour, minute, second, fraction) > _LARGEST_TIME:
        raise ValueError(text)
    if not (hour or minute or second or fraction):
        sign = ""
    places = column.fraction_digits
    shown = "." + fraction.ljust(places, "0") if places else ""
    return f"{sign}{hour:02}:{minute:02}:{second:02}{shown}"


def _fraction(column: Column, digits: str | None) -> str:
    """The digits that say something. Servers differ in whether they round what is too precise."""
    told = (digits or "").rstrip("0")
    if len(told) > column.fraction_digits:
        raise ValueError(digits)
    return told
