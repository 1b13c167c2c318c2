"""Many rows of MySQL's binary protocol at once, column by column, as tuples of binary COPY.

Rows are laid out alike (``alike_rows``) that have the same columns NULL, and times of the same
lengths.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dms_pipeline.binlog.packets import PREFIX_SIZE
from dms_pipeline.local_dms.engine import many_rows
from dms_pipeline.local_dms.engine.alike_rows import (
    AlikeRows,
    Chosen,
    Places,
    RowLayout,
    UnevenRowsError,
    by_content,
)
from dms_pipeline.local_dms.engine.copy_format import CopyRow, CopyRows
from dms_pipeline.local_dms.engine.protocol_row_code import (
    LONGEST_IN_A_BYTE,
    UNUSED_BITS,
    SentRows,
)
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import NoValueError
from dms_pipeline.local_dms.engine.type_mapping.sent_fields import Shortened

_MOST_LAYOUTS = 4
_MOST_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class _Layout:
    """Rows with the same columns NULL and times of the same lengths.

    Attributes:
        rows: of them.
        on_zero: called of each row for its times that are zero altogether and become NULL.
    """

    rows: AlikeRows
    on_zero: tuple[Callable[[], None], ...]


class ProtocolColumns:
    """The rows of one query. ``each`` makes tuples of those that are not like others."""

    def __init__(self, rows: SentRows, each: Callable[[list[bytes]], list[CopyRow]]) -> None:
        self._rows = rows
        self._each = each
        self._layout = lru_cache(_MOST_REMEMBERED)(self._new_layout)

    def taken(self, packets: bytes) -> tuple[CopyRows, int]:
        """Tuples of the rows that a stream of packets begins with, and the offset behind them.

        They do not keep their order. It ends in front of what is no row, or is not whole.

        Raises:
            ValueError: a value does not fit; so does a ``struct.error``.
        """
        places, end = _rows_in(packets)
        made = CopyRows()
        if places:
            begins = np.array(places)
            ends = np.append(begins[1:] - PREFIX_SIZE, end)
            for nulls, chosen in by_content(packets, begins + 1, self._rows.head - 1):
                self._take_with_nulls(made, packets, begins[chosen], ends[chosen], nulls)
        return made, end

    def _take_with_nulls(
        self, made: CopyRows, packets: bytes, begins: Places, ends: Places, nulls: bytes
    ) -> None:
        """At once those that are laid out like the first one, then the next one, a few times."""
        with suppress(NoValueError):
            for _ in range(_MOST_LAYOUTS):
                if len(begins) < many_rows.LAID_OUT_ALIKE:
                    break
                left = self._take_alike(made, packets, begins, ends, nulls)
                if left.all():
                    break
                begins, ends = begins[left], ends[left]
        self._take_each(made, packets, begins, ends)

    def _take_alike(
        self, made: CopyRows, packets: bytes, begins: Places, ends: Places, nulls: bytes
    ) -> Chosen:
        """Those that are laid out like the first one; tells which ones are left."""
        lengths = self._rows.lengths(packets[begins[0] : ends[0]])
        alike, pieces = np.arange(len(begins)), None
        while pieces is None and len(alike) >= many_rows.LAID_OUT_ALIKE:
            try:
                pieces = self._pieces(packets, begins[alike], ends[alike], nulls, lengths)
            except UnevenRowsError as error:
                alike = alike[error.fitting]
        if pieces is None:
            self._take_each(made, packets, begins[alike], ends[alike])
        else:
            made.add(pieces, len(alike))
        left = np.ones(len(begins), np.bool_)
        left[alike] = False
        return left

    def _take_each(self, made: CopyRows, packets: bytes, begins: Places, ends: Places) -> None:
        spans = zip(begins.tolist(), ends.tolist(), strict=True)
        rows = self._each([packets[begin:end] for begin, end in spans])
        made.add(rows, len(rows))

    def _pieces(
        self, packets: bytes, begins: Places, ends: Places, nulls: bytes, lengths: bytes
    ) -> Iterator[bytes]:
        """The tuples of rows of this layout, each in as many pieces as it takes.

        Raises:
            UnevenRowsError: some are of another layout.
            NoValueError: a value of one has no field.
        """
        layout = self._layout(nulls, lengths)
        pieces = layout.rows.tuples(packets, begins + self._rows.head, ends)
        for note in layout.on_zero:
            for _ in begins:
                note()
        return pieces

    def _new_layout(self, nulls: bytes, lengths: bytes) -> _Layout:
        is_null = int.from_bytes(nulls, "little") >> UNUSED_BITS
        of_times = iter(lengths)
        layout, on_zero = RowLayout(), list[Callable[[], None]]()
        layout.constant(struct.pack(">h", len(self._rows.columns)))
        for index, (column, form) in enumerate(
            zip(self._rows.columns, self._rows.forms, strict=True)
        ):
            if is_null >> index & 1:
                layout.null()
            elif isinstance(form, Shortened):
                length = next(of_times)
                layout.expect(length)
                if length:
                    layout.number(form.by_length[length], "<", form.by_length[length].read)
                else:
                    layout.null()
                    on_zero.append(form.on_null)
            elif (code := column.number) is not None:
                layout.number(form, "<", code)
            else:
                layout.text(form, 1, longest=LONGEST_IN_A_BYTE)
        return _Layout(layout.finished(), tuple(on_zero))


def _rows_in(packets: bytes) -> tuple[list[int], int]:
    """Where each row of a stream of packets begins, and where the last whole one ends."""
    places: list[int] = []
    offset, last = 0, len(packets) - PREFIX_SIZE - 1
    while offset <= last:
        start = offset + PREFIX_SIZE
        end = start + (packets[offset] | packets[offset + 1] << 8 | packets[offset + 2] << 16)
        if packets[start] or end > len(packets):
            break
        places.append(start)
        offset = end
    return places, offset
