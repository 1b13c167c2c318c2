"""Many row images of the log at once, column by column, as tuples of binary COPY.

Images are laid out alike (``alike_rows``) that have the same columns NULL.
"""

import struct
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

import numpy as np

from dms_pipeline.binlog.column_sizes import fixed_size, length_width
from dms_pipeline.local_dms.engine import many_rows
from dms_pipeline.local_dms.engine.alike_rows import (
    AlikeRows,
    Places,
    RowLayout,
    by_content,
)
from dms_pipeline.local_dms.engine.copy_format import CopyRow, CopyRows
from dms_pipeline.local_dms.engine.row_image_code import Layout
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import (
    Computed,
    NoValueError,
    Packed,
)

_MOST_REMEMBERED = 64
# More are hardly quicker, and take more memory.
_ROWS_AT_ONCE = 4_000


class ImageColumns:
    """The row images of one table. ``each`` makes the tuple of one that is not like others."""

    def __init__(self, layout: Layout, each: Callable[[bytes, int], CopyRow]) -> None:
        self._layout = layout
        self._each = each
        # As they lie in an image; plans keep that order.
        assert list(layout.forms) == sorted(layout.forms)
        self._rows = lru_cache(_MOST_REMEMBERED)(self._new_rows)

    def tuples(self, data: bytes, places: list[int]) -> CopyRows:
        """Of the images that begin there, in any order."""
        made = CopyRows()
        for start in range(0, len(places), _ROWS_AT_ONCE):
            begins = np.array(places[start : start + _ROWS_AT_ONCE])
            for nulls, alike in by_content(data, begins, self._layout.bitmap_bytes):
                self._add(made, data, begins[alike], nulls)
        return made

    def _add(self, made: CopyRows, data: bytes, begins: Places, nulls: bytes) -> None:
        if len(begins) >= many_rows.LAID_OUT_ALIKE:
            with suppress(NoValueError):
                values = begins + self._layout.bitmap_bytes
                made.add(self._rows(nulls).tuples(data, values), len(begins))
                return
        made.add((self._each(data, begin) for begin in begins.tolist()), len(begins))

    def _new_rows(self, bitmap: bytes) -> AlikeRows:
        nulls = int.from_bytes(bitmap, "little")
        layout = RowLayout()
        layout.constant(struct.pack(">h", len(self._layout.forms)))
        for index, column in enumerate(self._layout.columns):
            form, size = self._layout.forms.get(index), fixed_size(column)
            if nulls >> index & 1:
                if form is not None:
                    layout.null()
            elif size is None:
                layout.text(form, length_width(column))
            elif form is None:
                layout.skip(size)
            elif isinstance(form, Packed):
                layout.number(form, "<", form.read)
            elif isinstance(form, Computed):
                layout.number(form, ">", form.read)
            else:
                layout.each(form, f"V{size}")
        return layout.finished()
