"""From rows of MySQL's binary protocol straight to tuples of binary COPY.

By functions that are made for the columns of a query (``protocol_row_code``). Numbers are numbers
of PostgreSQL in another byte order, and UTF-8 text goes over as it is; what becomes of other types
stands in ``type_mapping.sent_fields``.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Self

from dms_pipeline.binlog.packets import CONTINUED
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

_PREFIX_SIZE = 4
_MOST_PATTERNS = 64
# So many rows of a table pay for what it takes to load arrays.
_MANY_ROWS = 20_000


class ProtocolTuples:
    """The rows of one table, whose columns are sent like this.

    There is a function for each bitmap of NULLs with the lengths of the times that are not.
    Making one takes as long as using it for hundreds of rows: beyond some, one that can do with any
    row does the rest. Where rows are many, arrays do what they can (``protocol_columns``).
    """

    @classmethod
    def of(
        cls, plan: TablePlan, columns: Sequence[SentColumn], *, many_rows: int = _MANY_ROWS
    ) -> Self | None:
        """None where a row needs more than its own values, or one has no binary form.

        Args:
            plan: of the table.
            columns: as the server describes them.
            many_rows: behind so many, arrays are used.
        """
        if plan.added or len(columns) != len(plan.columns):
            return None
        forms: list[SentForm] = []
        for planned, sent in zip(plan.columns, columns, strict=True):
            form = planned.mapping.sent(sent)
            if form is None:
                return None
            forms.append(form)
        return cls(SentRows(columns, forms), many_rows)

    def __init__(self, rows: SentRows, many_rows: int) -> None:
        self._rows = rows
        # The length of a packet and its number, a status, and the bitmap.
        begin = struct.Struct(f"<IB{rows.head - 1}s")
        self._begin, self._begin_size = begin.unpack_from, begin.size
        self._made_of_any: ToTuple | None = None
        self._others = Others(self._of_other_lengths, self._of_any)
        self._known: dict[tuple[bytes, bytes], ToTuple] = {}
        # By bitmaps alone: for the lengths that came last.
        self._usual = _Usual(self._of_other_lengths)
        self._few_left = many_rows
        self._take: Callable[[CopyRows, bytes], int] = self._take_few

    def tuples(self, rows: list[bytes]) -> list[CopyRow]:
        """Raises UnfitValueError for a value that the target's type cannot hold."""
        usual, head = self._usual, self._rows.head
        with _unfit_told():
            return [usual[row[1:head]](row) for row in rows]

    def take(self, made: CopyRows, packets: bytes) -> int:
        """Make tuples of the rows that a stream of packets begins with; the offset behind them.

        The same as to cut it first, and quicker. It stops in front of what is no row, or is not
        whole, or has a value that does not fit. Rows need not keep their order.

        Raises:
            UnfitValueError: a value does not fit.
        """
        if len(packets) > CONTINUED:
            # One may be a part of a row. Rows that long are few.
            return 0
        with _unfit_told():
            return self._take(made, packets)

    def _take_few(self, made: CopyRows, packets: bytes) -> int:
        before = made.count
        end = self._take_each(made, packets)
        self._few_left -= made.count - before
        if self._few_left < 0:
            self._take = self._of_many()
        return end

    def _of_many(self) -> Callable[[CopyRows, bytes], int]:
        # Here, since most tables have no need of arrays.
        from dms_pipeline.local_dms.engine.protocol_columns import ProtocolColumns  # noqa: PLC0415

        return ProtocolColumns(self._rows, self.tuples).take

    def _take_each(self, made: CopyRows, packets: bytes) -> int:
        offset, size = 0, len(packets)
        usual, begin, last = self._usual, self._begin, size - self._begin_size
        rows: list[CopyRow] = []
        with suppress(ValueError, struct.error):
            while offset <= last:
                length, status, nulls = begin(packets, offset)
                start = offset + _PREFIX_SIZE
                end = start + (length & CONTINUED)
                if status or end > size:
                    break
                rows.append(usual[nulls](packets[start:end]))
                offset = end
        made.add(rows, len(rows))
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


@contextmanager
def _unfit_told() -> Iterator[None]:
    try:
        yield
    except (ValueError, struct.error) as error:
        if isinstance(error, UnfitValueError):
            raise
        raise UnfitValueError(f"a value has not the form of its type: {error}") from error
