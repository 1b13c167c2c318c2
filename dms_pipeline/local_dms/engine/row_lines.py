r"""From row images in the log straight to lines of COPY text, by functions made for each table.

A row image is walked to find its key and its end; only the images that are left of a batch become
lines. Both are straight Python without a loop over the columns, written out here for the columns of
the log, the plan, and the columns that are NULL in an image:

    def walk(data, offset):                    def line(data, offset):
        v0, = unpack_0(data, offset + 1)           v0, v1, = unpack_0(data, offset + 1)
        start = offset + 14                        start = offset + 14
        offset = start + data[start - 1]           offset = start + data[start - 1]
        return b"%d" % (v0, ), offset + 0          v2 = data[start:offset]
                                                   return b"%d\t%d\t%b\n" % (v0, v1, text2(v2), )

That is for a key of type INT, a BIGINT and a VARCHAR(30). ``text2`` may also give None for NULL.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from dms_pipeline.binlog.column_sizes import ColumnFormat, fixed_size, length_width
from dms_pipeline.binlog.row_decoder import stored_value
from dms_pipeline.local_dms.engine.change_batch import Key, Line
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn, TablePlan

_NUMBER_CODES = {1: "b", 2: "h", 3: "i", 4: "f", 5: "d", 8: "q"}
"""By type in the log, what ``struct`` calls it; no more than these are read as numbers."""
_MOST_PATTERNS = 256

Walk = Callable[[bytes, int], tuple[Key, int]]
ToLine = Callable[[bytes, int], Line]
Function = TypeVar("Function", Walk, ToLine)


def can_be_lines(plan: TablePlan) -> bool:
    """Whether nothing of a row needs the others of its values."""
    return bool(plan.key) and plan.row_filter is None and not plan.added


class RowLines:
    """The rows of one table as the log has them in these columns."""

    def __init__(self, plan: TablePlan, columns: tuple[ColumnFormat, ...]) -> None:
        self.plan = plan
        self.columns = columns
        self._bitmap_bytes = (len(columns) + 7) // 8
        self._walks: dict[bytes, Walk] = {}
        self._lines: dict[bytes, ToLine] = {}

    def walk(self, data: bytes, offset: int) -> tuple[Key, int]:
        """The key of the row image at ``offset``, and where the image ends.

        Raises:
            UnfitValueError: the target cannot hold a value of the key.
        """
        nulls = data[offset : offset + self._bitmap_bytes]
        walk = self._walks.get(nulls) or self._remember(self._walks, nulls, self._new_walk)
        return walk(data, offset)

    def line(self, data: bytes, offset: int) -> Line:
        """The row image at ``offset`` with its columns in the order of the plan.

        Raises:
            UnfitValueError: the target cannot hold a value of it.
        """
        nulls = data[offset : offset + self._bitmap_bytes]
        line = self._lines.get(nulls) or self._remember(self._lines, nulls, self._new_line)
        return line(data, offset)

    def _remember(
        self, functions: dict[bytes, Function], nulls: bytes, new: Callable[[int], Function]
    ) -> Function:
        if len(functions) >= _MOST_PATTERNS:
            functions.clear()
        # Two threads may be here, the other one with an empty dictionary.
        functions[nulls] = function = new(int.from_bytes(nulls, "little"))
        return function

    def _new_walk(self, nulls: int) -> Walk:
        function = _Function(self.columns, nulls)
        key = function.fields(self.plan.key_columns)
        walk: Walk = function.made(f"{key}, offset + {function.ahead}")
        return walk

    def _new_line(self, nulls: int) -> ToLine:
        function = _Function(self.columns, nulls)
        line: ToLine = function.made(function.fields(self.plan.columns, end=b"\n"))
        return line


class _Function:
    """One function while it is written; ``ahead`` is how far behind ``offset`` the image ends."""

    def __init__(self, columns: Sequence[ColumnFormat], nulls: int) -> None:
        self._columns = columns
        self._nulls = nulls
        self._names: dict[str, Any] = {}
        self._statements: list[str] = []
        self.ahead = (len(columns) + 7) // 8

    def fields(self, wanted: Sequence[PlannedColumn], end: bytes = b"") -> str:
        """Read these columns; the expression of their fields with tabs between and ``end``."""
        self._read({column.index: column for column in wanted})
        texts: list[bytes] = []
        values: list[str] = []
        for column in wanted:
            index = column.index
            if self._is_null(index):
                texts.append(rb"\N")
            elif _is_digits(column, self._columns[index]):
                texts.append(b"%d")
                values.append(f"v{index}")
            else:
                texts.append(b"%b")
                self._names[f"text{index}"] = _text_of(column, self._columns[index])
                values.append(rf"(rb'\N' if (t := text{index}(v{index})) is None else t)")
        template = b"\t".join(texts) + end
        return f"{template!r} % ({''.join(f'{value}, ' for value in values)})"

    def made(self, result: str) -> Any:
        body = [*self._statements, f"return {result}"]
        source = "def made(data, offset):\n" + "".join(f"    {line}\n" for line in body)
        # Nothing of it comes from outside but numbers.
        exec(source, self._names)
        return self._names["made"]

    def _read(self, wanted: dict[int, PlannedColumn]) -> None:
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
                run.append((_struct_code(wanted[index], column, size), size, f"v{index}"))
            else:
                run.append((f"{size}x", size, ""))
        self._read_run(run)

    def _read_run(self, run: Iterable[tuple[str, int, str]]) -> None:
        """Values whose sizes are fixed, all at once."""
        codes, sizes, names = zip(*run, strict=True) if run else ((), (), ())
        if any(names):
            unpack = f"unpack_{len(self._names)}"
            self._names[unpack] = struct.Struct("<" + "".join(codes)).unpack_from
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


def _is_digits(column: PlannedColumn, stored: ColumnFormat) -> bool:
    return bool(column.mapping.digits) and stored.type_code in _NUMBER_CODES


def _struct_code(column: PlannedColumn, stored: ColumnFormat, size: int) -> str:
    """How ``struct`` reads the value: as a number where that is what its text is made of."""
    code = _NUMBER_CODES.get(stored.type_code, f"{size}s")
    return code.upper() if _is_digits(column, stored) and _is_unsigned(column) else code


def _is_unsigned(column: PlannedColumn) -> bool:
    return column.mapping.digits == "unsigned"


def _text_of(column: PlannedColumn, stored: ColumnFormat) -> Callable[[Any], bytes | None]:
    """What makes the field of what was read, None for NULL."""
    mapping = column.mapping
    if stored.type_code in _NUMBER_CODES:
        return mapping.from_binlog
    if mapping.from_log is not None and mapping.from_log[0] == stored:
        return mapping.from_log[1]
    value_of = stored_value(stored)
    if value_of is None:
        return mapping.from_binlog
    return lambda raw: mapping.from_binlog(value_of(raw))
