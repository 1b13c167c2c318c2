"""The replication stream of real servers: what each kind of logged change is read as."""

import time
from contextlib import contextmanager

import pytest

from dms_pipeline.binlog.events import QueryEvent, RowsEvent, TransactionBegin, TransactionEnd
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.snapshot import binary_logs, current_position
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.binlog.xa import XaDecision, xa_decision
from dms_pipeline.errors import BinlogError
from dms_pipeline_tests.binlog_source import admin, as_dms_user, events_of, execute, fresh_schema


@pytest.fixture
def schema(source_server):
    return fresh_schema(source_server)


@contextmanager
def global_setting(server, name, value):
    with admin(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT @@GLOBAL.{name}")
        before = cursor.fetchone()[0]
        cursor.execute(f"SET GLOBAL {name} = %s", (value,))
    try:
        yield
    finally:
        with admin(server) as connection, connection.cursor() as cursor:
            cursor.execute(f"SET GLOBAL {name} = %s", (before,))


def rows_of(events, kind=None):
    return [
        row
        for event in events
        if isinstance(event, RowsEvent) and kind in (None, event.kind)
        for row in event.rows
    ]


def test_transaction_is_read_between_its_begin_and_its_end(source_server, schema):
    events = events_of(
        source_server,
        schema,
        "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(9))",
        "START TRANSACTION",
        "INSERT INTO t VALUES (1, 'x'), (2, NULL)",
        "UPDATE t SET b = 'y' WHERE a = 1",
        "DELETE FROM t WHERE a = 2",
        "COMMIT",
    )
    assert [type(event) for event in events] == [
        QueryEvent, TransactionBegin, RowsEvent, RowsEvent, RowsEvent, TransactionEnd,
    ]  # fmt: skip
    assert rows_of(events, "insert") == [(1, b"x"), (2, None)]
    assert rows_of(events, "update") == [(1, b"x"), (1, b"y")]
    assert [event.change_count for event in events if isinstance(event, RowsEvent)] == [2, 1, 1]
    positions = [event.position for event in events]
    assert positions == sorted(positions)
    assert len(set(positions)) == len(positions)


@pytest.mark.parametrize("checksum", ["NONE", "CRC32"])
def test_stream_goes_through_files_with_and_without_checksums(source_server, schema, checksum):
    with admin(source_server) as connection:
        start = current_position(connection)
    with global_setting(source_server, "binlog_checksum", checksum):
        execute(
            source_server,
            f"CREATE TABLE {schema}.t (a INT)",
            "FLUSH BINARY LOGS",
            f"INSERT INTO {schema}.t VALUES (7)",
        )
        with admin(source_server) as connection:
            end = current_position(connection)
        with BinlogStream(as_dms_user(source_server), start=start) as stream:
            assert rows_of(stream.events_until(end)) == [(7,)]
            assert stream.position == stream.safe_position == end
    assert end.sequence > start.sequence


def test_reading_from_each_safe_position_misses_nothing_and_repeats_nothing(source_server, schema):
    with admin(source_server) as connection:
        start = current_position(connection)
    statements = [f"INSERT INTO {schema}.t VALUES ({n})" for n in range(5)]
    execute(source_server, f"CREATE TABLE {schema}.t (a INT)", *statements)
    with admin(source_server) as connection:
        end = current_position(connection)
    seen, position = [], start
    while position < end:
        with BinlogStream(as_dms_user(source_server), start=position) as stream:
            while stream.safe_position == position:
                event = stream.poll(1.0)
                seen += rows_of([event])
            position = stream.safe_position
    assert seen == [(0,), (1,), (2,), (3,), (4,)]


def test_rows_larger_than_a_packet_are_joined(source_server, schema):
    size = 20 * 1024 * 1024
    events = events_of(
        source_server,
        schema,
        "CREATE TABLE t (a INT PRIMARY KEY, b LONGBLOB)",
        f"INSERT INTO t VALUES (1, REPEAT('x', {size})), (2, REPEAT('y', 9))",
    )
    assert [(a, len(b), b[:1], b[-1:]) for a, b in rows_of(events)] == [
        (1, size, b"x", b"x"),
        (2, 9, b"y", b"y"),
    ]


def test_compressed_transaction_is_read_like_any_other(mysql_server):
    schema = fresh_schema(mysql_server)
    events = events_of(
        mysql_server,
        schema,
        "CREATE TABLE t (a INT PRIMARY KEY, b LONGTEXT)",
        "SET binlog_transaction_compression = ON",
        "START TRANSACTION",
        "INSERT INTO t VALUES (1, REPEAT('x', 70000)), (2, 'y')",
        "UPDATE t SET a = 3 WHERE a = 2",
        "COMMIT",
    )
    create, begin, *rows, end = events
    assert rows_of(rows, "insert") == [(1, b"x" * 70000), (2, b"y")]
    assert rows_of(rows, "update") == [(2, b"y"), (3, b"y")]
    assert isinstance(begin, TransactionBegin)
    assert isinstance(end, TransactionEnd)
    # One event in the file: there is no position inside it.
    assert {event.position for event in rows} == {begin.position} == {end.position}
    assert begin.start == create.position.offset
    assert end.position.offset - create.position.offset < 1000


def test_position_stays_before_a_compressed_transaction_until_its_end_was_taken(mysql_server):
    schema = fresh_schema(mysql_server)
    execute(mysql_server, f"CREATE TABLE {schema}.t (a INT)")
    with admin(mysql_server) as connection, connection.cursor() as cursor:
        start = current_position(connection)
        cursor.execute("SET binlog_transaction_compression = ON")
        cursor.execute(f"INSERT INTO {schema}.t VALUES (1)")
        end = current_position(connection)
    with BinlogStream(as_dms_user(mysql_server), start=start) as stream:
        for event in stream.events_until(end):
            if isinstance(event, TransactionEnd):
                assert stream.safe_position == stream.position == end
            else:
                assert stream.safe_position == start
                assert stream.position < end


def test_compressed_events_of_mariadb_are_read_like_any_other(mariadb_server):
    schema = fresh_schema(mariadb_server)
    text = "abc" * 1000
    with (
        global_setting(mariadb_server, "log_bin_compress", 1),
        global_setting(mariadb_server, "log_bin_compress_min_len", 10),
    ):
        events = events_of(
            mariadb_server,
            schema,
            f"CREATE TABLE t (a INT PRIMARY KEY, b TEXT) COMMENT '{text[:900]}'",
            f"INSERT INTO t VALUES (1, '{text}')",
            "UPDATE t SET a = 2",
            "DELETE FROM t",
        )
    value = text.encode()
    assert text[:900] in events[0].statement
    assert rows_of(events, "insert") == [(1, value)]
    assert rows_of(events, "update") == [(1, value), (2, value)]
    assert rows_of(events, "delete") == [(2, value)]


def test_compressed_columns_of_mariadb_are_unpacked(mariadb_server):
    schema = fresh_schema(mariadb_server)
    long = "xyz" * 500
    events = events_of(
        mariadb_server,
        schema,
        "CREATE TABLE t (a VARCHAR(50) COMPRESSED, b VARCHAR(3000) COMPRESSED, c TEXT COMPRESSED,"
        " d LONGBLOB COMPRESSED)",
        f"INSERT INTO t VALUES ('short', '{long}', '{long}', '{long}'), ('', '', '', ''),"
        " (NULL, NULL, NULL, NULL), ('a', 'b', 'c', 'd')",
        "SET column_compression_zlib_wrap = ON",
        f"INSERT INTO t VALUES ('é', '{long}', '{long}', '{long}')",
    )
    value = long.encode()
    assert rows_of(events) == [
        (b"short", value, value, value),
        (b"", b"", b"", b""),
        (None, None, None, None),
        (b"a", b"b", b"c", b"d"),
        ("é".encode(), value, value, value),
    ]
    assert [event.change_count for event in events if isinstance(event, RowsEvent)] == [4, 1]


def test_prepared_xa_transaction_and_its_later_commit_carry_the_same_id(source_server, schema):
    events = events_of(
        source_server,
        schema,
        "CREATE TABLE t (a INT)",
        "XA START 'gtrid', 'bqual', 7",
        "INSERT INTO t VALUES (1)",
        "XA END 'gtrid', 'bqual', 7",
        "XA PREPARE 'gtrid', 'bqual', 7",
        "XA COMMIT 'gtrid', 'bqual', 7",
    )
    prepared = next(event for event in events if isinstance(event, TransactionEnd))
    assert prepared.outcome == "xa_prepare"
    assert prepared.xid == "X'6774726964',X'627175616c',7"
    decision = events[-1]
    assert isinstance(decision, QueryEvent)
    assert not decision.in_transaction
    assert xa_decision(decision.statement) == XaDecision(prepared.xid, "commit")
    assert rows_of(events) == [(1,)]


def test_xa_transaction_committed_in_one_phase_is_a_commit(source_server, schema):
    events = events_of(
        source_server,
        schema,
        "CREATE TABLE t (a INT)",
        "XA START 'one'",
        "INSERT INTO t VALUES (1)",
        "XA END 'one'",
        "XA COMMIT 'one' ONE PHASE",
    )
    assert [type(e) for e in events[1:]] == [TransactionBegin, RowsEvent, TransactionEnd]
    assert events[-1].outcome == "commit"


@pytest.mark.parametrize("binlog_format", ["STATEMENT", "MIXED"])
def test_change_logged_as_a_statement_is_a_query_with_its_position(
    source_server, schema, binlog_format
):
    events = events_of(
        source_server,
        schema,
        "CREATE TABLE t (a INT PRIMARY KEY)",
        f"SET SESSION binlog_format = {binlog_format}",
        "INSERT INTO t VALUES (1)",
    )
    query = next(e for e in events if isinstance(e, QueryEvent) and e.in_transaction)
    assert query.statement == "INSERT INTO t VALUES (1)"
    assert query.schema == schema
    assert query.position < events[-1].position


def test_statement_is_decoded_by_the_character_set_of_its_session(source_server, schema):
    events = events_of(
        source_server,
        schema,
        "SET NAMES latin1, sql_mode = 'ANSI_QUOTES'",
        'CREATE TABLE "Käse" (a INT)'.encode("latin-1"),
    )
    (query,) = events
    assert query.statement == 'CREATE TABLE "Käse" (a INT)'
    assert query.ansi_quotes


def test_partial_json_update_is_refused_naming_position_and_setting(mysql_server):
    schema = fresh_schema(mysql_server)
    with pytest.raises(BinlogError, match=r"mysql-bin-changelog\.\d+:\d+.*binlog_row_value_opt"):
        events_of(
            mysql_server,
            schema,
            "CREATE TABLE t (a INT PRIMARY KEY, b JSON)",
            """INSERT INTO t VALUES (1, '{"x": 1, "y": "a long text that stays as it is"}')""",
            "SET binlog_row_value_options = PARTIAL_JSON",
            "UPDATE t SET b = JSON_SET(b, '$.x', 2)",
        )


@pytest.mark.parametrize("image", ["MINIMAL", "NOBLOB"])
def test_row_image_that_lacks_columns_is_refused(source_server, schema, image):
    with pytest.raises(BinlogError, match=r"lack columns; set binlog_row_image=FULL"):
        events_of(
            source_server,
            schema,
            "CREATE TABLE t (a INT PRIMARY KEY, b TEXT, c INT)",
            "INSERT INTO t VALUES (1, 'x', 2)",
            f"SET binlog_row_image = {image}",
            "UPDATE t SET c = 3",
        )


def test_full_row_metadata_tells_names_key_signs_and_members(source_server, schema):
    with global_setting(source_server, "binlog_row_metadata", "FULL"):
        events = events_of(
            source_server,
            schema,
            "CREATE TABLE t (n BIGINT UNSIGNED, s SET('a', 'b'), `k é` INT, e ENUM('x', 'y'),"
            " v VARCHAR(9) CHARACTER SET latin1, PRIMARY KEY (`k é`, n))",
            "INSERT INTO t VALUES (18446744073709551615, 'b', -1, 'y', 'v')",
        )
    rows = next(event for event in events if isinstance(event, RowsEvent))
    assert rows.metadata is not None
    columns = rows.metadata.columns
    assert [column.name for column in columns] == ["n", "s", "k é", "e", "v"]
    assert [columns[0].unsigned, columns[2].unsigned] == [True, False]
    assert columns[1].members == (b"a", b"b")
    assert columns[3].members == (b"x", b"y")
    assert columns[4].collation == 8
    assert rows.metadata.primary_key == (2, 0)
    assert list(rows.rows) == [(-1, 2, -1, 2, b"v")]


@pytest.mark.parametrize("metadata", ["MINIMAL", "FULL"])
def test_values_do_not_depend_on_row_metadata(source_server, schema, metadata):
    with global_setting(source_server, "binlog_row_metadata", metadata):
        events = events_of(
            source_server,
            schema,
            "CREATE TABLE t (g POINT, a INT UNSIGNED, b VARCHAR(9), h GEOMETRY, f YEAR, d DOUBLE)",
            "INSERT INTO t VALUES (POINT(1, 2), 4294967295, 'é', NULL, 1999, 0.5)",
        )
    ((point, *others),) = rows_of(events)
    assert len(point) == 25
    assert others == [-1, "é".encode(), None, 1999, 0.5]


def test_rows_query_and_annotate_events_are_passed_over(source_server, schema):
    setting = (
        "binlog_annotate_row_events"
        if source_server.program.is_mariadb
        else "binlog_rows_query_log_events"
    )
    events = events_of(
        source_server,
        schema,
        f"SET {setting} = ON",
        "CREATE TABLE t (a INT)",
        "INSERT INTO t VALUES (1)",
    )
    assert [type(e) for e in events[1:]] == [TransactionBegin, RowsEvent, TransactionEnd]


def test_idle_stream_hears_heartbeats_and_keeps_its_position(source_server, monkeypatch):
    monkeypatch.setattr("dms_pipeline.binlog.stream._HEARTBEAT_S", 1)
    with admin(source_server) as connection:
        connection.cursor().execute("FLUSH BINARY LOGS")
        if source_server.program.is_mariadb:
            _wait_until_rotation_is_noted(connection)
        start = current_position(connection)
    heard: list[int] = []
    with BinlogStream(as_dms_user(source_server), start=start) as stream:
        while stream.poll(0.2) is not None:
            pass
        monkeypatch.setattr(stream._framer, "events", _noting(heard, stream._framer.events))
        assert stream.poll(2.5) is None
        with admin(source_server) as connection:
            assert current_position(connection) == start
        assert stream.position == stream.safe_position == start
    assert heard
    assert set(heard) <= {27, 41}


def _wait_until_rotation_is_noted(connection):
    """MariaDB notes a new file of the log in it some time after it began it, by an event."""
    name = current_position(connection).file
    deadline = time.monotonic() + 20
    with connection.cursor() as cursor:
        while True:
            cursor.execute(f"SHOW BINLOG EVENTS IN '{name}'")
            noted = [row[5] for row in cursor.fetchall() if row[2] == "Binlog_checkpoint"]
            if noted[-1:] == [name]:
                return
            assert time.monotonic() < deadline, noted
            time.sleep(0.05)


def _noting(heard, events):
    def noting(packets):
        heard.extend(packet[5] for packet in packets)
        return events(packets)

    return noting


def test_unknown_file_is_reported_with_the_position_and_what_to_do(source_server):
    start = BinlogPosition("mysql-bin-changelog.999999", 4)
    with (
        pytest.raises(BinlogError, match=r"mysql-bin-changelog\.999999:4.*full load is needed"),
        BinlogStream(as_dms_user(source_server), start=start) as stream,
    ):
        stream.poll(5.0)


def test_offset_beyond_4_gb_is_refused_before_anything_is_read(source_server):
    start = BinlogPosition("mysql-bin-changelog.000001", 2**32)
    with (
        pytest.raises(BinlogError, match=r"only the first 4 GB of a file"),
        BinlogStream(as_dms_user(source_server), start=start),
    ):
        pass


def test_binary_logs_are_listed_with_their_sizes(source_server):
    with as_dms_user(source_server).connect() as connection:
        end = current_position(connection)
        assert binary_logs(connection)[-1] == (end.file, end.offset)


def test_account_with_caching_sha2_password_reads_the_log_after_the_server_restarted(mysql_server):
    """A restarted server has no cached password: the full exchange is needed."""
    execute(mysql_server, "FLUSH PRIVILEGES")
    with as_dms_user(mysql_server).connect() as connection:
        assert current_position(connection).offset > 0
