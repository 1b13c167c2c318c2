"""From row images in the log straight to tuples of binary COPY, by functions made for each table.

A row image is walked to find its key and its end; only the images that are left of a batch become
tuples. Both are straight Python without a loop over the columns, written out here for the columns
of the log, the plan, and the columns that are NULL in an image:

    def walk(data, offset):                def copy_tuple(data, offset):
        v0, = unpack_0(data, offset + 1)       v0, v1, = unpack_0(data, offset + 1)
        start = offset + 14                    start = offset + 14
        offset = start + data[start - 1]       offset = start + data[start - 1]
        return pack_1(8, v0), offset + 0       v2 = data[start:offset]
                                               return pack_1(3, 8, v0, 4, v1, len(v2)) + v2

That is for a key of type BIGINT, an INT and a VARCHAR(30). Numbers of the log are numbers of
PostgreSQL in another byte order, and UTF-8 text goes over as it is; the fields of other types are
made by functions of their own (``type_mapping.binary_fields``).
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from dms_pipeline.binlog.column_sizes import ColumnFormat, fixed_size, length_width
from dms_pipeline.local_dms.engine.copy_format import CopyRow, Key
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn, TablePlan
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import BinaryForm, Packed, Verbatim

_MOST_PATTERNS = 256
_NULL_LENGTH = -1

Walk = Callable[[bytes, int], tuple[Key, int]]
ToTuple = Callable[[bytes, int], CopyRow]
Function = TypeVar("Function", Walk, ToTuple)


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
        self.plan = plan
        self.columns = columns
        self._forms = forms
        self._bitmap_bytes = (len(columns) + 7) // 8
        self._walks: dict[bytes, Walk] = {}
        self._tuples: dict[bytes, ToTuple] = {}

    def walk(self, data: bytes, offset: int) -> tuple[Key, int]:
        """The key of the row image at ``offset``, and where the image ends."""
        nulls = data[offset : offset + self._bitmap_bytes]
        walk = self._walks.get(nulls) or self._remember(self._walks, nulls, self._new_walk)
        return walk(data, offset)

    def copy_tuple(self, data: bytes, offset: int) -> CopyRow:
        """The row image at ``offset`` with its columns in the order of the plan."""
        nulls = data[offset : offset + self._bitmap_bytes]
        to_tuple = self._tuples.get(nulls) or self._remember(self._tuples, nulls, self._new_tuple)
        return to_tuple(data, offset)

    def _remember(
        self, functions: dict[bytes, Function], nulls: bytes, new: Callable[[int], Function]
    ) -> Function:
        if len(functions) >= _MOST_PATTERNS:
            functions.clear()
        # Two threads may be here, the other one with an empty dictionary.
        functions[nulls] = function = new(int.from_bytes(nulls, "little"))
        return function

    def _new_walk(self, nulls: int) -> Walk:
        function = _Function(self.columns, self._forms, nulls)
        key = function.fields(self.plan.key_columns, _Parts(function.names))
        walk: Walk = function.made(f"{key}, offset + {function.ahead}")
        return walk

    def _new_tuple(self, nulls: int) -> ToTuple:
        function = _Function(self.columns, self._forms, nulls)
        parts = _Parts(function.names)
        parts.number("h", str(len(self.plan.columns)))
        made: ToTuple = function.made(function.fields(self.plan.columns, parts))
        return made


@dataclass(slots=True)
class _Parts:
    """The expression of some fields: numbers in a row are packed together, the rest is added."""

    names: dict[str, Any]
    _done: list[str] = field(default_factory=list)
    _codes: list[str] = field(default_factory=list)
    _values: list[str] = field(default_factory=list)

    def number(self, code: str, value: str) -> None:
        self._codes.append(code)
        self._values.append(value)

    def bytes(self, expression: str) -> None:
        self._end_numbers()
        self._done.append(expression)

    def expression(self) -> str:
        self._end_numbers()
        # A sum of more than a few would copy what it has again and again.
        return " + ".join(self._done) if len(self._done) < 4 else f"join(({', '.join(self._done)}))"

    def _end_numbers(self) -> None:
        if self._codes:
            pack = f"pack_{len(self.names)}"
            self.names[pack] = struct.Struct(">" + "".join(self._codes)).pack
            self._done.append(f"{pack}({', '.join(self._values)})")
            self._codes, self._values = [], []


class _Function:
    """One function while it is written; ``ahead`` is how far behind ``offset`` the image ends."""

    def __init__(
        self, columns: Sequence[ColumnFormat], forms: dict[int, BinaryForm], nulls: int
    ) -> None:
        self._columns = columns
        self._forms = forms
        self._nulls = nulls
        self._statements: list[str] = []
        self.names: dict[str, Any] = {"join": b"".join}
        self.ahead = (len(columns) + 7) // 8

    def fields(self, wanted: Sequence[PlannedColumn], parts: _Parts) -> str:
        """Read these columns; the expression of their fields behind the parts there are."""
        self._read({column.index for column in wanted})
        for index in (column.index for column in wanted):
            form, value = self._forms[index], f"v{index}"
            if self._is_null(index):
                parts.number("i", str(_NULL_LENGTH))
            elif isinstance(form, Packed):
                parts.number("i", str(struct.calcsize(">" + form.write)))
                parts.number(form.write, value)
            elif isinstance(form, Verbatim):
                parts.number("i", f"len({value})")
                parts.bytes(value)
            else:
                self.names[f"field_{index}"] = form
                parts.bytes(f"field_{index}({value})")
        return parts.expression()

    def made(self, result: str) -> Any:
        body = [*self._statements, f"return {result}"]
        source = "def made(data, offset):\n" + "".join(f"    {line}\n" for line in body)
        # Nothing of it comes from outside but numbers.
        exec(source, self.names)
        return self.names["made"]

    def _read(self, wanted: set[int]) -> None:
        """Statements that give the wanted values their names and move ``offset`` ahead."""
        run: list[tuple[str, int, str]] = []
        for index, column in enumerate(self._columns):
            if self._is_null(index):
                continue
            size = fixed_size(column)
            if size is None:
                self._read_run(run)
                self._read_counted(column, f"v{index}" if index in wanted else "")
                run = []
            elif index in wanted:
                form = self._forms[index]
                code = form.read if isinstance(form, Packed) else f"{size}s"
                run.append((code, size, f"v{index}"))
            else:
                run.append((f"{size}x", size, ""))
        self._read_run(run)

    def _read_run(self, run: Iterable[tuple[str, int, str]]) -> None:
        """Values whose sizes are fixed, all at once."""
        codes, sizes, names = zip(*run, strict=True) if run else ((), (), ())
        if any(names):
            unpack = f"unpack_{len(self.names)}"
            self.names[unpack] = struct.Struct("<" + "".join(codes)).unpack_from
            listed = "".join(f"{name}, " for name in names if name)
            self._statements.append(f"{listed}= {unpack}(data, offset + {self.ahead})")
        self.ahead += sum(sizes)

    def _read_counted(self, column: ColumnFormat, name: str) -> None:
        """A value behind its length."""
        width = length_width(column)
        self._statements.append(f"start = offset + {self.ahead + width}")
        length = f"int.from_bytes(data[start - {width}:start], 'little')"
        self._statements.append(f"offset = start + {'data[start - 1]' if width == 1 else length}")
        if name:
            self._statements.append(f"{name} = data[start:offset]")
        self.ahead = 0

    def _is_null(self, index: int) -> bool:
        return bool(self._nulls >> index & 1)
