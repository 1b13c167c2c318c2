"""Net changes of a log come out the same however its tables alternate."""

import random
import struct
from collections import Counter
from itertools import islice

import pytest

from dms_pipeline.binlog.column_sizes import ColumnFormat
from dms_pipeline.binlog.events import RowKind, RowsEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.binlog.table_map import TableMap
from dms_pipeline.binlog.table_metadata import parse_table_metadata
from dms_pipeline.local_dms.engine.change_batch import NetChanges
from dms_pipeline.local_dms.engine.copy_format import CopyFormat
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.netting import Netting
from dms_pipeline.local_dms.engine.table_plan import TablePlan
from dms_pipeline.local_dms.engine.table_planning import plan_table
from dms_pipeline_tests.engine_driver import include

FILE = BinlogPosition("bin.000001", 4)
INT = ColumnFormat(3, b"")
BINARY, TEXT, BAG, PASSED = (TableId("s", name) for name in ("binary", "text", "bag", "passed"))


def planned(table: TableId) -> TablePlan | None:
    if table == PASSED:
        return None
    columns = (Column("id", "int", "int"), Column("n", "int", "int", is_nullable=True))
    source = SourceTable(table, columns=columns, primary_key=() if table == BAG else ("id",))
    return plan_table(source, MappingRules.from_message({"rules": [include("s")]}), "")


PLANS = {table: planned(table) for table in (BINARY, TEXT, BAG, PASSED)}


def table_map(table: TableId, *columns: ColumnFormat) -> TableMap:
    return TableMap(table, columns, parse_table_metadata(b"", columns), wanted=True)


def workload(seed: int) -> list[RowsEvent]:
    """Events of all tables, of up to three changes, that keep to what is there."""
    chance = random.Random(seed)
    there: dict[TableId, dict[int, int]] = {table: {} for table in PLANS}
    return [event(chance, table, there[table]) for table in chance.choices(list(PLANS), k=200)]


def event(chance: random.Random, table: TableId, rows: dict[int, int]) -> RowsEvent:
    kind: RowKind = chance.choice(["insert", "update", "delete"]) if rows else "insert"
    data = b""
    for _ in range(chance.randint(1, 3)):
        if kind == "insert":
            number = max(rows, default=0) + 1
        elif rows:
            number = chance.choice(list(rows))
            data += image(number, rows.pop(number))
        else:
            break
        if kind != "delete":
            # An update may change the key too.
            number += 1000 * (kind == "update" and chance.random() < 0.2)
            rows[number] = chance.randrange(100)
            data += image(number, rows[number])
    # Table maps that are equal and not the same come when a server opens its tables anew.
    return RowsEvent(table_map(table, INT, INT), kind, data, 0, len(data), FILE, 4)


def image(*values: int) -> bytes:
    return b"\0" + b"".join(struct.pack("<i", value) for value in values)


@pytest.mark.parametrize("seed", range(20))
def test_alternating_tables_are_netted_like_each_alone(seed):
    log = workload(seed)
    netted = Netting(lambda plan: plan.table_id == TEXT).net(log, PLANS.get)
    assert netted.counts == sum(
        (Counter({(e.table, e.kind): e.change_count}) for e in log), Counter()
    )
    found = {plan.table_id: net for plan, net in netted.tables}
    assert set(found) == {BINARY, TEXT, BAG}
    for table, net in found.items():
        alone = [each for each in log if each.table == table]
        [(_, expected)] = Netting(lambda plan: plan.table_id == TEXT).net(alone, PLANS.get).tables
        assert net == expected
    formats = {table: net.format for table, net in found.items() if isinstance(net, NetChanges)}
    assert formats == {BINARY: CopyFormat.BINARY, TEXT: CopyFormat.TEXT}


def test_rows_laid_out_in_two_ways_are_no_batch():
    log = workload(0)
    first = next(each for each in log if each.table == BINARY)
    wider = first._replace(table_map=table_map(BINARY, INT, ColumnFormat(8, b"")))
    with pytest.raises(ValueError, match="laid out in more than one way"):
        Netting(lambda _: False).net([*islice(log, 100), wider], PLANS.get)
