"""Values and rows written as the server writes them come back as they were, whatever they are."""

import struct
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from dms_pipeline.binlog.column_sizes import (
    DECIMAL_BYTES,
    FRACTION_BYTES,
    ColumnFormat,
    compile_row_skipper,
)
from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.binlog.row_decoder import compile_row_decoder

DIGITS = st.integers(0, 6)


def read_one(code, metadata, raw):
    column = (ColumnFormat(code, metadata),)
    row, end = compile_row_decoder(column)(b"\0" + raw, 0)
    assert end == len(raw) + 1
    assert compile_row_skipper(column)(b"\0" + raw + b"more", 0) == end
    return row[0]


def fraction_bytes(microseconds, digits):
    """The fraction in as many bytes as its digits need, counted in hundredths of the last pair."""
    unit = 10 ** (6 - 2 * FRACTION_BYTES[digits])
    return microseconds // unit


@given(hours=st.integers(0, 838), minutes=st.integers(0, 59), seconds=st.integers(0, 59),
       microseconds=st.integers(0, 999_999), digits=DIGITS, negative=st.booleans())  # fmt: skip
def test_time_comes_back_with_its_sign_and_fraction(
    hours, minutes, seconds, microseconds, digits, negative
):
    unit = 10 ** (6 - digits)
    microseconds = microseconds // unit * unit
    size = FRACTION_BYTES[digits]
    packed = hours << 12 | minutes << 6 | seconds
    packed = packed << 8 * size | fraction_bytes(microseconds, digits)
    negative = negative and packed > 0
    zero = 0x800000 << 8 * size
    raw = (zero + (-packed if negative else packed)).to_bytes(3 + size, "big")
    fraction = f".{microseconds:06d}"[: digits + 1] if digits else ""
    expected = f"{'-' * negative}{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"
    assert read_one(19, bytes([digits]), raw) == expected


@given(moment=st.datetimes(), digits=DIGITS)
def test_datetime_comes_back_with_its_fraction(moment, digits):
    unit = 10 ** (6 - digits)
    moment = moment.replace(microsecond=moment.microsecond // unit * unit)
    packed = (moment.year * 13 + moment.month) << 5 | moment.day
    packed = (packed << 17) | moment.hour << 12 | moment.minute << 6 | moment.second
    raw = (packed + 0x8000000000).to_bytes(5, "big")
    raw += fraction_bytes(moment.microsecond, digits).to_bytes(FRACTION_BYTES[digits], "big")
    text = moment.strftime("%H:%M:%S.%f")[: 9 + digits if digits else 8]
    assert read_one(18, bytes([digits]), raw) == f"{moment.date().isoformat()} {text}"


def decimal_bytes(value, precision, scale):
    """The server's format: groups of nine digits, the sign in the first bit."""
    whole = precision - scale
    text = "".join(map(str, value.as_tuple().digits)).zfill(precision)
    integer, fraction = text[:whole], text[whole:]
    raw = b""
    for digits in [integer[: whole % 9]] + [integer[i : i + 9] for i in range(whole % 9, whole, 9)]:
        raw += int(digits or 0).to_bytes(DECIMAL_BYTES[len(digits)], "big")
    for i in range(0, scale, 9):
        digits = fraction[i : i + 9]
        raw += int(digits).to_bytes(DECIMAL_BYTES[len(digits)], "big")
    raw = bytes([raw[0] ^ 0x80]) + raw[1:]
    return bytes(byte ^ 0xFF for byte in raw) if value < 0 else raw


@st.composite
def decimals(draw):
    precision = draw(st.integers(1, 65))
    scale = draw(st.integers(0, min(30, precision)))
    number = draw(st.integers(-(10**precision) + 1, 10**precision - 1))
    sign, digits, _ = Decimal(number).as_tuple()
    return Decimal((sign, digits, -scale)), precision, scale


@given(decimals())
def test_decimal_comes_back_digit_for_digit(drawn):
    value, precision, scale = drawn
    read = read_one(246, bytes([precision, scale]), decimal_bytes(value, precision, scale))
    assert read == value
    assert -read.as_tuple().exponent == scale


COLUMNS = {
    "int": (ColumnFormat(3, b""), st.integers(-(2**31), 2**31 - 1), struct.Struct("<i").pack),
    "varchar": (ColumnFormat(15, b"\x0a\x00"), st.binary(max_size=10),
                lambda value: bytes([len(value)]) + value),
    "blob": (ColumnFormat(252, b"\x02"), st.binary(max_size=400),
             lambda value: struct.pack("<H", len(value)) + value),
    "double": (ColumnFormat(5, b"\x08"), st.floats(allow_nan=False), struct.Struct("<d").pack),
}  # fmt: skip


@st.composite
def tables(draw):
    kinds = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=20))
    row = st.tuples(*(st.none() | COLUMNS[kind][1] for kind in kinds))
    return kinds, draw(st.lists(row, max_size=5))


def row_image(kinds, row):
    nulls = sum(1 << index for index, value in enumerate(row) if value is None)
    values = (COLUMNS[k][2](v) for k, v in zip(kinds, row, strict=True) if v is not None)
    return nulls.to_bytes((len(kinds) + 7) // 8, "little") + b"".join(values)


@given(tables())
def test_rows_are_walked_to_where_decoding_ends(table):
    kinds, rows = table
    columns = tuple(COLUMNS[kind][0] for kind in kinds)
    decode, skip = compile_row_decoder(columns), compile_row_skipper(columns)
    data = b"".join(row_image(kinds, row) for row in rows)
    offset = 0
    for row in rows:
        read, end = decode(data, offset)
        assert read == row
        assert skip(data, offset) == end
        offset = end
    assert offset == len(data)


positions = st.builds(
    BinlogPosition, st.integers(1, 10**8).map(lambda n: f"bin.{n:06d}"), st.integers(4, 2**33)
)


@given(positions, positions)
def test_positions_are_ordered_as_the_numbers_of_file_and_offset(one, other):
    numbers = [(int(p.file.split(".")[1]), p.offset) for p in (one, other)]
    assert (one < other) == (numbers[0] < numbers[1])
    assert (one == other) == (numbers[0] == numbers[1])


@given(positions)
def test_position_comes_back_from_its_text(position):
    assert parse_checkpoint(str(position)) == position
