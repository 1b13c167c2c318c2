"""Tuples made of rows in the binary protocol hold what encoding the printed values gives."""

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.copy_format import CopyRows
from dms_pipeline.local_dms.engine.lob_settings import LobSettings
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.protocol_tuples import ProtocolTuples
from dms_pipeline.local_dms.engine.table_plan import TablePlan, ValueDoesNotFitError
from dms_pipeline.local_dms.engine.table_planning import plan_table
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import UnfitValueError
from dms_pipeline.local_dms.engine.type_mapping.sent_fields import SentColumn
from dms_pipeline_tests.arrays_at_once import arrays_at_once
from dms_pipeline_tests.copy_tuples import expect_refusal, same, tuples_in
from dms_pipeline_tests.engine_driver import include

RULES = MappingRules.from_message({"rules": [include("s")]})
LOBS = LobSettings("limited", 8)

Value = tuple[bytes, bytes]
"""As it is printed, and as it is sent in the binary protocol."""


@dataclass(frozen=True)
class Kind:
    sent: SentColumn
    described: dict[str, Any]
    values: st.SearchStrategy[Value]


def counted(raw: bytes) -> bytes:
    if len(raw) < 251:
        return bytes((len(raw),)) + raw
    for first, width in ((0xFC, 2), (0xFD, 3)):
        if len(raw) < 1 << 8 * width:
            return bytes((first,)) + len(raw).to_bytes(width, "little") + raw
    raise AssertionError


def whole(code: int, name: str, size: int, *, unsigned: bool) -> Kind:
    low, high = (0, 1 << 8 * size) if unsigned else (-1 << 8 * size - 1, 1 << 8 * size - 1)
    if name == "mediumint":
        low, high = low // 256, high // 256
    values = (st.sampled_from((low, high - 1)) | st.integers(low, high - 1)).map(
        lambda value: (b"%d" % value, value.to_bytes(size, "little", signed=not unsigned))
    )
    described = {"data_type": name, "column_type": name + " unsigned" * unsigned}
    return Kind(SentColumn(code, unsigned), described, values)


def decimal(precision: int, scale: int) -> Kind:
    def value(digits: int) -> Value:
        text = f"{abs(digits):0{scale + 1}d}"
        text = "-" * (digits < 0) + text[: len(text) - scale] + "." * (scale > 0)
        text += f"{abs(digits):0{scale}d}"[-scale:] if scale else ""
        raw = digits.to_bytes(8, "little", signed=True) if is_whole else counted(text.encode())
        return text.encode(), raw

    is_whole = precision <= 18
    most: int = 10**precision - 1
    described = {"data_type": "decimal", "precision": precision, "scale": scale}
    numbers = st.sampled_from((0, -1, most, -most)) | st.integers(-most, most)
    return Kind(SentColumn(8 if is_whole else 246), described, numbers.map(value))


def number(code: int, letter: str, name: str, values: st.SearchStrategy[Any]) -> Kind:
    described = {"data_type": name}
    sent = values.map(lambda value: (repr(value).encode(), struct.pack(f"<{letter}", value)))
    return Kind(SentColumn(code), described, sent)


def shortened(*parts: tuple[str, int]) -> bytes:
    """A time without what is zero at its end, behind its length."""
    values = [value for _, value in parts]
    while values and not values[-1]:
        values.pop()
    # The parts come and go in groups: days, then times of the day, then the microseconds.
    groups = {"day": 3, "clock": 6, "all": 7}
    count = next((size for size in groups.values() if len(values) <= size), 0) if values else 0
    raw = b"".join(struct.pack(f"<{code}", value) for code, value in parts[:count])
    return bytes((len(raw),)) + raw


def moment(code: int, name: str, digits: int) -> Kind:
    def value(drawn: tuple[int, ...]) -> Value:
        year, month, day, hour, minute, second, fraction = drawn
        text = f"{year:04}-{month:02}-{day:02}"
        fraction = fraction // 10 ** (6 - digits) * 10 ** (6 - digits)
        if name != "date":
            text += f" {hour:02}:{minute:02}:{second:02}"
            text += f".{fraction:06}"[: digits + 1] if digits else ""
        else:
            hour = minute = second = fraction = 0
        days = (("H", year), ("B", month), ("B", day))
        clock = (("B", hour), ("B", minute), ("B", second), ("I", fraction))
        return text.encode(), shortened(*days, *clock)

    years = st.sampled_from((0, 1, 1970, 2000, 2024, 9999)) | st.integers(0, 9999)
    days = st.tuples(years, st.integers(0, 12), st.integers(0, 31))
    clocks = st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
    rare = st.sampled_from((0, 999_999)) | st.integers(0, 999_999)
    drawn = st.one_of(
        st.just((0,) * 7),
        days.map(lambda day: (*day, 0, 0, 0, 0)),
        st.tuples(days, clocks, rare).map(lambda parts: (*parts[0], *parts[1], parts[2])),
    )
    described = {"data_type": name, "fraction_digits": digits}
    return Kind(SentColumn(code), described, drawn.map(value))


def clock(digits: int) -> Kind:
    def value(drawn: tuple[bool, int, int]) -> Value:
        negative, seconds, fraction = drawn
        fraction = fraction // 10 ** (6 - digits) * 10 ** (6 - digits)
        negative = negative and bool(seconds or fraction)
        hours, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
        text = f"{'-' * negative}{hours:02}:{minute:02}:{second:02}"
        text += f".{fraction:06}"[: digits + 1] if digits else ""
        raw = struct.pack("<BIBBB", negative, hours // 24, hours % 24, minute, second)
        if fraction:
            raw += struct.pack("<I", fraction)
        elif not seconds:
            raw = b""
        return text.encode(), bytes((len(raw),)) + raw

    seconds = st.sampled_from((0, 59, 3600, 86400, 3020399)) | st.integers(0, 3020399)
    fractions = st.sampled_from((0, 1)) | st.integers(0, 999_999)
    described = {"data_type": "time", "fraction_digits": digits}
    return Kind(SentColumn(11), described, st.tuples(st.booleans(), seconds, fractions).map(value))


def printed(code: int, raws: st.SearchStrategy[bytes], **described: Any) -> Kind:
    return Kind(SentColumn(code), described, raws.map(lambda raw: (raw, counted(raw))))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(str.encode)
LONG = st.sampled_from((250, 251, 255, 256, 65535, 65536)).map(lambda size: b"x" * size)

KINDS = [
    *[
        whole(code, name, size, unsigned=unsigned)
        for code, name, size in ((1, "tinyint", 1), (2, "smallint", 2), (9, "mediumint", 4),
                                 (3, "int", 4), (8, "bigint", 8))
        for unsigned in (False, True)
    ],
    number(5, "d", "double", st.floats(allow_nan=False, allow_infinity=False)),
    number(5, "d", "float", st.floats(width=32, allow_nan=False, allow_infinity=False)),
    number(4, "f", "float", st.floats(width=32, allow_nan=False, allow_infinity=False)),
    number(13, "H", "year", st.just(0) | st.integers(1901, 2155)),
    *[decimal(*size) for size in ((1, 0), (4, 4), (9, 9), (12, 2), (18, 0), (18, 17), (19, 0),
                                  (20, 11), (38, 38), (65, 30))],
    moment(10, "date", 0),
    *[moment(12, "datetime", digits) for digits in range(7)],
    *[moment(7, "timestamp", digits) for digits in (0, 6)],
    *[clock(digits) for digits in range(7)],
    printed(253, TEXTS | LONG, data_type="varchar", charset="utf8mb4", char_length=300),
    printed(254, TEXTS | st.binary(max_size=9), data_type="char", charset="utf8mb4", char_length=9),
    printed(253, st.binary(max_size=9), data_type="varchar", charset="latin1", char_length=9),
    printed(252, st.binary(max_size=9) | LONG, data_type="blob"),
    printed(252, TEXTS | LONG, data_type="mediumtext", charset="utf8mb4"),
    printed(252, st.binary(max_size=30), data_type="longblob"),
    printed(245, TEXTS, data_type="json"),
    printed(254, st.sampled_from((b"a", b"b", b"")), data_type="enum", column_type="enum('a','b')"),
    printed(16, st.sampled_from((b"\0", b"\1")), data_type="bit", precision=1),
    printed(16, st.binary(min_size=2, max_size=2), data_type="bit", precision=9),
    printed(255, st.binary(max_size=9), data_type="geometry"),
]  # fmt: skip


def planned(kinds: list[Kind]) -> TablePlan:
    columns = tuple(
        Column(**{"name": f"c{at}", "column_type": kind.described["data_type"], **kind.described})
        for at, kind in enumerate(kinds)
    )
    return plan_table(SourceTable(TableId("s", "t"), columns, ("c0",)), RULES, "", LOBS)


def row_packet(values: list[Value | None]) -> bytes:
    nulls = sum(4 << at for at, value in enumerate(values) if value is None)
    head = b"\0" + nulls.to_bytes((len(values) + 9) // 8, "little")
    return head + b"".join(value[1] for value in values if value is not None)


def framed(packet: bytes) -> bytes:
    return len(packet).to_bytes(3, "little") + b"\1" + packet


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Kind], list[list[Value | None]]]:
    """Columns, the first of which are the key, and some rows."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=12))
    row = [kind.values if at == 0 else st.none() | kind.values for at, kind in enumerate(kinds)]
    rows: list[tuple[Value | None, ...]] = draw(st.lists(st.tuples(*row), min_size=1, max_size=4))
    return kinds, [list(values) for values in rows]


def maker_of(plan: TablePlan, kinds: list[Kind]) -> ProtocolTuples:
    maker = ProtocolTuples.of(plan, [kind.sent for kind in kinds])
    assert maker is not None
    return maker


@settings(max_examples=500)
@given(tables(), st.sampled_from((b"", framed(b"\xfe" + bytes(4)), b"\x09", framed(bytes(9))[:-1])))
def test_tuples_are_those_of_printed_rows(drawn, behind):
    kinds, rows = drawn
    printed_plan, sent_plan = planned(kinds), planned(kinds)
    maker = maker_of(sent_plan, kinds)
    encoded, packets = [], []
    for row in rows:
        packet = row_packet(row)
        try:
            text = printed_plan.encode_text(tuple(value and value[0] for value in row))
        except ValueDoesNotFitError as error:
            expect_refusal(error, partial(maker.tuples, [packet]))
            return
        encoded.append(text)
        packets.append(packet)
    made = maker.tuples(packets)
    for one, row in zip(made, encoded, strict=True):
        assert one[:2] == len(kinds).to_bytes(2, "big")
        same(one[2:], row, sent_plan.columns)
    assert sent_plan.losses.counts == printed_plan.losses.counts
    assert [maker._of_any(packet) for packet in packets] == made
    stream = b"".join(map(framed, packets))
    taken = CopyRows()
    assert maker.take(taken, stream + behind) == len(stream)
    assert (b"".join(taken.pieces), taken.count) == (b"".join(made), len(made))
    three_times = {lost: 3 * count for lost, count in printed_plan.losses.counts.items()}
    assert sent_plan.losses.counts == Counter(three_times)


def test_rows_whose_times_have_other_lengths_follow_each_other():
    kinds = [whole(3, "int", 4, unsigned=False), moment(12, "datetime", 6)]
    plan = planned(kinds)
    key = bytes(4)
    times = {
        b"\0": None,
        b"\4" + struct.pack("<HBB", 2000, 1, 2): 86_400_000_000,
        b"\7" + struct.pack("<HBBBBB", 2000, 1, 1, 1, 2, 3): 3_723_000_000,
        b"\x0b" + struct.pack("<HBBBBBI", 2000, 1, 1, 0, 0, 0, 4): 4,
        b"\4" + struct.pack("<HBB", 2001, 2, 29): None,
    }
    rows = [b"\0\0" + key + time for time in times]
    head = struct.pack(">hii", 2, 4, 0)
    wanted = [
        head + (struct.pack(">i", -1) if time is None else struct.pack(">iq", 8, time))
        for time in times.values()
    ]
    assert maker_of(plan, kinds).tuples([*rows, *reversed(rows)]) == [*wanted, *reversed(wanted)]
    assert sum(plan.losses.counts.values()) == 4


def test_many_patterns_of_null_make_no_end_of_functions():
    kinds = [whole(1, "tinyint", 1, unsigned=False)] * 10
    maker = maker_of(planned(kinds), kinds)
    for nulls in range(512):
        values = [(b"1", b"\1") if nulls >> at & 1 else None for at in range(9)]
        [made] = maker.tuples([row_packet([(b"1", b"\1"), *values])])
        assert made.count(b"\0\2\0\1") == 1 + nulls.bit_count()
    assert len(maker._known) <= 64


def other_form(**changes: Any) -> Callable[[], tuple[TablePlan, list[SentColumn]]]:
    """A column that is sent as another type than its own."""

    def made() -> tuple[TablePlan, list[SentColumn]]:
        key = whole(3, "int", 4, unsigned=False)
        other = Kind(SentColumn(changes.pop("code")), changes, st.nothing())
        return planned([key, other]), [key.sent, other.sent]

    return made


@pytest.mark.parametrize(
    "made",
    [
        other_form(code=246, data_type="decimal", precision=12, scale=2),
        other_form(code=8, data_type="decimal", precision=30, scale=2),
        other_form(code=253, data_type="date"),
        other_form(code=10, data_type="datetime"),
        other_form(code=12, data_type="varchar", charset="utf8mb4", char_length=9),
        other_form(code=6, data_type="int"),
    ],
)
def test_a_column_that_is_sent_as_another_type_has_no_binary_form(made):
    assert ProtocolTuples.of(*made()) is None


def test_a_number_that_does_not_fit_is_an_unfit_value():
    kinds = [whole(8, "bigint", 8, unsigned=True)]
    maker = maker_of(planned(kinds), kinds)
    unfit, fitting = (row_packet([(b"", byte * 8)]) for byte in (b"\xff", b"\1"))
    with pytest.raises(UnfitValueError):
        maker.tuples([unfit])
    taken = CopyRows()
    assert maker.take(taken, framed(fitting) + framed(unfit)) == len(framed(fitting))
    assert taken.pieces == maker.tuples([fitting])


@settings(max_examples=300)
@given(
    tables(), st.integers(0, 99), st.sampled_from((b"", framed(b"\xfe" + bytes(4)), b"\x09", b"\1"))
)
def test_many_rows_at_once_become_the_tuples_of_each(drawn, seed, behind):
    with arrays_at_once(alike=3):
        compare_many(drawn[0], drawn[1], seed, behind)


def compare_many(
    kinds: list[Kind], rows: list[list[Value | None]], seed: int, behind: bytes
) -> None:
    one_plan, many_plan = planned(kinds), planned(kinds)
    packets = [row_packet(row) for row in rows] * 9
    Random(seed).shuffle(packets)
    try:
        made = maker_of(one_plan, kinds).tuples(packets)
    except UnfitValueError:
        return
    maker, stream = maker_of(many_plan, kinds), b"".join(map(framed, packets))
    taken = CopyRows()
    assert maker.take(taken, stream + behind) == len(stream)
    assert (taken.count, tuples_in(taken)) == (len(made), sorted(made))
    assert many_plan.losses.counts == one_plan.losses.counts


TEXT_AND_TIME = [
    printed(253, TEXTS, data_type="varchar", charset="utf8mb4", char_length=300),
    moment(12, "datetime", 6),
]
USUAL = (b"usual", struct.pack("<BHBBBBBI", 11, 2026, 2, 28, 1, 2, 3, 4))


@pytest.mark.parametrize("place", [0, 300, 600])
@pytest.mark.parametrize(
    ("text", "time"),
    [
        (b"usual", b"\0"),
        (b"usual", struct.pack("<BHBB", 4, 2026, 2, 28)),
        (b"usual", struct.pack("<BHBBBBBI", 11, 2026, 2, 29, 1, 2, 3, 4)),
        (b"usual", struct.pack("<BHBBBBBI", 11, 0, 1, 1, 1, 2, 3, 4)),
        (b"usual", struct.pack("<BHBBBBBI", 11, 9999, 12, 31, 1, 2, 3, 4)),
        (b"x" * 250, USUAL[1]),
        (b"x" * 251, USUAL[1]),
        (b"", b"\0"),
        (b"usual", None),
        (b"rare", USUAL[1]),
    ],
)
def test_a_rare_row_among_many_becomes_the_tuple_it_becomes_alone(text, time, place):
    one_plan, many_plan = planned(TEXT_AND_TIME), planned(TEXT_AND_TIME)
    usual, rare = (
        row_packet([(b"", counted(text)), None if time is None else (b"", time)])
        for text, time in (USUAL, (text, time))
    )
    made = maker_of(one_plan, TEXT_AND_TIME).tuples([usual, rare])
    maker = maker_of(many_plan, TEXT_AND_TIME)
    taken = CopyRows()
    stream = framed(usual) * place + framed(rare) + framed(usual) * (600 - place)
    with arrays_at_once(alike=200):
        assert maker.take(taken, stream) == len(stream)
    assert (taken.count, tuples_in(taken)) == (601, sorted([made[0]] * 600 + [made[1]]))
    assert many_plan.losses.counts == one_plan.losses.counts


def test_many_rows_are_left_where_one_has_a_number_that_does_not_fit():
    kinds = [whole(8, "bigint", 8, unsigned=True)]
    maker = maker_of(planned(kinds), kinds)
    unfit, fitting = (framed(row_packet([(b"", byte * 8)])) for byte in (b"\xff", b"\1"))
    taken = CopyRows()
    with arrays_at_once():
        assert maker.take(taken, fitting * 2) == len(fitting * 2)
        assert maker.take(taken, fitting * 600 + unfit) == 0
    assert taken.count == 2
