import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_pipeline.binlog.json_binary import double_text, json_text
from dms_pipeline.errors import BinlogError


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (b"", "null"), (b"\x04\x00", "null"), (b"\x04\x01", "true"), (b"\x04\x02", "false"),
        (b"\x05\xff\xff", "-1"), (b"\x06\xff\xff", "65535"),
        (b"\x07\x00\x00\x00\x80", "-2147483648"),
        (b"\x08\xff\xff\xff\xff", "4294967295"), (b"\x09" + b"\0" * 7 + b"\x80", str(-(2**63))),
        (b"\x0a" + b"\xff" * 8, str(2**64 - 1)), (b"\x0b" + struct.pack("<d", 1.0), "1.0"),
        (b"\x0c\x03a\"\n", '"a\\"\\n"'), (b"\x0c\x04\x00\x1f\x7f\\", '"\\u0000\\u001f\x7f\\\\"'),
        (b"\x0c\xc8\x01" + b"x" * 200, '"' + "x" * 200 + '"'),
        (b"\x00\x00\x00\x04\x00", "{}"), (b"\x02\x00\x00\x04\x00", "[]"),
        # [1, "a"] and {"k": null}, small form: one value within its entry, one behind the entries
        (b"\x02\x02\x00\x0c\x00\x05\x01\x00\x0c\x0a\x00\x01a", '[1, "a"]'),
        (b"\x00\x01\x00\x0c\x00\x0b\x00\x01\x00\x04\x00\x00k", '{"k": null}'),
        # [70000], large form: four bytes fit into the entry
        (b"\x03\x01\x00\x00\x00\x0d\x00\x00\x00\x07\x70\x11\x01\x00", "[70000]"),
        (b"\x0f\x0f\x03\x00\xff\x41", '"base64:type15:AP9B"'),
    ],
)  # fmt: skip
def test_document_reads_as_the_server_prints_it(stored, text):

    assert json_text(stored) == text


def packed(year, month, day, hour=0, minute=0, second=0, micro=0):
    days = (year * 13 + month) << 5 | day
    return ((days << 17 | hour << 12 | minute << 6 | second) << 24 | micro).to_bytes(8, "little")


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (10, packed(2024, 2, 29), '"2024-02-29"'),
        (12, packed(2024, 2, 29, 1, 2, 3, 4), '"2024-02-29 01:02:03.000004"'),
        (7, packed(9999, 12, 31, 23, 59, 59, 999999), '"9999-12-31 23:59:59.999999"'),
        (11, ((838 << 12 | 59 << 6 | 59) << 24).to_bytes(8, "little"), '"838:59:59.000000"'),
        (11, (-((10 << 12) << 24 | 500000)).to_bytes(8, "little", signed=True),
         '"-10:00:00.500000"'),
        (246, bytes([5, 2]) + b"\x80\x7b\x2d", "123.45"),
        (246, bytes([4, 4]) + b"\x80\x01", "0.0001"),
    ],
)  # fmt: skip
def test_opaque_values_read_as_the_server_prints_them(kind, data, text):
    assert json_text(b"\x0f" + bytes([kind, len(data)]) + data) == text


def test_long_binary_values_are_broken_into_lines():
    text = json_text(b"\x0f\xfc\x46" + b"x" * 70)
    assert text.startswith('"base64:type252:')
    assert text.count("\\n") == 1
    assert text.index("\\n") == len('"base64:type252:') + 76


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"), (-0.0, "-0.0"), (1.0, "1.0"), (100.0, "100.0"), (3.14, "3.14"),
        (1e14, "100000000000000.0"), (1e15, "1e15"), (1e20, "1e20"), (-3e100, "-3e100"),
        (1e-5, "0.00001"), (1.5e-7, "0.00000015"), (1e-15, "0.000000000000001"), (1e-16, "1e-16"),
        (1.7976931348623157e308, "1.7976931348623157e308"), (5e-324, "5e-324"),
        (1234567890123456.7, "1234567890123456.8"), (12345678901234567.0, "1.2345678901234568e16"),
    ],
)  # fmt: skip
def test_double_is_written_as_the_server_writes_it(value, text):
    assert double_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_double_reads_back_exactly(value):
    assert struct.pack("<d", float(double_text(value))) == struct.pack("<d", value)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_strings_are_escaped_so_that_json_reads_them_back(text):
    raw = text.encode()
    length, prefix = len(raw), b""
    while length > 0x7F:
        prefix += bytes([length & 0x7F | 0x80])
        length >>= 7
    assert json.loads(json_text(b"\x0c" + prefix + bytes([length]) + raw)) == text


@pytest.mark.parametrize(
    "stored", [b"\x05\x01", b"\x0c\x05ab", b"\x0c\xff", b"\x04\x07", b"\x20\x00", b"\x00\x05",
               b"\x02\x02\x00\x0c\x00\x05\x01\x00\x0c\x40\x00", b"\x0c\x02\xff\xfe"]
)  # fmt: skip
def test_damaged_document_is_refused(stored):
    with pytest.raises(BinlogError, match="JSON value in the binary log"):
        json_text(stored)
