"""Tuples made straight of row images hold what decoding and encoding each value gives."""

import struct
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dms_pipeline.binlog.column_sizes import (
    FRACTION_BYTES,
    ColumnFormat,
    decimal_size,
    fixed_size,
    length_width,
)
from dms_pipeline.binlog.row_decoder import compile_row_decoder
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine import row_tuples
from dms_pipeline.local_dms.engine.lob_settings import LobSettings
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.row_tuples import RowTuples
from dms_pipeline.local_dms.engine.table_plan import TablePlan, ValueDoesNotFitError
from dms_pipeline.local_dms.engine.table_planning import plan_table
from dms_pipeline_tests.arrays_at_once import arrays_at_once
from dms_pipeline_tests.copy_tuples import expect_refusal, same, tuples_in

RULES = MappingRules.from_message(
    {
        "rules": [
            {
                "rule-type": "selection", "rule-id": "1", "rule-name": "1",
                "object-locator": {"schema-name": "s", "table-name": "t"},
                "rule-action": "include",
            },
            {
                "rule-type": "transformation", "rule-id": "2", "rule-name": "2",
                "rule-target": "column", "rule-action": "remove-column",
                "object-locator": {"schema-name": "s", "table-name": "t", "column-name": "gone%"},
            },
        ]
    }
)  # fmt: skip


Kind = tuple[int, bytes, dict[str, Any]]
"""The binary log's type and metadata, and what the catalogue says."""


def decimal_kind(precision: int, scale: int) -> Kind:
    described = {"data_type": "decimal", "precision": precision, "scale": scale}
    return 246, bytes((precision, scale)), described


def time_kind(code: int, name: str, digits: int) -> Kind:
    return code, bytes((digits,)), {"data_type": name, "fraction_digits": digits}


KINDS: list[Kind] = [
    *[
        (code, b"", {"data_type": name, "column_type": name + sign})
        for code, name in ((1, "tinyint"), (2, "smallint"), (9, "mediumint"), (3, "int"),
                           (8, "bigint"))
        for sign in ("", " unsigned")
    ],
    (4, b"\4", {"data_type": "float"}),
    (5, b"\10", {"data_type": "double"}),
    (13, b"", {"data_type": "year"}),
    (16, b"\1\1", {"data_type": "bit", "precision": 9}),
    (10, b"", {"data_type": "date"}),
    *[time_kind(17, "timestamp", digits) for digits in range(7)],
    *[time_kind(18, "datetime", digits) for digits in range(7)],
    time_kind(19, "time", 2),
    *[decimal_kind(*size) for size in ((1, 0), (9, 9), (12, 2), (18, 0), (65, 30), (20, 11))],
    (15, b"\x78\0", {"data_type": "varchar", "charset": "utf8mb4", "char_length": 30}),
    (15, b"\x2c\1", {"data_type": "varchar", "charset": "latin1", "char_length": 300}),
    (252, b"\2", {"data_type": "blob"}),
    (252, b"\3", {"data_type": "mediumtext", "charset": "utf8mb4"}),
    (254, b"\xf7\1", {"data_type": "enum", "column_type": "enum('a','b')"}),
    (254, b"\xfe\5", {"data_type": "binary", "octet_length": 5, "char_length": 5}),
]  # fmt: skip
KEYS = [kind for kind in KINDS if kind[2]["data_type"] in ("int", "bigint", "varchar", "decimal")]


@st.composite
def values(draw: st.DrawFn, column: ColumnFormat, described: dict[str, Any]) -> bytes:
    """A value as it lies in the log: any that the column can have, and some that it cannot."""
    if column.type_code == 246:
        precision, scale = column.metadata
        digits = draw(st.integers(0, 10**precision - 1))
        return decimal_raw(digits, precision, scale, negative=draw(st.booleans()))
    if column.is_enum:
        return bytes((draw(st.integers(0, 2)),))
    if column.type_code in (4, 5):
        return struct.pack("<f" if column.type_code == 4 else "<d", draw(st.floats(width=32)))
    if (size := fixed_size(column)) is not None:
        raw = draw(st.binary(min_size=size, max_size=size))
        return existing_time(column, raw) if column.type_code in (17, 18) else raw
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(str.encode)
    raw = draw(text | st.binary(max_size=5))[: described.get("octet_length", 99)]
    return len(raw).to_bytes(length_width(column), "little") + raw


def existing_time(column: ColumnFormat, raw: bytes) -> bytes:
    """What a server can have stored, of dates also those that are not in the calendar."""
    digits = column.metadata[0]
    size = FRACTION_BYTES[digits]
    whole, fraction = raw[: len(raw) - size], int.from_bytes(raw[len(raw) - size :], "big")
    if column.type_code == 18:
        packed = int.from_bytes(whole, "big")
        months, day = packed >> 22 & 0xFFFF, packed >> 17 & 31
        clock = (packed >> 12 & 31) % 24 << 12 | (packed >> 6 & 63) % 60 << 6 | (packed & 63) % 60
        whole = (1 << 39 | (months << 5 | day) << 17 | clock).to_bytes(5, "big")
    most: int = 100**size
    unit: int = 10 ** (digits % 2)
    return whole + (fraction % most // unit * unit).to_bytes(size, "big")


def decimal_raw(digits: int, precision: int, scale: int, *, negative: bool) -> bytes:
    """As the server writes it: groups of nine digits in four bytes, from the point outwards."""
    text = f"{digits % 10**precision:0{precision}d}"
    whole, fraction = text[: precision - scale], text[precision - scale :]
    sizes = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
    groups = [whole[: len(whole) % 9]]
    groups += [whole[at : at + 9] for at in range(len(whole) % 9, len(whole), 9)]
    groups += [fraction[at : at + 9] for at in range(0, len(fraction), 9)]
    raw = b"".join(int(group).to_bytes(sizes[len(group)], "big") for group in groups if group)
    assert len(raw) == decimal_size(precision, scale)
    raw = bytes((raw[0] ^ 0x80,)) + raw[1:]
    return bytes(byte ^ 0xFF for byte in raw) if negative else raw


@st.composite
def images(
    draw: st.DrawFn, most: int = 1
) -> tuple[Callable[[], TablePlan], tuple[ColumnFormat, ...], list[bytes]]:
    """A table with a key at any place, and the images of rows."""
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=8))
    key_at = draw(st.integers(0, len(kinds)))
    kinds.insert(key_at, draw(st.sampled_from(KEYS)))
    formats = tuple(ColumnFormat(code, metadata) for code, metadata, _ in kinds)
    columns = []
    for at, (_, _, described) in enumerate(kinds):
        name = f"gone{at}" if at != key_at and draw(st.booleans()) else f"c{at}"
        columns.append(Column(**{"name": name, "column_type": described["data_type"], **described}))
    table = SourceTable(TableId("s", "t"), tuple(columns), (columns[key_at].name,))
    raws = [draw(image(kinds)) for _ in range(draw(st.integers(1, most)))]
    plan = partial(plan_table, table, RULES, "", LobSettings("limited", 4))
    return plan, formats, raws


@st.composite
def image(draw: st.DrawFn, kinds: list[Kind]) -> bytes:
    nulls = draw(st.integers(0, (1 << len(kinds)) - 1))
    raw = nulls.to_bytes((len(kinds) + 7) // 8, "little")
    for at, (code, metadata, described) in enumerate(kinds):
        if not nulls >> at & 1:
            raw += draw(values(ColumnFormat(code, metadata), described))
    return raw


@settings(max_examples=500)
@given(images(), st.binary(max_size=3), st.binary(max_size=3), st.sampled_from([0, 1]))
def test_tuples_and_keys_are_those_of_decoded_rows(drawn, before, behind, most_patterns):
    plan, formats, [raw] = drawn
    data, offset = before + raw + behind, len(before)
    with patch.object(row_tuples, "_MOST_PATTERNS", most_patterns):
        compare(plan(), formats, raw, data, offset)


def compare(
    plan: TablePlan, formats: tuple[ColumnFormat, ...], raw: bytes, data: bytes, offset: int
) -> None:
    row, end = compile_row_decoder(formats)(data, offset)
    assert end == offset + len(raw)
    tuples = RowTuples.of(plan, formats)
    assert tuples is not None
    walk = tuples.walks[raw[: tuples.bitmap_bytes]]
    assert walk(data, offset) == (walk(raw + b"other", 0)[0], end)
    try:
        encoded_key = plan.encode_key(row)
    except ValueDoesNotFitError as error:
        expect_refusal(error, lambda: tuples.copy_key(data, offset))
    else:
        made = tuples.copy_key(data, offset)
        assert made[:2] == len(plan.key).to_bytes(2, "big")
        same(made[2:], encoded_key, plan.key_columns)
    try:
        plan.losses.counts.clear()
        encoded = plan.encode_binlog(row)
        lost = plan.losses.counts.copy()
    except ValueDoesNotFitError as error:
        expect_refusal(error, lambda: tuples.copy_tuple(data, offset))
    else:
        plan.losses.counts.clear()
        made = tuples.copy_tuple(data, offset)
        assert plan.losses.counts == lost
        assert made[:2] == len(plan.columns).to_bytes(2, "big")
        same(made[2:], encoded, plan.columns)


@settings(max_examples=500)
@given(images(most=3), st.integers(0, 99), st.binary(max_size=3))
def test_many_images_at_once_become_the_tuples_of_each(drawn, seed, between):
    plan, formats, raws = drawn
    chosen = Random(seed).choices(raws, k=12)
    data = between.join([b"", *chosen, b""])
    ends = list(accumulate(len(between) + len(raw) for raw in chosen))
    offsets = [end - len(raw) for end, raw in zip(ends, chosen, strict=True)]
    one_plan, many_plan = plan(), plan()
    each = RowTuples.of(one_plan, formats)
    many = RowTuples.of(many_plan, formats)
    assert each is not None
    assert many is not None
    with arrays_at_once(alike=3):
        try:
            made = [each.copy_tuple(data, offset) for offset in offsets]
        except (ValueError, struct.error) as error:
            with pytest.raises(type(error)):
                many.copy_tuples(data, offsets)
            return
        assert tuples_in(many.copy_tuples(data, offsets)) == sorted(made)
        assert many.copy_tuples(data, []).count == 0
    assert many_plan.losses.counts == one_plan.losses.counts


@pytest.mark.parametrize("digits", range(7))
def test_times_of_the_calendar_take_no_function(digits):
    kinds = [time_kind(18, "datetime", digits), time_kind(17, "timestamp", digits)]
    names = ["id", "at", "then", "day"]
    all_kinds = [(3, b"", {"data_type": "int"}), *kinds, (10, b"", {"data_type": "date"})]
    formats = tuple(ColumnFormat(code, metadata) for code, metadata, _ in all_kinds)
    columns = tuple(
        Column(**{"name": name, "column_type": described["data_type"], **described})
        for name, (_, _, described) in zip(names, all_kinds, strict=True)
    )
    plan = plan_table(SourceTable(TableId("s", "t"), columns, ("id",)), RULES, "", LobSettings())
    fraction = (10 ** (digits % 2)).to_bytes(FRACTION_BYTES[digits], "big") if digits else b""
    moment = (1 << 39 | (2024 * 13 + 2) << 22 | 29 << 17 | 23 << 12 | 59 << 6 | 58).to_bytes(
        5, "big"
    )
    then, day = struct.pack(">I", 1 << 31), (2024 << 9 | 2 << 5 | 29).to_bytes(3, "little")
    image = b"\0" + b"\1\0\0\0" + moment + fraction + then + fraction + day
    tuples = RowTuples.of(plan, formats)
    assert tuples is not None
    wanted = tuples.copy_tuple(image, 0)
    refused = patch.object(tuples, "copy_tuple", side_effect=AssertionError)
    with arrays_at_once(), refused:
        assert tuples_in(tuples.copy_tuples(image * 2, [0, len(image)])) == [wanted, wanted]


@pytest.mark.parametrize("most_patterns", [0, 1])
def test_losses_of_one_row_are_counted_once_each(most_patterns):
    columns = (
        Column("id", "int", "int"),
        Column("note", "mediumtext", "mediumtext", charset="utf8mb4"),
        Column("day", "date", "date"),
    )
    table = SourceTable(TableId("s", "t"), columns, ("id",))
    plan = plan_table(table, RULES, "", LobSettings("limited", 4))
    formats = (ColumnFormat(3, b""), ColumnFormat(252, b"\3"), ColumnFormat(10, b""))
    with patch.object(row_tuples, "_MOST_PATTERNS", most_patterns):
        tuples = RowTuples.of(plan, formats)
        assert tuples is not None
        made = tuples.copy_tuple(b"\0" + b"\1\0\0\0" + b"\5\0\0" + b"12345" + b"\0\0\0", 0)
    assert made == b"\0\3" + b"\0\0\0\4\0\0\0\1" + b"\0\0\0\0041234" + b"\xff" * 4
    assert list(plan.losses.counts.values()) == [1, 1]
