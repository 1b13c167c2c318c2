"""From row images in the log straight to tuples of binary COPY, by functions made for each table.

A row image is walked to find its key and its end; only the images that are left of a batch become
tuples. Both are straight Python without a loop over the columns, written out here for the columns
of the log, the plan, and the columns that are NULL in an image:

    def walk(data, offset):                def copy_tuple(data, offset):
        v0 = data[offset + 1:offset + 9]       v0, v1, = unpack_0(data, offset + 1)
        offset += 19 + data[offset + 18]       v2_0, v2_1, = unpack_1(data, offset + 13)
        return v0, offset + 0                  start = offset + 19
                                               offset += 19 + data[offset + 18]
                                               v3 = data[start:offset]
                                               v2m = v2_0 << 8 | v2_1
                                               return pack_2(
                                                   4, 8, v0, 4, v1, 8, datetime_days_us[v2m >> 17]
                                                   + minutes_us[v2m >> 6 & 2047]
                                                   + seconds_us[v2m >> 0 & 63], len(v3)) + v3

That is for a key of type BIGINT, an INT, a DATETIME and a VARCHAR(30). Numbers of the log are
numbers of PostgreSQL in another byte order, and UTF-8 text goes over as it is; what becomes of
other types stands in ``type_mapping.binary_fields``.
"""

from collections.abc import Callable, Sequence
from typing import Generic, Self, TypeVar

from dms_pipeline.binlog.column_sizes import ColumnFormat, fixed_size, length_width
from dms_pipeline.local_dms.engine.copy_format import CopyRow
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn, TablePlan
from dms_pipeline.local_dms.engine.tuple_code import TupleCode, numbers_read
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import (
    BinaryForm,
    Computed,
    NoValueError,
    Packed,
)

_MOST_PATTERNS = 256

Walk = Callable[[bytes, int], tuple[bytes, int]]
"""Tells the values of the key as they lie in an image, and where the image ends."""
Made = Callable[[bytes, int], CopyRow]
Function = TypeVar("Function")


class RowTuples:
    """The rows of one table as the log has them in these columns.

    A value that has not the form of its type is a ValueError, or one of ``struct``.
    """

    @classmethod
    def of(cls, plan: TablePlan, columns: tuple[ColumnFormat, ...]) -> Self | None:
        """None where a row needs more than its own values, or one has no binary form."""
        if not plan.key or plan.row_filter is not None or plan.added:
            return None
        forms: dict[int, BinaryForm] = {}
        for column in plan.columns:
            form = column.mapping.binary(columns[column.index])
            if form is None:
                return None
            forms[column.index] = form
        return cls(plan, columns, forms)

    def __init__(
        self,
        plan: TablePlan,
        columns: tuple[ColumnFormat, ...],
        forms: dict[int, BinaryForm],
    ) -> None:
        self._columns = columns
        self.bitmap_bytes = (len(columns) + 7) // 8

        def walk(nulls: int) -> Walk:
            return _Image(columns, forms, nulls).walk(plan.key_columns)

        def maker(wanted: Sequence[PlannedColumn], *, takes_null: bool) -> "_ByNulls[Made]":
            return _ByNulls(
                lambda nulls: _Image(columns, forms, nulls, takes_null=takes_null).tuple_of(wanted)
            )

        self.walks = _ByNulls(walk)
        self._tuples, self._tuples_with_null = (
            maker(plan.columns, takes_null=takes_null) for takes_null in (False, True)
        )
        self._keys, self._keys_with_null = (
            maker(plan.key_columns, takes_null=takes_null) for takes_null in (False, True)
        )

    def is_of(self, columns: tuple[ColumnFormat, ...]) -> bool:
        return columns is self._columns or columns == self._columns

    def copy_tuple(self, data: bytes, offset: int) -> CopyRow:
        """The row image at ``offset`` with its columns in the order of the plan."""
        nulls = data[offset : offset + self.bitmap_bytes]
        try:
            return self._tuples[nulls](data, offset)
        except NoValueError:
            return self._tuples_with_null[nulls](data, offset)

    def copy_key(self, data: bytes, offset: int) -> CopyRow:
        """The tuple of the key alone."""
        nulls = data[offset : offset + self.bitmap_bytes]
        try:
            return self._keys[nulls](data, offset)
        except NoValueError:
            return self._keys_with_null[nulls](data, offset)


class _ByNulls(dict[bytes, Function], Generic[Function]):
    """The function for each bitmap of NULLs, made when it is first asked for."""

    def __init__(self, new: Callable[[int], Function]) -> None:
        self._new: Callable[[int], Function] = new

    def __missing__(self, nulls: bytes) -> Function:
        # Another thread may be here too, with an empty dictionary.
        if len(self) >= _MOST_PATTERNS:
            self.clear()
        self[nulls] = function = self._new(int.from_bytes(nulls, "little"))
        return function


class _Image:
    """The text of one function; ``ahead`` is how far behind ``offset`` the image ends."""

    def __init__(
        self,
        columns: Sequence[ColumnFormat],
        forms: dict[int, BinaryForm],
        nulls: int,
        *,
        takes_null: bool = False,
    ) -> None:
        self._columns = columns
        self._forms = forms
        self._nulls = nulls
        self._code = TupleCode(takes_null)
        self._ahead = (len(columns) + 7) // 8

    def walk(self, key: Sequence[PlannedColumn]) -> Walk:
        wanted = {column.index for column in key}
        for index, column in enumerate(self._columns):
            if self._is_null(index):
                continue
            size = fixed_size(column)
            if size is None:
                self._read_counted(column, f"v{index}" if index in wanted else "", with_length=True)
            else:
                begin, self._ahead = self._ahead, self._ahead + size
                if index in wanted:
                    self._statement(f"v{index} = data[offset + {begin}:offset + {self._ahead}]")
        values = " + ".join(f"v{index}" for index in sorted(wanted) if not self._is_null(index))
        walk: Walk = self._code.function("data, offset", f"{values}, offset + {self._ahead}")
        return walk

    def tuple_of(self, columns: Sequence[PlannedColumn]) -> Made:
        self._read({column.index for column in columns})
        code = self._code
        code.number("h", str(len(columns)))
        for column in columns:
            if self._is_null(column.index):
                code.null()
            else:
                code.field(self._forms[column.index], column.index)
        made: Made = code.function("data, offset", code.expression())
        return made

    def _statement(self, text: str) -> None:
        self._code.statements.append(text)

    def _read(self, wanted: set[int]) -> None:
        """Statements that give the wanted values their names and move ``offset`` ahead."""
        run: dict[int, int] = {}
        for index, column in enumerate(self._columns):
            if self._is_null(index):
                continue
            size = fixed_size(column)
            if size is None:
                self._read_run(run, wanted)
                self._read_counted(column, f"v{index}" if index in wanted else "")
                run = {}
            else:
                run[index] = size
        self._read_run(run, wanted)

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
                unpack = self._code.struct_method("unpack_from", codes)
                self._statement(f"{names}= {unpack}(data, offset + {self._ahead})")
        self._ahead += sum(run.values())

    def _parts(self, index: int, size: int) -> tuple[str, list[tuple[str, str]]]:
        """In which order the bytes of a value stand, and what they are read as, by which names."""
        form, name = self._forms[index], f"v{index}"
        if isinstance(form, Computed):
            return ">", list(numbers_read(form, index))
        return "<", [(form.read if isinstance(form, Packed) else f"{size}s", name)]

    def _read_counted(self, column: ColumnFormat, name: str, *, with_length: bool = False) -> None:
        """A value behind its length."""
        width = length_width(column)
        at, begin = self._ahead, self._ahead + width
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
        self._ahead = 0

    def _is_null(self, index: int) -> bool:
        return bool(self._nulls >> index & 1)
