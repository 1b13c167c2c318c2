r"""Functions that read row images of the log, as Python text made for the columns of a table.

For images with the same columns NULL a function is straight Python without a loop over the
columns. Written out for a key of type BIGINT, an INT, a DATETIME and a VARCHAR(30):

    def walk(data, offset):                def copy_tuple(data, offset):
        v0 = data[offset + 1:offset + 9]       v0, v1, = unpack_0(data, offset + 1)
        offset += 19 + data[offset + 18]       v2_0, v2_1, = unpack_1(data, offset + 13)
        return v0, offset + 0                  start = offset + 19
                                               offset += 19 + data[offset + 18]
                                               v3 = data[start:offset]
                                               v2m = v2_0 << 8 | v2_1
                                               v2d = datetime_days_us[v2m >> 17]
                                               return pack_2(
                                                   b'\0\4\0\0\0\10', v0, 4, v1, 8,
                                                   v2d + minutes_us[v2m >> 6 & 2047]
                                                   + seconds_us[v2m >> 0 & 63], len(v3)) + v3

A function for all images looks at the bit of each column, and packs each value by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dms_pipeline.binlog.column_sizes import ColumnFormat, fixed_size, length_width
from dms_pipeline.local_dms.engine.copy_format import CopyRow
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn
from dms_pipeline.local_dms.engine.tuple_code import TupleCode, numbers_read
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import (
    NULL,
    BinaryForm,
    Computed,
    Packed,
)

Walk = Callable[[bytes, int], tuple[bytes, int]]
"""Tells the values of the key as they lie in an image, and where the image ends."""
Made = Callable[[bytes, int], CopyRow]


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a row image, and what becomes of those that are wanted."""

    columns: tuple[ColumnFormat, ...]
    forms: dict[int, BinaryForm]

    @property
    def bitmap_bytes(self) -> int:
        return (len(self.columns) + 7) // 8


def walk(layout: Layout, key: Sequence[PlannedColumn], nulls: int) -> Walk:
    """Of images with these NULLs, a bit for each column."""
    image = _Image(layout, TupleCode(), nulls, ahead=layout.bitmap_bytes)
    wanted = _indices(key)
    for index in range(len(layout.columns)):
        image.read_raw(index, is_wanted=index in wanted)
    return image.code.function("data, offset", f"{_sum(wanted)}, offset + {image.ahead}")  # type: ignore[no-any-return]


def walk_any(layout: Layout, key: Sequence[PlannedColumn]) -> Walk:
    """Of any image."""
    code, wanted = _code_for_any(layout), _indices(key)
    for index in range(len(layout.columns)):
        image = _Image(layout, TupleCode(names=code.names), ~(1 << index))
        image.read_raw(index, is_wanted=index in wanted)
        image.end()
        if index in wanted:
            code.statements.append(f"v{index} = b''")
        code.statements += _unless_null(index, image.code.statements)
    return code.function("data, offset", f"{_sum(wanted)}, offset")  # type: ignore[no-any-return]


def tuple_of(
    layout: Layout, columns: Sequence[PlannedColumn], nulls: int, *, takes_null: bool
) -> Made:
    image = _Image(layout, TupleCode(takes_null), nulls, ahead=layout.bitmap_bytes)
    image.read(_indices(columns))
    image.code.number("h", str(len(columns)))
    for column in columns:
        if image.is_null(column.index):
            image.code.null()
        else:
            image.code.field(layout.forms[column.index], column.index)
    return image.code.function("data, offset", image.code.expression())  # type: ignore[no-any-return]


def tuple_of_any(layout: Layout, columns: Sequence[PlannedColumn]) -> Made:
    code, wanted = _code_for_any(layout), _indices(columns)
    code.names["NULL"] = NULL
    for index in range(len(layout.columns)):
        image = _Image(layout, TupleCode(takes_null=True, names=code.names), ~(1 << index))
        image.read(wanted)
        image.end()
        statements = image.code.statements
        if index in wanted:
            image.code.field(layout.forms[index], index)
            statements.append(f"f{index} = {image.code.expression()}")
            code.statements.append(f"f{index} = NULL")
        code.statements += _unless_null(index, statements)
    code.number("h", str(len(columns)))
    for column in columns:
        code.bytes(f"f{column.index}")
    return code.function("data, offset", code.expression())  # type: ignore[no-any-return]


def _code_for_any(layout: Layout) -> TupleCode:
    size = layout.bitmap_bytes
    bitmap = f"nulls = int.from_bytes(data[offset:offset + {size}], 'little')"
    return TupleCode(statements=[bitmap, f"offset += {size}"])


def _unless_null(index: int, statements: Sequence[str]) -> list[str]:
    return [f"if not nulls & {1 << index}:", *(f"    {line}" for line in statements)]


def _indices(columns: Sequence[PlannedColumn]) -> set[int]:
    return {column.index for column in columns}


def _sum(wanted: set[int]) -> str:
    return " + ".join(f"v{index}" for index in sorted(wanted))


class _Image:
    """Statements that read an image with these NULLs, by now up to ``ahead`` behind ``offset``."""

    def __init__(self, layout: Layout, code: TupleCode, nulls: int, *, ahead: int = 0) -> None:
        self._layout = layout
        self._nulls = nulls
        self.code = code
        self.ahead = ahead

    def is_null(self, index: int) -> bool:
        return bool(self._nulls >> index & 1)

    def end(self) -> None:
        """Move ``offset`` to what comes next."""
        if self.ahead:
            self._statement(f"offset += {self.ahead}")

    def read_raw(self, index: int, *, is_wanted: bool) -> None:
        """A value of the key as it lies there, with its length; of NULL nothing lies there."""
        column, name = self._layout.columns[index], f"v{index}" if is_wanted else ""
        if self.is_null(index):
            if name:
                self._statement(f"{name} = b''")
            return
        size = fixed_size(column)
        if size is None:
            self._read_counted(column, name, with_length=True)
            return
        begin, self.ahead = self.ahead, self.ahead + size
        if name:
            self._statement(f"{name} = data[offset + {begin}:offset + {self.ahead}]")

    def read(self, wanted: set[int]) -> None:
        """Give the wanted values their names."""
        run: dict[int, int] = {}
        for index, column in enumerate(self._layout.columns):
            if self.is_null(index):
                continue
            size = fixed_size(column)
            if size is None:
                self._read_run(run, wanted)
                self._read_counted(column, f"v{index}" if index in wanted else "")
                run = {}
            else:
                run[index] = size
        self._read_run(run, wanted)

    def _statement(self, text: str) -> None:
        self.code.statements.append(text)

    def _read_run(self, run: dict[int, int], wanted: set[int]) -> None:
        """Values whose sizes are fixed: at once, but for those that begin with the highest byte."""
        for order in "<>":
            codes, names, skipped = order, "", 0
            for index, size in run.items():
                parts = self._parts(index, size) if index in wanted else None
                if parts is None or parts[0] != order:
                    skipped += size
                    continue
                codes += f"{skipped}x" if skipped else ""
                skipped = 0
                for code, name in parts[1]:
                    codes += code
                    names += f"{name}, "
            if names:
                unpack = self.code.struct_method("unpack_from", codes)
                self._statement(f"{names}= {unpack}(data, offset + {self.ahead})")
        self.ahead += sum(run.values())

    def _parts(self, index: int, size: int) -> tuple[str, list[tuple[str, str]]]:
        """In which order the bytes of a value stand, and what they are read as, by which names."""
        form, name = self._layout.forms[index], f"v{index}"
        if isinstance(form, Computed):
            return ">", list(numbers_read(form, index))
        return "<", [(form.read if isinstance(form, Packed) else f"{size}s", name)]

    def _read_counted(self, column: ColumnFormat, name: str, *, with_length: bool = False) -> None:
        """A value behind its length."""
        width = length_width(column)
        at, begin = self.ahead, self.ahead + width
        if width == 1:
            length = f"data[offset + {at}]"
        elif width == 2:
            length = f"(data[offset + {at}] | data[offset + {at + 1}] << 8)"
        else:
            length = f"int.from_bytes(data[offset + {at}:offset + {begin}], 'little')"
        if not name:
            self._statement(f"offset += {begin} + {length}")
        else:
            self._statement(f"start = offset + {at if with_length else begin}")
            self._statement(f"offset += {begin} + {length}")
            self._statement(f"{name} = data[start:offset]")
        self.ahead = 0
