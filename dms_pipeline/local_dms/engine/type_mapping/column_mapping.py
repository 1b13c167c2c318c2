"""The form every family of types gives its answer in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class UnfitValueError(ValueError):
    """A value that the target type cannot hold; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """How one column goes over.

    Both converters return the field of a COPY text stream, already escaped, or None for NULL, and
    give the same field for the same stored value.

    Attributes:
        target_type: as written in CREATE TABLE.
        from_text: converts what the full load's SELECT returns, bytes of MySQL's text protocol.
        from_binlog: converts what the row decoder returns.
        select: SQL around the quoted column name in the full load's SELECT.
    """

    target_type: str
    from_text: Callable[[bytes], bytes | None]
    from_binlog: Callable[[Any], bytes | None]
    select: str = "{}"
