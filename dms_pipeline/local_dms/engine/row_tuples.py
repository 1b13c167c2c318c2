"""From row images in the log straight to tuples of binary COPY, by functions made for each table.

A row image is walked to find its key and its end; only the images that are left of a batch become
tuples. Numbers of the log are numbers of PostgreSQL in another byte order, and UTF-8 text goes over
as it is; what becomes of other types stands in ``type_mapping.binary_fields``.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from dms_pipeline.binlog.column_sizes import ColumnFormat
from dms_pipeline.local_dms.engine import many_rows
from dms_pipeline.local_dms.engine.copy_format import CopyRow, CopyRows
from dms_pipeline.local_dms.engine.row_image_code import (
    Layout,
    Made,
    tuple_of,
    tuple_of_any,
    walk,
    walk_any,
)
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn, TablePlan
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import BinaryForm, NoValueError

if TYPE_CHECKING:
    from dms_pipeline.local_dms.engine.image_columns import ImageColumns

_MOST_PATTERNS = 64

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
        self._layout = layout = Layout(columns, forms)
        self.bitmap_bytes = layout.bitmap_bytes
        self._made = 0
        self._images: ImageColumns | None = None
        self.walks = _ByNulls(
            lambda nulls: walk(layout, plan.key_columns, nulls),
            lambda: walk_any(layout, plan.key_columns),
        )

        def makers(wanted: Sequence[PlannedColumn], *, takes_null: bool) -> "_ByNulls[Made]":
            return _ByNulls(
                lambda nulls: tuple_of(layout, wanted, nulls, takes_null=takes_null),
                lambda: tuple_of_any(layout, wanted),
            )

        self._tuples = makers(plan.columns, takes_null=False)
        self._tuples_with_null = makers(plan.columns, takes_null=True)
        self._keys = makers(plan.key_columns, takes_null=False)
        self._keys_with_null = makers(plan.key_columns, takes_null=True)

    def is_of(self, columns: tuple[ColumnFormat, ...]) -> bool:
        return columns is self._columns or columns == self._columns

    def copy_tuples(self, data: bytes, offsets: list[int]) -> CopyRows:
        """The row images at these offsets, in any order."""
        if self._made < many_rows.OF_A_TABLE:
            self._made += len(offsets)
            return CopyRows.of(self.copy_tuple(data, offset) for offset in offsets)
        return self._arrays().tuples(data, offsets)

    def _arrays(self) -> "ImageColumns":
        if self._images is None:
            # Here, since most tables have no need of it.
            from dms_pipeline.local_dms.engine import image_columns  # noqa: PLC0415

            self._images = image_columns.ImageColumns(self._layout, self.copy_tuple)
        return self._images

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
    """The function for each bitmap of NULLs, made when it is first asked for.

    Rows of many columns may all have other ones, and making a function takes as long as using one
    for hundreds of rows: beyond some, one that can do with any of them does the rest.
    """

    def __init__(self, new: Callable[[int], Function], new_general: Callable[[], Function]) -> None:
        self._new: Callable[[int], Function] = new
        self._new_general: Callable[[], Function] = new_general
        self._general: Function | None = None

    def __missing__(self, nulls: bytes) -> Function:
        # Two threads may be here, and make the same function.
        if len(self) < _MOST_PATTERNS:
            self[nulls] = function = self._new(int.from_bytes(nulls, "little"))
            return function
        if self._general is None:
            self._general = self._new_general()
        return self._general
