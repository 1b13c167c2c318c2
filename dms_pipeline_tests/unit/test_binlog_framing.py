"""Events from bytes: what moves positions, what is refused, what is passed over."""

import struct
import zlib

import pytest
import zstandard

from dms_pipeline.binlog.events import QueryEvent, RowsEvent, TransactionBegin, TransactionEnd
from dms_pipeline.binlog.framing import EventFramer
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.query_event import Session
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.binlog.xa import XaDecision, xa_decision
from dms_pipeline.errors import BinlogError

FILE = "bin.000007"
GTID, HEARTBEAT, HEARTBEAT_V2, INCIDENT, PAYLOAD, TAGGED_GTID = 33, 27, 41, 26, 40, 42
MARIADB_GTID = 162
QUERY, XID, TABLE_MAP, WRITE_ROWS, UPDATE_ROWS, PARTIAL_UPDATE = 2, 16, 19, 30, 31, 39
NUMBERS = b"\x05\0\0\0\0\0" + b"\x01\0"


def event(code, body=b"", *, end=0, flags=0):
    size = 19 + len(body)
    return struct.pack("<IBIIIH", 1_700_000_000, code, 1, size, end, flags) + body


def query(text, variables=b"", schema=b"s"):
    head = struct.pack("<IIBHH", 1, 0, len(schema), 0, len(variables))
    return head + variables + schema + b"\0" + text


def table_map(table=b"t"):
    names = b"\x01s\0" + bytes([len(table)]) + table + b"\0"
    # Two columns: INT, VARCHAR(300).
    return NUMBERS + names + b"\x02" + b"\x03\x0f" + b"\x02" + b"\x2c\x01" + b"\x03"


def rows(*images, bitmaps=b"\xff"):
    return NUMBERS + b"\x02\0" + b"\x02" + bitmaps + b"".join(images)


def image(number, text):
    return b"\0" + struct.pack("<i", number) + struct.pack("<H", len(text)) + text


def framer(offset=1000, include=lambda table: True):
    return EventFramer(BinlogPosition(FILE, offset), include)


def parse(reader, *packets):
    return list(reader.events(b"\0" + packet for packet in packets))


TRANSACTION = (
    event(GTID, b"\0" * 40, end=1100),
    event(QUERY, query(b"BEGIN"), end=1200),
    event(TABLE_MAP, table_map(), end=1300),
    event(WRITE_ROWS, rows(image(1, b"one"), image(-2, b"")), end=1400),
    event(XID, b"\0" * 8, end=1500),
)


def test_reader_of_statements_looks_at_no_rows():
    unread = [event(code, b"?", end=1300) for code in (TABLE_MAP, WRITE_ROWS)]
    altered = [
        event(GTID, b"\0" * 40, end=1600),
        event(QUERY, query(b"ALTER TABLE t ADD a INT"), end=1700),
    ]
    reader = framer(include=None)
    [statement] = parse(reader, *TRANSACTION[:2], *unread, TRANSACTION[-1], *altered)
    assert statement.statement == "ALTER TABLE t ADD a INT"
    assert not statement.in_transaction
    assert reader.position == reader.safe_position == BinlogPosition(FILE, 1700)
    # What is not read need not be there.
    [same] = parse(framer(include=None), *TRANSACTION[:2], TRANSACTION[-1], *altered)
    assert same == statement


def test_reader_of_statements_counts_rows_of_more_than_4_gb_in_one_transaction():
    reader = framer(offset=3 << 30, include=None)
    rows_of_8_gb = [event(WRITE_ROWS, b"?", end=gb % 4 << 30 or 1) for gb in range(4, 12)]
    parse(reader, event(GTID, b"\0" * 40, end=(3 << 30) + 9), *rows_of_8_gb)
    parse(reader, event(XID, b"\0" * 8, end=(3 << 30) + 99))
    assert reader.safe_position.offset == (11 << 30) + 99


@pytest.mark.parametrize(("flags", "is_inside"), [(0, True), (1, False)])
def test_reader_of_statements_knows_which_are_in_a_transaction_of_mariadb(flags, is_inside):
    reader = framer(include=None)
    gtid = event(MARIADB_GTID, b"\0" * 12 + bytes([flags]), end=1100)
    [statement] = parse(reader, gtid, event(QUERY, query(b"DROP TABLE t"), end=1200))
    assert statement.in_transaction == is_inside
    assert reader.safe_position.offset == (1000 if is_inside else 1200)


@pytest.mark.parametrize("include", [None, lambda table: True], ids=["statements", "all"])
@pytest.mark.parametrize("schema", [b"s", b""])
@pytest.mark.parametrize("has_gtid", [True, False])
@pytest.mark.parametrize("has_checksums", [True, False])
def test_statement_behind_begin_is_in_a_transaction(include, schema, has_gtid, has_checksums):
    def sent(packet):
        return packet + struct.pack("<I", zlib.crc32(packet)) if has_checksums else packet

    gtid = [sent(event(GTID, b"\0" * 40, end=1100))] if has_gtid else []
    begin = event(QUERY, query(b"BEGIN", b"\x01" + struct.pack("<Q", 4), schema), end=1200)
    savepoint = event(QUERY, query(b"SAVEPOINT a"), end=1300)
    xid = event(XID, b"\0" * 8, end=1400)
    reader = framer(include=include)
    parse(reader, event(15, b"\0" * 40 + bytes([has_checksums]) + b"\0" * 4))
    *begun, statement = parse(reader, *gtid, sent(begin), sent(savepoint))
    assert statement.in_transaction
    assert [(each.start, each.end) for each in begun] == ([] if include is None else [(1000, 1200)])
    assert reader.safe_position.offset == 1000
    parse(reader, sent(xid))
    assert reader.safe_position.offset == 1400


@pytest.mark.parametrize("include", [None, lambda table: True], ids=["statements", "all"])
@pytest.mark.parametrize("text", [b"SELECT 1 -- BEGIN", b"/* \0BEGIN", b"s\0BEGIN"])
def test_statement_that_only_ends_like_begin_opens_no_transaction(text, include):
    reader = framer(include=include)
    [statement] = parse(reader, event(QUERY, query(text), end=1200))
    assert (statement.statement.encode(), statement.in_transaction) == (text, False)
    assert reader.safe_position.offset == 1200


def test_transaction_begins_at_its_gtid_and_can_be_resumed_behind_its_end():
    reader = framer()
    begin, inserted, end = parse(reader, *TRANSACTION)
    assert isinstance(begin, TransactionBegin)
    assert (begin.start, begin.timestamp) == (1000, 1_700_000_000)
    assert begin.position == BinlogPosition(FILE, 1200)
    assert (inserted.table, list(inserted.rows)) == (
        TableId("s", "t"),
        [(1, b"one"), (-2, b"")],
    )
    assert isinstance(end, TransactionEnd)
    assert (end.start, end.timestamp, end.outcome) == (1400, 1_700_000_000, "commit")
    assert end.position == BinlogPosition(FILE, 1500)
    assert reader.safe_position == BinlogPosition(FILE, 1500)


def test_tagged_gtid_opens_a_group_like_any_other():
    reader = framer()
    parse(reader, event(TAGGED_GTID, b"\0" * 40, end=1100))
    assert reader.position.offset == 1100
    assert reader.safe_position.offset == 1000


def test_compressed_transaction_moves_the_position_only_with_its_last_event():
    inside = b"".join(packet[:13] + b"\0\0\0\0" + packet[17:] for packet in TRANSACTION[1:])
    packed = zstandard.compress(inside)
    body = b"\x02\x01\x00" + b"\x01\x03\xfc" + struct.pack("<H", len(packed)) + b"\0" + packed
    reader = framer()
    parse(reader, TRANSACTION[0])
    seen = [
        (type(parsed), parsed.position.offset, reader.position.offset)
        for parsed in reader.events([b"\0" + event(PAYLOAD, body, end=1200)])
    ]
    assert seen == [
        (TransactionBegin, 1200, 1100),
        (RowsEvent, 1200, 1100),
        (TransactionEnd, 1200, 1200),
    ]
    assert reader.safe_position.offset == 1200


def test_uncompressed_payload_is_read_as_well():
    inside = b"".join(TRANSACTION[1:])
    parsed = parse(framer(), event(PAYLOAD, b"\x02\x03\xfc\xff\x00" + b"\0" + inside, end=1200))
    assert [type(one) for one in parsed] == [TransactionBegin, RowsEvent, TransactionEnd]


def test_damaged_payload_is_refused_with_its_position():
    packed = zstandard.compress(b"".join(TRANSACTION[1:])[:-4])
    with pytest.raises(BinlogError, match=r"before bin\.000007:1200: it ends in the middle"):
        parse(framer(), event(PAYLOAD, b"\x02\x01\x00\0" + packed, end=1200))


@pytest.mark.parametrize("code", [HEARTBEAT, HEARTBEAT_V2])
def test_heartbeat_moves_no_position(code):
    reader = framer()
    assert parse(reader, event(code, b"bin.000009", end=5000)) == []
    assert reader.position == reader.safe_position == BinlogPosition(FILE, 1000)


def test_event_made_up_by_the_server_moves_no_position():
    reader = framer()
    parse(reader, event(QUERY, query(b"FLUSH TABLES"), end=0))
    assert reader.position.offset == 1000


def test_position_behind_4_gb_goes_on_counting_where_the_header_wraps():
    reader = framer(2**32 - 100)
    parse(reader, *TRANSACTION[:1])
    assert reader.position.offset == 2**32 + 1100
    parse(reader, *TRANSACTION[1:])
    assert reader.safe_position.offset == 2**32 + 1500


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            PARTIAL_UPDATE,
            r"partial JSON update of an unknown table before bin\.000007:1200.*row_value_options",
        ),
        (INCIDENT, r"before bin\.000007:1200 that changes are missing.*full load"),
        (99, r"unknown type 99 before bin\.000007:1200"),
    ],
)
def test_event_that_cannot_be_read_is_refused_with_its_position(code, message):
    with pytest.raises(BinlogError, match=message):
        parse(framer(), event(code, end=1200))


def test_partial_json_update_concerns_its_own_table():
    update = event(PARTIAL_UPDATE, NUMBERS + b"\x02\0", end=1400)
    with pytest.raises(BinlogError, match=r"of table s\.t before bin\.000007:1400"):
        parse(framer(), *TRANSACTION[:3], update)
    others = framer(include=lambda table: False)
    begin, end = parse(others, *TRANSACTION[:3], update, TRANSACTION[4])
    assert (type(begin), type(end)) == (TransactionBegin, TransactionEnd)


@pytest.mark.parametrize(
    ("variables", "session"),
    [
        (b"", Session()),
        (b"\x01" + (4).to_bytes(8, "little"), Session(sql_mode=4)),
        (
            b"\0\0\0\0\0\x06\x03std\x03\x01\0\x01\0\x04\x08\0\x08\0\x21\0\x05\x06+05:30"
            b"\x07\x01\0\x08\x21\0\x0b\x02me\x04host\x0c\x02ab\0c\0\x0d\x40\xe2\x01",
            Session(charset="cp1252", time_zone="+05:30", microsecond=123456),
        ),
        (b"\x0c\xfe\x80\x01\0\0", Session(microsecond=1)),
        (b"\x63\x05\x03UTC", Session()),
    ],
    ids=["none", "sql_mode", "all", "too many schemas, MariaDB", "unknown"],
)
def test_session_of_a_statement(variables, session):
    (event_read,) = parse(framer(), event(QUERY, query(b"CREATE TABLE t (a int)", variables)))
    assert event_read.session == session


def test_unknown_event_marked_as_ignorable_is_passed_over():
    reader = framer()
    assert parse(reader, event(99, b"?", end=1200, flags=0x80)) == []
    assert reader.position.offset == 1200


def test_rows_without_their_table_map_are_refused():
    with pytest.raises(BinlogError, match=r"before bin\.000007:1400 have no table map"):
        parse(framer(), TRANSACTION[3])


def test_row_event_that_only_ends_a_statement_is_passed_over():
    nothing = b"\xff\xff\xff\0\0\0\x01\0\x02\0\0\0"
    assert parse(framer(), event(WRITE_ROWS, nothing, end=1100)) == []


def test_rows_of_unwanted_tables_are_passed_over_even_without_columns():
    reader = framer(include=lambda table: False)
    packets = [*TRANSACTION[:3], event(UPDATE_ROWS, rows(bitmaps=b"\x01\x01"), end=1400)]
    assert [type(one) for one in parse(reader, *packets)] == [TransactionBegin]


def test_rows_that_do_not_fit_their_columns_are_named_when_looked_at():
    cut = event(WRITE_ROWS, rows(image(1, b"whole"), image(2, b"cut off")[:-3]), end=1400)
    *_, inserted = parse(framer(), *TRANSACTION[:3], cut)
    for look in (lambda: inserted.change_count, lambda: list(inserted.rows)):
        with pytest.raises(BinlogError, match=r"rows of table s\.t before bin\.000007:1400"):
            look()


def test_wrong_checksum_is_refused():
    description = event(15, b"\0" * 40 + b"\x01" + b"\0" * 4)
    reader = framer()
    parse(reader, description)
    right = event(XID, b"\0" * 8, end=1100)
    parse(reader, right + struct.pack("<I", zlib.crc32(right)))
    with pytest.raises(BinlogError, match=r"event after bin\.000007:1100 is damaged"):
        parse(reader, right + b"\0\0\0\0")


def test_statement_is_decoded_by_the_session_whose_variables_precede_it():
    flags, catalog = b"\0" + b"\0" * 4, b"\x06\x03std"
    mode = b"\x01" + struct.pack("<Q", 4)
    latin1 = b"\x04" + struct.pack("<HHH", 8, 8, 8)
    body = query("käse".encode("latin-1"), flags + mode + catalog + latin1)
    (parsed,) = parse(framer(), event(QUERY, body, end=1100))
    assert isinstance(parsed, QueryEvent)
    assert parsed.statement == "käse"
    assert parsed.ansi_quotes


@pytest.mark.parametrize(
    ("statement", "decision"),
    [
        ("XA COMMIT X'6f',X'',1", XaDecision("X'6f',X'',1", "commit")),
        ("XA ROLLBACK X'6f',X'',1", XaDecision("X'6f',X'',1", "rollback")),
        ("XA PREPARE X'6f',X'',1", None),
        ("COMMIT", None),
    ],
)
def test_statement_that_decides_on_an_xa_transaction_is_recognized(statement, decision):
    assert xa_decision(statement) == decision
