"""The same binary log read by us and by python-mysql-replication: equal tables, kinds, values."""

from datetime import date, datetime, timedelta
from random import Random

import pytest
from pymysqlreplication import BinLogStreamReader  # type: ignore[import-untyped]
from pymysqlreplication.row_event import (  # type: ignore[import-untyped]
    DeleteRowsEvent,
    UpdateRowsEvent,
    WriteRowsEvent,
)

from dms_pipeline.binlog.events import RowsEvent
from dms_pipeline.binlog.row_decoder import Row
from dms_pipeline.binlog.snapshot import current_position
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline_tests.binlog_source import admin, as_dms_user, execute, fresh_schema
from dms_pipeline_tests.random_rows import Column, random_column

TABLES = 8
STATEMENTS = 25
SECOND = timedelta(seconds=1)
KINDS = {WriteRowsEvent: "insert", UpdateRowsEvent: "update", DeleteRowsEvent: "delete"}


@pytest.fixture
def named_columns(source_server):
    """Members of ENUM and SET, signs and character sets: the other reader knows them by these."""
    with admin(source_server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.binlog_row_metadata")
        before = cursor.fetchone()[0]
    execute(source_server, "SET GLOBAL binlog_row_metadata = FULL")
    yield
    execute(source_server, f"SET GLOBAL binlog_row_metadata = {before}")


@pytest.mark.usefixtures("named_columns")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(4))
def test_random_changes_are_read_as_the_other_reader_reads_them(source_server, seed):
    random = Random(seed)
    schema = fresh_schema(source_server)
    with admin(source_server) as connection:
        start = current_position(connection)
    tables = [[random_column(random) for _ in range(random.randint(1, 20))] for _ in range(TABLES)]
    for number, columns in enumerate(tables):
        change_at_random(source_server, f"{schema}.t{number}", columns, random)
    with admin(source_server) as connection:
        end = current_position(connection)
    ours = [row for event in our_events(source_server, start, end) for row in our_rows(event)]
    theirs = their_rows(source_server, start, end, tables)
    assert len(ours) > TABLES * STATEMENTS / 2
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    for (table, _, mine), (_, _, others) in zip(ours, theirs, strict=True):
        for column, value, other in zip(tables[int(table[1:])], mine, others, strict=True):
            assert (column.definition, normal(column, value)) == (column.definition, other)


@pytest.mark.parametrize("seed", range(100, 103))
def test_random_changes_add_up_to_what_the_server_shows(source_server, seed):
    """Its own texts for numbers, dates and times, fractions and signs included."""
    random = Random(seed)
    schema = fresh_schema(source_server)
    with admin(source_server) as connection:
        start = current_position(connection)
    tables = [[random_column(random) for _ in range(random.randint(1, 20))] for _ in range(TABLES)]
    for number, columns in enumerate(tables):
        change_at_random(source_server, f"{schema}.t{number}", columns, random)
    with admin(source_server) as connection:
        end = current_position(connection)
    read = replayed(our_events(source_server, start, end))
    for number, columns in enumerate(tables):
        for row in shown(source_server, f"{schema}.t{number}"):
            mine = read.pop((f"t{number}", int(row[0])))
            for column, value, text in zip(columns, mine[1:], row[1:], strict=True):
                if column.kind in SHOWN_KINDS or column.kind.startswith("unsigned"):
                    mine_text = None if value is None else as_shown(column, value)
                    assert (column.definition, mine_text) == (column.definition, text)
    assert not read


SHOWN_KINDS = ("integer", "decimal", "date", "time", "datetime")


def as_shown(column: Column, value) -> str:
    value = value if column.kind in ("date", "time", "datetime") else normal(column, value)
    return f"{value:f}" if column.kind == "decimal" else str(value)


def shown(server, table):
    with admin(server) as connection, connection.cursor() as cursor:
        connection.decoders = {}
        cursor.execute(f"SELECT * FROM {table}")
        return cursor.fetchall()


def replayed(events):
    state: dict[tuple[str, int], Row] = {}
    for event in events:
        rows = list(event.rows)
        for old, new in zip(rows[::2], rows[1::2], strict=True) if event.kind == "update" else ():
            del state[event.table.table, old[0]]
            state[event.table.table, new[0]] = new
        for row in rows if event.kind != "update" else ():
            if event.kind == "insert":
                state[event.table.table, row[0]] = row
            else:
                assert state.pop((event.table.table, row[0])) == row
    return state


def change_at_random(server, table: str, columns: list[Column], random: Random) -> None:
    definitions = ", ".join(f"c{n} {column.definition}" for n, column in enumerate(columns))
    with admin(server) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = 'NO_ENGINE_SUBSTITUTION'")
        cursor.execute(f"CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, {definitions})")
        for _ in range(STATEMENTS):
            values = [None if random.random() < 0.15 else c.draw(random) for c in columns]
            word = random.choice(("INSERT", "INSERT", "INSERT", "UPDATE", "DELETE"))
            if word == "INSERT":
                places = ", ".join(["%s"] * len(columns))
                cursor.execute(f"INSERT INTO {table} VALUES (NULL, {places})", values)
            elif word == "UPDATE":
                changes = ", ".join(f"c{n} = %s" for n in range(len(columns)))
                cursor.execute(
                    f"UPDATE {table} SET {changes} WHERE id %% 3 = {random.randint(0, 2)}", values
                )
            else:
                cursor.execute(f"DELETE FROM {table} ORDER BY id LIMIT 1")


def our_events(server, start, end):
    with BinlogStream(as_dms_user(server), start=start) as stream:
        return [event for event in stream.events_until(end) if isinstance(event, RowsEvent)]


def our_rows(event):
    rows = list(event.rows)
    # Walking must find the same rows as decoding does.
    assert len(list(event.rows.spans())) == len(rows)
    return [(event.table.table, event.kind, row[1:]) for row in rows]


def their_rows(server, start, end, tables):
    stream = BinLogStreamReader(
        connection_settings={
            "host": "127.0.0.1",
            "port": server.port,
            "user": "admin",
            "passwd": server.settings.admin_password,
        },
        server_id=77,
        log_file=start.file,
        log_pos=start.offset,
        resume_stream=True,
        only_events=list(KINDS),
        end_log_pos=end.offset,
    )
    try:
        return [
            (event.table, KINDS[type(event)], normal_others(tables[int(event.table[1:])], image))
            for event in stream
            for row in event.rows
            for image in images_of(row)
        ]
    finally:
        stream.close()


def images_of(row):
    if "values" in row:
        return [row["values"]]
    return [row["before_values"], row["after_values"]]


def normal(column: Column, value):
    """Our value as the table's definition means it, in the form in which they have it."""
    if value is None:
        return None
    kind = column.kind.rstrip("0123456789")
    return OUR_FORMS[kind](column, value) if kind in OUR_FORMS else value


OUR_FORMS = {
    "unsigned": lambda column, value: value % 2 ** int(column.kind.removeprefix("unsigned")),
    "utf8mb": lambda column, value: value.decode(),
    "latin": lambda column, value: value.decode("cp1252"),
    "bit": lambda column, value: f"{value:0{column.kind.removeprefix('bit')}b}",
    "enum": lambda column, value: column.members[value - 1],
    # They read an empty SET as NULL.
    "set": lambda column, value: (
        {member for bit, member in enumerate(column.members) if value >> bit & 1} or None
    ),
    "date": lambda column, value: None if value == "0000-00-00" else date.fromisoformat(value),
    "datetime": lambda column, value: datetime.fromisoformat(value),
    "time": lambda column, value: comparable(duration(value)),
}


def duration(text: str) -> timedelta:
    hours, minutes, seconds = text.lstrip("-").split(":")
    whole, _, fraction = seconds.partition(".")
    length = timedelta(
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(whole),
        microseconds=int(fraction.ljust(6, "0")),
    )
    return -length if text.startswith("-") else length


def normal_others(columns: list[Column], values: dict[str, object]):
    _, *rest = values.values()
    return tuple(map(normal_other, columns, rest))


def normal_other(column: Column, value):
    """Their value without what they are known to read differently."""
    if column.kind == "year" and value == 1900:
        return 0
    if column.kind == "bytes" and value == "":
        return b""
    if column.kind == "time" and value is not None:
        return comparable(value)
    return value


def comparable(length: timedelta) -> timedelta:
    """Their fraction of a negative TIME is what is missing to the next second."""
    return length // SECOND * SECOND if length < timedelta() else length
