import struct
from decimal import Decimal

import pytest

from dms_pipeline.binlog.column_sizes import ColumnFormat, compile_row_skipper
from dms_pipeline.binlog.row_decoder import compile_row_decoder
from dms_pipeline.errors import BinlogError

VALUES = [
    ("tiny", 1, b"", b"\x80", -128),
    ("short", 2, b"", b"\xff\x7f", 32767),
    ("int24", 9, b"", b"\x00\x00\x80", -8388608),
    ("long", 3, b"", b"\xff\xff\xff\xff", -1),
    ("longlong", 8, b"", b"\x00" * 7 + b"\x80", -(2**63)),
    ("float", 4, b"\x04", struct.pack("<f", 0.5), 0.5),
    ("double", 5, b"\x08", struct.pack("<d", 1e-300), 1e-300),
    ("year", 13, b"", b"\xff", 2155),
    ("year zero", 13, b"", b"\x00", 0),
    ("date", 10, b"", (2024 << 9 | 2 << 5 | 30).to_bytes(3, "little"), "2024-02-30"),
    ("zero date", 10, b"", b"\x00\x00\x00", "0000-00-00"),
    ("datetime(0)", 18, b"\x00", b"\x80\x00\x00\x00\x00", "0000-00-00 00:00:00"),
    (
        "datetime(6)", 18, b"\x06",
        ((2023 * 13 + 12) << 22 | 31 << 17 | 23 << 12 | 59 << 6 | 58 | 0x8000000000).to_bytes(
            5, "big"
        ) + (999999).to_bytes(3, "big"),
        "2023-12-31 23:59:58.999999",
    ),
    ("timestamp(0)", 17, b"\x00", (2**31 - 1).to_bytes(4, "big"), "2038-01-19 03:14:07"),
    ("timestamp(3)", 17, b"\x03", (1).to_bytes(4, "big") + (5000).to_bytes(2, "big"),
     "1970-01-01 00:00:01.500"),
    ("timestamp zero", 17, b"\x02", b"\x00" * 5, "0000-00-00 00:00:00.00"),
    ("time(0) lowest", 19, b"\x00",
     (0x800000 - (838 << 12 | 59 << 6 | 59)).to_bytes(3, "big"), "-838:59:59"),
    ("time(2) just below zero", 19, b"\x02", b"\x7f\xff\xff\xff", "-00:00:00.01"),
    ("time(6)", 19, b"\x06", (0x800000 | 1 << 12).to_bytes(3, "big") + b"\x00\x00\x01",
     "01:00:00.000001"),
    ("decimal(14,4)", 246, b"\x0e\x04", bytes.fromhex("810dfb38d204d2"),
     Decimal("1234567890.1234")),
    ("negative decimal(14,4)", 246, b"\x0e\x04", bytes.fromhex("7ef204c72dfb2d"),
     Decimal("-1234567890.1234")),
    ("decimal(2,2)", 246, b"\x02\x02", b"\x8c", Decimal("0.12")),
    ("decimal(3,0)", 246, b"\x03\x00", b"\x7f\xf8", Decimal("-7")),
    ("varchar(255)", 15, b"\xff\x00", b"\x02hi", b"hi"),
    ("varchar(256)", 15, b"\x00\x01", b"\x02\x00hi", b"hi"),
    ("char(5)", 254, b"\xfe\x05", b"\x01a", b"a"),
    ("char of 1020 bytes", 254, b"\xce\xfc", b"\x02\x00ab", b"ab"),
    ("enum", 254, b"\xf7\x01", b"\x03", 3),
    ("enum of two bytes", 254, b"\xf7\x02", b"\x01\x01", 257),
    ("set", 254, b"\xf8\x08", b"\x05" + b"\x00" * 7, 5),
    ("bit(10)", 16, b"\x02\x01", b"\x02\x01", 513),
    ("blob", 252, b"\x02", b"\x03\x00a\x00b", b"a\x00b"),
    ("longblob", 252, b"\x04", b"\x00\x00\x00\x00", b""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("type_code", "metadata", "raw", "expected"),
    [value[1:] for value in VALUES],
    ids=[value[0] for value in VALUES],
)
def test_value_is_decoded_and_consumed_whole(type_code, metadata, raw, expected):
    decode = compile_row_decoder((ColumnFormat(type_code, metadata),))
    data = b"junk\x00" + raw
    assert decode(data, 4) == ((expected,), len(data))


def test_null_takes_no_bytes_of_the_row():
    columns = tuple(ColumnFormat(1, b"") for _ in range(9))
    raw = b"\xfd\x01" + b"\x07"
    row, end = compile_row_decoder(columns)(raw, 0)
    assert row == (None, 7, *[None] * 7)
    assert end == len(raw)


def test_type_that_is_not_decoded_is_named_when_compiled():
    with pytest.raises(BinlogError, match="type number 0 are not decoded"):
        compile_row_decoder((ColumnFormat(0, b""),))
    with pytest.raises(BinlogError, match="type number 0 are not known"):
        compile_row_skipper((ColumnFormat(0, b""),))
