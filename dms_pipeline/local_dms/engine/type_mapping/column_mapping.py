"""The form every family of types gives its answer in, and the fields of a COPY text stream."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dms_pipeline.binlog.column_sizes import ColumnFormat
from dms_pipeline.binlog.row_decoder import stored_value
from dms_pipeline.local_dms.engine.copy_format import NULL_FIELD
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import (
    NULL,
    BinaryForm,
    FieldOf,
    Verbatim,
    plain_writer,
)
from dms_pipeline.local_dms.engine.type_mapping.sent_fields import (
    SentColumn,
    SentForm,
)

Form = Literal[
    "integer", "decimal", "float", "boolean", "date", "timestamp", "time", "text", "bytes"
]
Step = Callable[[bytes], bytes | None]

_TAB, _NEW_LINE, _RETURN, _BACKSLASH = b"\t\n\r\\"
_LARGEST_BYTEA = 500_000_000


class UnfitValueError(ValueError):
    """A value that the target type cannot hold; the text says what is wrong with it."""


class TooLongError(UnfitValueError):
    """A value that only a shorter part of would fit; DMS calls this an error of truncation."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a column's values become plain values: UTF-8 text, or bytes where the form says so.

    Both converters give the same plain value for the same stored value, or None for NULL.

    Attributes:
        form: what kind of value the plain value is.
        target_type: as written in CREATE TABLE.
        from_text: converts what the full load's SELECT returns, bytes of MySQL's text protocol.
        from_binlog: converts what the row decoder returns.
        select: SQL around the quoted column name in the full load's SELECT.
        check: the last step; raises UnfitValueError for what the target type cannot hold.
        is_lob: whether AWS treats the column as a large object.
        printed: as ``from_text``, but leaves to PostgreSQL what that checks by itself; None where
            there is no such way.
        binary: how the value's bytes in the log, in a layout, become a field of binary COPY; None
            in a layout of which only the plain value is known. It need not check anything.
        sent: the same for a value in the binary protocol; None where the plain value has to be
            made first.
        sent_select: SQL as ``select``, where the binary protocol is for another.
    """

    form: Form
    target_type: str
    from_text: Callable[[bytes], bytes | None]
    from_binlog: Callable[[Any], bytes | None]
    select: str = "{}"
    check: Step | None = None
    is_lob: bool = False
    printed: Callable[[bytes], bytes | None] | None = None
    binary: Callable[[ColumnFormat], BinaryForm | None] = lambda stored: None
    sent: Callable[[SentColumn], SentForm | None] = lambda column: None
    sent_select: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """How one column goes over: both converters return the field of a COPY text stream.

    The field is already escaped, or None for NULL, and is the same for the same stored value.
    ``from_printed`` is quicker than ``from_text``: it writes out NULL, and leaves what PostgreSQL
    checks by itself to it; None where the field is the value as the server prints it.
    ``binary`` tells how the value's bytes in the log, in a layout, become a field of binary COPY;
    None if they cannot. ``sent`` does for a value in the binary protocol,
    which ``sent_select`` asks for.
    """

    target_type: str
    from_text: Callable[[bytes], bytes | None]
    from_binlog: Callable[[Any], bytes | None]
    select: str
    conversion: Conversion
    from_printed: Callable[[bytes], bytes] | None
    binary: Callable[[ColumnFormat], BinaryForm | None]
    sent: Callable[[SentColumn], SentForm | None]
    sent_select: str

    @classmethod
    def of(cls, conversion: Conversion, *steps: Step) -> "ColumnMapping":
        """The conversion, then further steps over plain values, then its check and escaping."""
        plain = [*steps, *filter(None, [conversion.check])]
        chain = [*plain, *filter(None, [field_writer(conversion.form)])]

        def binary(stored: ColumnFormat) -> BinaryForm | None:
            form = None if steps else conversion.binary(stored)
            return form or _by_plain_value(conversion, plain, stored)

        def sent(column: SentColumn) -> SentForm | None:
            form = None if steps else conversion.sent(column)
            return form or _by_sent_value(conversion, steps, column)

        return cls(
            conversion.target_type,
            _chained(conversion.from_text, chain),
            _chained(conversion.from_binlog, chain),
            conversion.select,
            conversion,
            _from_printed(conversion, steps),
            binary,
            sent,
            conversion.sent_select or conversion.select,
        )


def field_writer(form: Form) -> Callable[[bytes], bytes] | None:
    """What makes a field of a plain value; None where the plain value is a field already."""
    return {"text": escape, "bytes": bytea_field}.get(form)


def escape(value: bytes) -> bytes:
    """Escape UTF-8 text for COPY; every byte that needs it is below 0x80, so bytes will do."""
    # A number is looked for several times as fast as a byte of bytes.
    if _BACKSLASH in value:
        value = value.replace(b"\\", b"\\\\")
    if _NEW_LINE in value or _RETURN in value or _TAB in value:
        value = value.replace(b"\n", b"\\n").replace(b"\r", b"\\r").replace(b"\t", b"\\t")
    return value


def bytea_field(value: bytes) -> bytes:
    return b"\\\\x" + _fitting_bytea(value).hex().encode()


def _fitting_bytea(value: bytes) -> bytes:
    if len(value) > _LARGEST_BYTEA:
        raise TooLongError(
            f"{len(value)} bytes are more than PostgreSQL takes in one value; limit LOBs with"
            " LimitedSizeLobMode and LobMaxSize"
        )
    return value


def _from_printed(conversion: Conversion, steps: Sequence[Step]) -> Callable[[bytes], bytes] | None:
    first, checks = _unchecked(conversion)
    write = field_writer(conversion.form)
    if first is bytes and not steps and not checks:
        return write
    convert = _chained(first, [*steps, *checks, *filter(None, [write])])

    def field(value: bytes) -> bytes:
        made = convert(value)
        return NULL_FIELD if made is None else made

    return field


def _unchecked(conversion: Conversion) -> tuple[Callable[[bytes], bytes | None], list[Step]]:
    """From what the server prints to the plain value, and what PostgreSQL would not check of it."""
    if conversion.printed is not None:
        return conversion.printed, []
    return conversion.from_text, [*filter(None, [conversion.check])]


def _by_plain_value(
    conversion: Conversion, steps: list[Step], stored: ColumnFormat
) -> FieldOf | None:
    write = plain_writer(conversion.target_type)
    if write is None:
        return None
    value_of = stored_value(stored)
    convert = _chained(conversion.from_binlog, steps)

    def field(raw: bytes) -> bytes:
        plain = convert(raw if value_of is None else value_of(raw))
        return NULL if plain is None else write(plain)

    return field


def _by_sent_value(
    conversion: Conversion, steps: Sequence[Step], column: SentColumn
) -> SentForm | None:
    """What is no number is sent as it is printed, but for times."""
    write = plain_writer(conversion.target_type)
    if write is None:
        return None
    first: Callable[[Any], bytes | None]
    if column.number is not None:
        first, checks = conversion.from_binlog, [*filter(None, [conversion.check])]
    elif column.is_counted:
        first, checks = _unchecked(conversion)
        if first is bytes and conversion.form == "text" and not (steps or checks):
            return Verbatim()
    else:
        return None
    if conversion.form == "bytes":
        checks.append(_fitting_bytea)
    convert = _chained(first, [*steps, *checks])

    def field(value: Any) -> bytes:
        plain = convert(value)
        return NULL if plain is None else write(plain)

    return field


def _chained(
    first: Callable[[Any], bytes | None], steps: list[Step]
) -> Callable[[Any], bytes | None]:
    if not steps:
        return first
    if len(steps) == 1:
        only = steps[0]

        def convert(value: Any) -> bytes | None:
            plain = first(value)
            return None if plain is None else only(plain)

        return convert

    def convert_all(value: Any) -> bytes | None:
        plain = first(value)
        for step in steps:
            if plain is None:
                return None
            plain = step(plain)
        return plain

    return convert_all
