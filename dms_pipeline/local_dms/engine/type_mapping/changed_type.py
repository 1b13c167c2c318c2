"""change-data-type and add-column rules: DMS types, and values converted into them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from dms_pipeline.errors import ConfigError
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import (
    Conversion,
    Form,
    Step,
    TooLongError,
    UnfitValueError,
)
from dms_pipeline.local_dms.engine.type_mapping.temporal import is_calendar_date

_INTEGERS = {
    "int1": ("smallint", 16), "uint1": ("smallint", 16), "int2": ("smallint", 16),
    "uint2": ("integer", 32), "int4": ("integer", 32), "uint4": ("bigint", 64),
    "int8": ("bigint", 64), "uint8": ("bigint", 64),
}  # fmt: skip
_PLAIN_TARGETS: dict[str, tuple[Form, str]] = {
    "real4": ("float", "real"),
    "real8": ("float", "double precision"),
    "boolean": ("boolean", "boolean"),
    "date": ("date", "date"),
    "time": ("time", "time"),
    "bytes": ("bytes", "bytea"),
    "blob": ("bytes", "bytea"),
    "clob": ("text", "text"),
    "nclob": ("text", "text"),
}
_LARGEST_VARCHAR = 21845
_TRUE = frozenset({b"1", b"t", b"true", b"y", b"yes", b"on"})
_FALSE = frozenset({b"0", b"f", b"false", b"n", b"no", b"off"})
_NUMERIC: frozenset[Form] = frozenset({"integer", "decimal", "float", "boolean", "text"})
_SOURCES: dict[Form, frozenset[Form]] = {
    "integer": _NUMERIC,
    "decimal": _NUMERIC,
    "float": _NUMERIC,
    "boolean": _NUMERIC,
    "date": frozenset({"date", "timestamp", "text"}),
    "timestamp": frozenset({"date", "timestamp", "text"}),
    "time": frozenset({"time", "timestamp", "text"}),
    "text": frozenset(
        {"integer", "decimal", "float", "boolean", "date", "timestamp", "time", "text"}
    ),
    "bytes": frozenset({"bytes", "text"}),
}
"""Which forms can become a form at all; what cannot is refused before anything is copied."""
_CLOCK = re.compile(rb"([01]?\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?")


@dataclass(frozen=True, slots=True)
class DataType:
    """The ``data-type`` of a rule, on the target."""

    name: str
    form: Form
    target_type: str
    length: int | None = None

    @classmethod
    def from_rule(cls, document: Any) -> "DataType":
        if not isinstance(document, dict) or "type" not in document:
            raise ConfigError('data-type must be an object with a "type"')
        name = str(document["type"]).lower()
        if name in _INTEGERS:
            return cls(name, "integer", _INTEGERS[name][0])
        if name in _PLAIN_TARGETS:
            return cls(name, *_PLAIN_TARGETS[name])
        if name == "numeric":
            return cls(name, "decimal", _numeric_type(document))
        if name == "datetime":
            digits = document.get("scale") or document.get("precision") or 6
            return cls(name, "timestamp", f"timestamp({min(int(digits), 6)})")
        if name in ("string", "wstring"):
            return cls._text(name, document.get("length"))
        raise ConfigError(f"data-type {name!r} has no type on PostgreSQL")

    @classmethod
    def _text(cls, name: str, length: Any) -> "DataType":
        if length is None or int(length) > _LARGEST_VARCHAR:
            return cls(name, "text", "varchar(65535)", 65535)
        return cls(name, "text", f"varchar({int(length)})", int(length))


def _numeric_type(document: dict[str, Any]) -> str:
    if document.get("precision") is None:
        return "numeric"
    return f"numeric({int(document['precision'])},{int(document.get('scale') or 0)})"


def changed(conversion: Conversion, data_type: DataType) -> Conversion:
    """The conversion, ending in another type.

    Raises:
        ConfigError: values of this kind cannot become that.
    """
    if conversion.form not in _SOURCES[data_type.form]:
        raise ConfigError(
            f"a {conversion.form} column cannot be changed to data-type {data_type.name}"
        )
    convert = _converter(conversion.form, data_type)

    def after(first: Callable[[Any], bytes | None]) -> Callable[[Any], bytes | None]:
        def both(value: Any) -> bytes | None:
            plain = first(value)
            return None if plain is None else convert(plain)

        return both

    return replace(
        conversion,
        form=data_type.form,
        target_type=data_type.target_type,
        from_text=after(conversion.from_text),
        from_binlog=after(conversion.from_binlog),
        check=None,
        printed=None,
        binary=lambda stored: None,
        sent=lambda column: None,
        sent_select=None,
    )


def _converter(source: Form, data_type: DataType) -> Step:
    if data_type.form == "integer":
        return _integer_within(_INTEGERS[data_type.name][1])
    if data_type.form == "text":
        return _text_within(data_type.length)
    if data_type.form == "bytes":
        return bytes
    return {
        "decimal": _decimal_within(data_type.target_type),
        "float": lambda value: repr(float(_number(value))).encode(),
        "boolean": _boolean,
        "date": lambda value: _calendar(value[:10]),
        "timestamp": _calendar,
        "time": _clock_of(source),
    }[data_type.form]


def _number(value: bytes) -> Decimal:
    try:
        number = Decimal(value.decode().strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise UnfitValueError("the value is not a number, as its change-data-type rule wants")
    return number


def _integer_within(bits: int) -> Step:
    limit = 1 << (bits - 1)

    def convert(value: bytes) -> bytes:
        number = int(_number(value).to_integral_value(ROUND_HALF_UP))
        if not -limit <= number < limit:
            raise UnfitValueError(f"the number does not fit into {bits} bits")
        return b"%d" % number

    return convert


def _decimal_within(target_type: str) -> Step:
    found = re.fullmatch(r"numeric\((\d+),(\d+)\)", target_type)
    whole = int(found[1]) - int(found[2]) if found else None

    def convert(value: bytes) -> bytes:
        number = _number(value)
        if whole is not None and number and number.adjusted() >= whole:
            raise UnfitValueError(f"the number does not fit into {target_type}")
        return format(number, "f").encode()

    return convert


def _boolean(value: bytes) -> bytes:
    word = value.strip().lower()
    if word in _TRUE or word in _FALSE:
        return b"1" if word in _TRUE else b"0"
    return b"1" if _number(value) else b"0"


def _text_within(length: int | None) -> Step:
    def convert(value: bytes) -> bytes:
        if length is not None and len(value) > length and len(value.decode()) > length:
            raise TooLongError(f"the text is longer than {length} characters")
        return value

    return convert


def _calendar(value: bytes) -> bytes:
    text = value.decode()
    try:
        known = is_calendar_date(text)
    except ValueError:
        known = False
    if not known:
        raise UnfitValueError("the value is not a date, as its change-data-type rule wants")
    return value


def _clock_of(source: Form) -> Step:
    def convert(value: bytes) -> bytes:
        clock = value[11:] if source == "timestamp" else value
        if not _CLOCK.fullmatch(clock):
            raise UnfitValueError("the value is not a time of day, which is what time holds")
        return clock

    return convert
