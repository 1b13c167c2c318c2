"""Many rows of MySQL's binary protocol at once, column by column, as tuples of binary COPY.

Rows that have the same columns NULL, and times of the same lengths, have their numbers at the same
places between their texts. Those become arrays (``record_arrays``); what Python itself does for
each row is to cut its texts.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from dms_pipeline.local_dms.engine.copy_format import CopyRow, CopyRows
from dms_pipeline.local_dms.engine.protocol_row_code import SentRows
from dms_pipeline.local_dms.engine.record_arrays import (
    Chosen,
    Places,
    RecordLayout,
    Records,
    UnevenRowsError,
    is_of_arrays,
)
from dms_pipeline.local_dms.engine.tuple_code import field_of
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import (
    Computed,
    FieldOf,
    NoValueError,
    Packed,
    Verbatim,
)
from dms_pipeline.local_dms.engine.type_mapping.sent_fields import Shortened

_PREFIX_SIZE = 4
_UNUSED_BITS = 2
# Fewer rows of one layout are done sooner one by one.
_FEW_ROWS = 200
_MOST_LAYOUTS = 4
_MOST_REMEMBERED = 64
_LONGEST_IN_A_BYTE = 250


@dataclass(frozen=True, slots=True)
class _Part:
    """Columns that are computed as arrays, and one that is not.

    Attributes:
        records: of the former.
        of_number: what makes a field of the number that a record ends with, if that is to be.
        of_text: what makes one of the text behind a record, if that ends with its length.
    """

    records: Records
    of_number: FieldOf | None = None
    of_text: FieldOf | Verbatim | None = None


@dataclass(frozen=True, slots=True)
class _Layout:
    """Rows with the same columns NULL and times of the same lengths.

    Attributes:
        parts: of which they consist.
        on_zero: called of each row for its times that are zero altogether and become NULL.
    """

    parts: tuple[_Part, ...]
    on_zero: tuple[Callable[[], None], ...]


class ProtocolColumns:
    """The rows of one query. ``each`` makes tuples of those that are not like others."""

    def __init__(self, rows: SentRows, each: Callable[[list[bytes]], list[CopyRow]]) -> None:
        self._rows = rows
        self._each = each
        self._layouts: dict[tuple[bytes, bytes], _Layout] = {}

    def take(self, made: CopyRows, packets: bytes) -> int:
        """Make tuples of the rows that a stream of packets begins with; the offset behind them.

        They do not keep their order. It stops in front of what is no row, or is not whole.

        Raises:
            UnfitValueError: a value does not fit.
        """
        places, end = _rows_in(packets)
        if places:
            begins = np.array(places)
            ends = np.append(begins[1:] - _PREFIX_SIZE, end)
            for nulls, chosen in self._by_nulls(packets, begins):
                self._take_with_nulls(made, packets, begins[chosen], ends[chosen], nulls)
        return end

    def _by_nulls(self, packets: bytes, begins: Places) -> Iterator[tuple[bytes, Any]]:
        """Which of the rows have the same bitmap."""
        size = self._rows.head - 1
        anywhere = np.ndarray((len(packets) - size + 1,), f"V{size}", packets, strides=(1,))
        bitmaps: list[bytes] = anywhere[begins + 1].tolist()
        if bitmaps.count(bitmaps[0]) == len(bitmaps):
            yield bitmaps[0], slice(None)
            return
        groups: dict[bytes, list[int]] = {}
        for number, nulls in enumerate(bitmaps):
            groups.setdefault(nulls, []).append(number)
        yield from groups.items()

    def _take_with_nulls(
        self, made: CopyRows, packets: bytes, begins: Places, ends: Places, nulls: bytes
    ) -> None:
        """At once those that are laid out like the first one, then the next one, a few times."""
        with suppress(NoValueError):
            for _ in range(_MOST_LAYOUTS):
                if len(begins) < _FEW_ROWS:
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
        while pieces is None and len(alike) >= _FEW_ROWS:
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
        fields: list[Iterable[bytes]] = []
        places = begins + self._rows.head
        for part in layout.parts:
            gathered = part.records.gathered(packets, places, ends)
            fields.append(part.records.made(gathered))
            places = places + part.records.size
            # Texts and the like are made when it is known that no function is to make the tuples.
            if part.of_number:
                fields.append(map(part.of_number, part.records.last(gathered).tolist()))
            if part.of_text:
                starts, places = places, places + part.records.last(gathered)
                fields.append(_texts(packets, starts, places, part.of_text))
        for note in layout.on_zero:
            for _ in begins:
                note()
        return chain.from_iterable(zip(*fields, strict=True))

    def _layout(self, nulls: bytes, lengths: bytes) -> _Layout:
        layout = self._layouts.get((nulls, lengths))
        if layout is None:
            if len(self._layouts) >= _MOST_REMEMBERED:
                self._layouts.clear()
            layout = self._layouts[nulls, lengths] = self._made_layout(nulls, lengths)
        return layout

    def _made_layout(self, nulls: bytes, lengths: bytes) -> _Layout:
        is_null = int.from_bytes(nulls, "little") >> _UNUSED_BITS
        of_times = iter(lengths)
        parts, on_zero = list[_Part](), list[Callable[[], None]]()
        part = RecordLayout()
        part.constant(struct.pack(">h", len(self._rows.columns)))
        for index, (column, form) in enumerate(
            zip(self._rows.columns, self._rows.forms, strict=True)
        ):
            if is_null >> index & 1:
                part.null()
            elif isinstance(form, Shortened):
                length = next(of_times)
                part.expect(length)
                if length:
                    part.field(form.by_length[length], form.by_length[length].read)
                else:
                    part.null()
                    on_zero.append(form.on_null)
            elif (code := column.number) is None:
                of_text = form if isinstance(form, Verbatim) else field_of(form)
                if isinstance(form, Verbatim):
                    # In front of the byte of its length, which is the last of four on the target.
                    part.constant(bytes(3))
                records = part.finished("B", most=_LONGEST_IN_A_BYTE)
                parts.append(_Part(records, of_text=of_text))
                part = RecordLayout()
            elif isinstance(form, Packed | Computed) and is_of_arrays(form, code):
                part.field(form, code)
            else:
                parts.append(_Part(part.finished(code), of_number=field_of(form)))
                part = RecordLayout()
        parts.append(_Part(part.finished()))
        return _Layout(tuple(parts), tuple(on_zero))


def _texts(
    packets: bytes, starts: Places, ends: Places, form: FieldOf | Verbatim
) -> Iterator[bytes]:
    if isinstance(form, Verbatim):
        for start, end in zip((starts - 1).tolist(), ends.tolist(), strict=True):
            yield packets[start:end]
    else:
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            yield form(packets[start:end])


def _rows_in(packets: bytes) -> tuple[list[int], int]:
    """Where each row of a stream of packets begins, and where the last whole one ends."""
    places: list[int] = []
    offset, last = 0, len(packets) - _PREFIX_SIZE - 1
    while offset <= last:
        start = offset + _PREFIX_SIZE
        end = start + (packets[offset] | packets[offset + 1] << 8 | packets[offset + 2] << 16)
        if packets[start] or end > len(packets):
            break
        places.append(start)
        offset = end
    return places, offset
