"""From rows of MySQL's binary protocol straight to tuples of binary COPY.

By functions that are made for the columns of a query (``protocol_row_code``). Numbers are numbers
of PostgreSQL in another byte order, and UTF-8 text goes over as it is; what becomes of other types
stands in ``type_mapping.sent_fields``.
"""

import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from dms_pipeline.binlog.packets import CONTINUED, PREFIX_SIZE
from dms_pipeline.local_dms.engine import many_rows
from dms_pipeline.local_dms.engine.copy_format import CopyRow, CopyRows
from dms_pipeline.local_dms.engine.protocol_row_code import (
    Others,
    SentRows,
    ToTuple,
    tuple_of,
    tuple_of_any,
)
from dms_pipeline.local_dms.engine.table_plan import TablePlan
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import UnfitValueError
from dms_pipeline.local_dms.engine.type_mapping.sent_fields import SentColumn, SentForm

if TYPE_CHECKING:
    from dms_pipeline.local_dms.engine.protocol_columns import ProtocolColumns

_MOST_PATTERNS = 64


class ProtocolTuples:
    """The rows of one table, whose columns are sent like this.

    There is a function for each bitmap of NULLs with the lengths of the times that are not.
    Making one takes as long as using it for hundreds of rows: beyond some, one that can do with any
    row does the rest. Where rows are many, arrays do what they can (``protocol_columns``).
    """

    @classmethod
    def of(cls, plan: TablePlan, columns: Sequence[SentColumn]) -> Self | None:
        """None where a row needs more than its own values, or one has no binary form."""
        if plan.added or len(columns) != len(plan.columns):
            return None
        forms: list[SentForm] = []
        for planned, sent in zip(plan.columns, columns, strict=True):
            form = planned.mapping.sent(sent)
            if form is None:
                return None
            forms.append(form)
        return cls(SentRows(columns, forms))

    def __init__(self, rows: SentRows) -> None:
        self._rows = rows
        # The length of a packet and its number, a status, and the bitmap.
        begin = struct.Struct(f"<IB{rows.head - 1}s")
        self._begin, self._begin_size = begin.unpack_from, begin.size
        self._made_of_any: ToTuple | None = None
        self._others = Others(self._of_other_lengths, self._of_any)
        self._known: dict[tuple[bytes, bytes], ToTuple] = {}
        # By bitmaps alone: for the lengths that came last.
        self._usual = _Usual(self._of_other_lengths)
        self._taken = 0
        self._columns: ProtocolColumns | None = None

    def tuples(self, rows: list[bytes]) -> list[CopyRow]:
        """Raises UnfitValueError for a value that the target's type cannot hold."""
        usual, head = self._usual, self._rows.head
        try:
            return [usual[row[1:head]](row) for row in rows]
        except (ValueError, struct.error) as error:
            if isinstance(error, UnfitValueError):
                raise
            raise UnfitValueError(f"a value has not the form of its type: {error}") from error

    def take(self, made: CopyRows, packets: bytes) -> int:
        """Make tuples of the rows that a stream of packets begins with; the offset behind them.

        The same as to cut it first, and quicker. It stops in front of what is no row, or is not
        whole, or has a value that does not fit; where rows are many, in front of all that have come
        with that one. They need not keep their order.
        """
        if len(packets) > CONTINUED:
            # One may be a part of a row. Rows that long are few.
            return 0
        if self._taken < many_rows.OF_A_TABLE:
            return self._take_each(made, packets)
        try:
            rows, end = self._arrays().taken(packets)
        except (ValueError, struct.error):
            # It is said of the row, when that is cut.
            return 0
        made.pieces += rows.pieces
        made.count += rows.count
        return end

    def _arrays(self) -> "ProtocolColumns":
        if self._columns is None:
            # Here, since most tables have no need of it.
            from dms_pipeline.local_dms.engine import protocol_columns  # noqa: PLC0415

            self._columns = protocol_columns.ProtocolColumns(self._rows, self.tuples)
        return self._columns

    def _take_each(self, made: CopyRows, packets: bytes) -> int:
        offset, size = 0, len(packets)
        usual, begin, last = self._usual, self._begin, size - self._begin_size
        rows: list[CopyRow] = []
        with suppress(ValueError, struct.error):
            while offset <= last:
                length, status, nulls = begin(packets, offset)
                start = offset + PREFIX_SIZE
                end = start + (length & CONTINUED)
                if status or end > size:
                    break
                rows.append(usual[nulls](packets[start:end]))
                offset = end
        made.add(rows, len(rows))
        self._taken += len(rows)
        return offset

    def _of_any(self, row: bytes) -> CopyRow:
        """Of a row for which no other function is. Most tables have none."""
        if self._made_of_any is None:
            self._made_of_any = tuple_of_any(self._rows)
        return self._made_of_any(row)

    def _of_other_lengths(self, row: bytes) -> CopyRow:
        """Of a row for which the usual function is not, if there is one."""
        nulls, lengths = row[1 : self._rows.head], self._rows.lengths(row)
        function = self._known.get((nulls, lengths))
        if function is None:
            if len(self._known) >= _MOST_PATTERNS:
                return self._of_any(row)
            function = tuple_of(self._rows, nulls, lengths, self._others)
            self._known[nulls, lengths] = function
        self._usual[nulls] = function
        return function(row)


class _Usual(dict[bytes, ToTuple]):
    """The function for each bitmap, and one for bitmaps that have none yet."""

    def __init__(self, for_others: ToTuple) -> None:
        self._for_others = for_others

    def __missing__(self, nulls: bytes) -> ToTuple:
        return self._for_others
