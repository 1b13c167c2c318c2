"""Net changes of the entries of a log: by functions over row images where the table allows it."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from dms_pipeline.binlog.column_sizes import ColumnFormat
from dms_pipeline.binlog.events import RowKind, RowsEvent
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.binlog.table_map import TableMap
from dms_pipeline.local_dms.engine.change_batch import (
    BagChanges,
    Counts,
    NetChanges,
    TableChanges,
)
from dms_pipeline.local_dms.engine.copy_format import CopyFormat, CopyRow, CopyRows, copy_line
from dms_pipeline.local_dms.engine.row_pairs import row_pairs
from dms_pipeline.local_dms.engine.row_tuples import RowTuples
from dms_pipeline.local_dms.engine.table_plan import TablePlan

PlanOf = Callable[[TableId], TablePlan | None]
TableNet = tuple[TablePlan, NetChanges | BagChanges]
_TABLE_MAP: Callable[[RowsEvent], TableMap] = attrgetter("table_map")


@dataclass(frozen=True, slots=True)
class Netted:
    """What is left of the changes of a log's entries, and how many changes those are."""

    tables: list[TableNet]
    counts: Counts


class Netting:
    """Makes net changes of a log's entries; keeps what it has learned of the tables.

    Args:
        needs_text: whether a target table has other types than the plan, and takes only text.
    """

    def __init__(self, needs_text: Callable[[TablePlan], bool]) -> None:
        self._needs_text = needs_text
        self._tuples: dict[TableId, tuple[TablePlan, RowTuples | None]] = {}

    def net(self, log: Iterable[RowsEvent], plan_of: PlanOf) -> Netted:
        """Net changes per table, ready to be written; tables without a plan are only counted."""
        mergers: dict[TableId, _Merger] = {}
        # Changes of one table mostly come many in a row.
        for table_map, events in groupby(log, _TABLE_MAP):
            table = table_map.table
            if table not in mergers:
                mergers[table] = self._merger(plan_of(table), table_map)
            mergers[table].merge(table_map, events)
        counts = {
            (table, kind): count
            for table, merger in mergers.items()
            for kind, count in merger.counts.items()
        }
        tables = [net for merger in mergers.values() if (net := merger.net()) is not None]
        return Netted(tables, Counter(counts))

    def _merger(self, plan: TablePlan | None, table_map: TableMap) -> "_Merger":
        if plan is None:
            return _Passed()
        if not plan.key:
            return _Bag(plan)
        tuples = None if self._needs_text(plan) else self._tuples_of(plan, table_map.columns)
        return _Rows(plan) if tuples is None else _Images(plan, tuples)

    def _tuples_of(self, plan: TablePlan, columns: tuple[ColumnFormat, ...]) -> RowTuples | None:
        known, tuples = self._tuples.get(plan.table_id, (None, None))
        if known is not plan or (tuples is not None and not tuples.is_of(columns)):
            tuples = RowTuples.of(plan, columns)
            self._tuples[plan.table_id] = (plan, tuples)
        return tuples


class _Merger(ABC):
    """What becomes of the changes of one table, which ``counts`` counts by their kind."""

    def __init__(self) -> None:
        self.counts: Counter[RowKind] = Counter()

    @abstractmethod
    def merge(self, table_map: TableMap, events: Iterable[RowsEvent]) -> None:
        """The changes of events, all laid out by this map, come behind those before."""

    @abstractmethod
    def net(self) -> TableNet | None:
        """What is left of them."""


class _Passed(_Merger):
    """Of a table that is not replicated."""

    def merge(self, table_map: TableMap, events: Iterable[RowsEvent]) -> None:
        for event in events:
            self.counts[event.kind] += event.change_count

    def net(self) -> None:
        return None


class _Images(_Merger):
    """Of a table whose row images become tuples of binary COPY."""

    def __init__(self, plan: TablePlan, tuples: RowTuples) -> None:
        super().__init__()
        self._plan = plan
        self._tuples = tuples
        self._changes = TableChanges()
        # Events, and how many bytes they have: a place counts from the first byte of the first one.
        self._events: list[bytes] = []
        self._size = 0

    def merge(self, table_map: TableMap, events: Iterable[RowsEvent]) -> None:
        if not self._tuples.is_of(table_map.columns):
            raise ValueError("rows of one batch are laid out in more than one way")
        walks, width = self._tuples.walks, self._tuples.bitmap_bytes
        came, went, counts = self._changes.came, self._changes.went, self.counts
        for event in events:
            _, kind, data, offset, stop, _, _ = event
            base, count = self._place(data), 0
            while offset < stop:
                count += 1
                start = offset
                key, offset = walks[data[start : start + width]](data, start)
                if kind == "insert":
                    came(kind, key, base + start)
                elif kind == "delete":
                    went(kind, key, base + start)
                else:
                    before, old_key, start = start, key, offset
                    key, offset = walks[data[start : start + width]](data, start)
                    if key == old_key:
                        came(kind, key, base + start)
                    else:
                        went(kind, old_key, base + before)
                        came("insert", key, base + start)
            if offset != stop:
                event.rows.check_end(offset)
            counts[kind] += count

    def _place(self, data: bytes) -> int:
        """Where these bytes begin among those of all events."""
        # Events of a compressed transaction lie in the same bytes.
        if not self._events or self._events[-1] is not data:
            self._events.append(data)
            self._size += len(data)
        return self._size - len(data)

    def net(self) -> TableNet:
        return self._plan, self._changes.net(_Tuples(self._tuples, b"".join(self._events)))


@dataclass(frozen=True, slots=True)
class _Tuples:
    """Of row images in these bytes."""

    tuples: RowTuples
    data: bytes
    format: CopyFormat = CopyFormat.BINARY

    def rows(self, places: list[int]) -> CopyRows:
        return self.tuples.copy_tuples(self.data, places)

    def keys(self, places: list[int]) -> list[CopyRow]:
        return [self.tuples.copy_key(self.data, place) for place in places]


class _Rows(_Merger):
    """Of a table whose rows are decoded, and become lines; so do their keys."""

    def __init__(self, plan: TablePlan) -> None:
        super().__init__()
        self._plan = plan
        self._changes = TableChanges()
        self._lines = _Lines()

    def merge(self, table_map: TableMap, events: Iterable[RowsEvent]) -> None:
        plan, net, place = self._plan, self._changes, self._lines.place
        for event in events:
            self.counts[event.kind] += event.change_count
            for before, after in row_pairs(plan, event):
                old = None if before is None else copy_line(plan.encode_key(before))
                if after is None:
                    assert old is not None
                    net.went("delete", old, place(old))
                    continue
                encoded = plan.encode_binlog(after)
                new, line = copy_line(plan.key_of(encoded)), copy_line(encoded)
                if old is not None and old != new:
                    net.went("update", old, place(old))
                    old = None
                net.came("insert" if old is None else "update", new, place(line))

    def net(self) -> TableNet:
        return self._plan, self._changes.net(self._lines)


@dataclass(frozen=True, slots=True)
class _Lines:
    """By their numbers."""

    lines: list[CopyRow] = field(default_factory=list)
    format: CopyFormat = CopyFormat.TEXT

    def place(self, line: CopyRow) -> int:
        self.lines.append(line)
        return len(self.lines) - 1

    def rows(self, places: list[int]) -> CopyRows:
        return CopyRows.of(self.keys(places))

    def keys(self, places: list[int]) -> list[CopyRow]:
        return [self.lines[place] for place in places]


class _Bag(_Merger):
    """Of a table without a key."""

    def __init__(self, plan: TablePlan) -> None:
        super().__init__()
        self._plan = plan
        self._changes = BagChanges()

    def merge(self, table_map: TableMap, events: Iterable[RowsEvent]) -> None:
        encode = self._plan.encode_binlog
        for event in events:
            self.counts[event.kind] += event.change_count
            for before, after in row_pairs(self._plan, event):
                if before is not None:
                    self._changes.delete(encode(before))
                if after is not None:
                    self._changes.insert(encode(after))

    def net(self) -> TableNet:
        return self._plan, self._changes
