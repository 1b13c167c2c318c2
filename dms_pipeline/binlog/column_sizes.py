"""How many bytes a column's value takes in a row image, from its type and metadata alone."""

from collections.abc import Callable
from dataclasses import dataclass

from dms_pipeline.errors import BinlogError

ENUM, SET, STRING = 247, 248, 254
DATE, TIMESTAMP, DATETIME, DECIMAL = 10, 17, 18, 246
"""The times in their format since MySQL 5.6."""
FRACTION_BYTES = (0, 1, 1, 2, 2, 3, 3)
DECIMAL_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)

_FIXED = {1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 7: 4, 8: 8, 9: 3, 10: 3, 11: 3, 12: 8, 13: 1}
_TEMPORAL = {17: 4, 18: 5, 19: 3}
# Blobs, JSON, vectors and geometries, and MariaDB's compressed blobs: the metadata byte is the
# width of the length.
_COUNTED_BY_METADATA = frozenset({140, 242, 245, 249, 250, 251, 252, 255})
_VARCHARS = frozenset({15, 141, 253})


@dataclass(frozen=True, slots=True)
class ColumnFormat:
    """One column of a table map: its binary log type and what the metadata adds."""

    type_code: int
    metadata: bytes

    @property
    def is_enum(self) -> bool:
        return self._real_type == ENUM

    @property
    def is_set(self) -> bool:
        return self._real_type == SET

    @property
    def _real_type(self) -> int:
        return self.metadata[0] if self.type_code == STRING else self.type_code


def metadata_length(type_code: int) -> int:
    """How many bytes of the table map's metadata block belong to a column of this type."""
    if type_code in (15, 16, 141, 246, ENUM, SET, 253, STRING):
        return 2
    if type_code in (4, 5, 17, 18, 19, 140, 242, 245, 249, 250, 251, 252, 255):
        return 1
    return 0


def char_length(metadata: bytes) -> int:
    """The greatest length in bytes of a CHAR or BINARY column.

    Bits 4 and 5 of the first byte, inverted, are the high bits of a length over 255.
    """
    return metadata[1] | ((metadata[0] & 0x30) ^ 0x30) << 4


def fixed_size(column: ColumnFormat) -> int | None:
    """The size of every value of the column, None where each value begins with its length."""
    code, metadata = column.type_code, column.metadata
    size: int | None = None
    if code in _FIXED:
        size = _FIXED[code]
    elif code in _TEMPORAL:
        size = _TEMPORAL[code] + FRACTION_BYTES[metadata[0]]
    elif code == 246:
        size = decimal_size(metadata[0], metadata[1])
    elif code == 16:
        size = metadata[1] + (metadata[0] + 7) // 8
    elif column.is_enum or column.is_set:
        size = metadata[1]
    return size


def length_width(column: ColumnFormat) -> int:
    """How many bytes hold the length of a value whose size is not fixed."""
    code, metadata = column.type_code, column.metadata
    if code in _COUNTED_BY_METADATA:
        return metadata[0]
    if code in _VARCHARS:
        return 2 if int.from_bytes(metadata, "little") > 255 else 1
    if code == STRING:
        return 2 if char_length(metadata) > 255 else 1
    raise BinlogError(f"columns of binary log type number {code} are not known")


def decimal_size(precision: int, scale: int) -> int:
    whole = precision - scale
    return 4 * (whole // 9) + DECIMAL_BYTES[whole % 9] + 4 * (scale // 9) + DECIMAL_BYTES[scale % 9]


RowSkipper = Callable[[bytes, int], int]
_MOST_PLANS = 4096


def compile_row_skipper(columns: tuple[ColumnFormat, ...]) -> RowSkipper:
    """A function from the offset of a row image to the offset behind it, decoding no value.

    What there is to add up depends only on which columns are NULL, and that is remembered.
    """
    sizes = [(fixed_size(column), column) for column in columns]
    steps = [(size or 0, 0 if size is not None else length_width(c)) for size, c in sizes]
    bitmap_bytes = (len(columns) + 7) // 8
    plans: dict[bytes, tuple[tuple[tuple[int, int], ...], int]] = {}

    def plan_of(nulls: bytes) -> tuple[tuple[tuple[int, int], ...], int]:
        """The bytes before each value with a length and that length's width; the bytes at last."""
        present = int.from_bytes(nulls, "little")
        plan, ahead = [], bitmap_bytes
        for index, (size, width) in enumerate(steps):
            if present >> index & 1:
                continue
            ahead += size
            if width:
                plan.append((ahead, width))
                ahead = 0
        if len(plans) >= _MOST_PLANS:
            plans.clear()
        plans[nulls] = tuple(plan), ahead
        return plans[nulls]

    def skip(buffer: bytes, offset: int) -> int:
        nulls = buffer[offset : offset + bitmap_bytes]
        counted, last = plans.get(nulls) or plan_of(nulls)
        for ahead, width in counted:
            offset += ahead
            value = offset + width
            offset = value + int.from_bytes(buffer[offset:value], "little")
        return offset + last

    return skip
