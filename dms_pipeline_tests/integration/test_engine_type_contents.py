"""Text, bytes, labels, documents and shapes by both ways: the same value, and the right one."""

import pytest

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.lob_settings import LobSettings
from dms_pipeline.local_dms.engine.source_schema import read_tables
from dms_pipeline_tests.both_paths import BothPaths
from dms_pipeline_tests.engine_driver import connect_source


@pytest.fixture
def paths(source_server, postgres, request):
    opened = BothPaths(source_server.dsn, postgres.dsn, "tc")
    yield opened
    opened.close()


TEXTS = {
    "utf8mb4": "é€😀\\ \t\n\r\x01'\"", "utf8mb3": "é€\\N", "latin1": "é€ÿ\x81", "ascii": "plain",
    "cp1251": "Привет№", "cp1250": "žluť", "utf16": "é😀", "utf16le": "é😀", "utf32": "é😀",
    "ucs2": "é€", "sjis": "日本\\", "cp932": "日本①", "ujis": "日本\\", "eucjpms": "日本①",
    "gbk": "中文", "big5": "中文裏", "euckr": "한국갂", "greek": "Ελλάδα", "hebrew": "שלום",
    "koi8r": "Привет", "cp866": "Приветⁿ", "tis620": "ไทย", "dec8": "Œÿ", "hp8": "é",
    "swe7": "ÅÄÖ", "armscii8": "Հայ", "geostd8": "ქართ№", "keybcs2": "žluť", "macroman": "é",
    "latin2": "ž", "latin5": "ş", "latin7": "ž", "cp850": "é", "cp852": "ž", "cp1256": "ع",
    "cp1257": "ž", "gb2312": "中文", "macce": "ž", "koi8u": "Їжак",
}  # fmt: skip


def test_text_of_every_character_set_is_the_text(paths):
    columns = ", ".join(
        f"c_{name} char(20) character set {name}, v_{name} varchar(300) character set {name},"
        f" e_{name} enum('x', '{text[0]}') character set {name}, t_{name} text character set {name}"
        for name, text in TEXTS.items()
    )
    values = [v for text in TEXTS.values() for v in (text + "  ", text + " ", 2, text)]
    found = paths.table(
        f"id int primary key, {columns}", [(1, *values), (2, *[None] * len(values))]
    )
    assert found.loaded == found.captured
    for name, text in TEXTS.items():
        assert found.column(f"c_{name}") == [text, None]
        assert found.column(f"v_{name}") == [text + " ", None]
        assert found.column(f"e_{name}") == [text[0], None]
        assert found.column(f"t_{name}") == [text, None]


def test_empty_text_and_bytes_are_not_null(paths):
    found = paths.table(
        "id int primary key, v varchar(9), c char(9), t text, l longtext, b blob, vb varbinary(9),"
        " f binary(3), e enum('', 'a'), s set('a')",
        [(1, *[""] * 9), (2, *[None] * 9)],
    )
    assert found.loaded == found.captured
    assert found.loaded[0][1:] == ("", "", "", "", "\\x", "\\x", "\\x000000", "", "")
    assert set(found.loaded[1][1:]) == {None}


def test_lengths_over_one_byte_of_length(paths):
    found = paths.table(
        "id int primary key, v varchar(300), c char(255), w varchar(20000), b varbinary(300),"
        " f binary(255), x char(200) character set utf16",
        [(1, "é" * 300, "😀" * 255, "x" * 16000, b"\xff" * 300, b"\xfe" * 254 + b"\0", "é" * 200)],
    )
    assert found.column("v") == ["é" * 300]
    assert found.column("c") == ["😀" * 255]
    assert found.column("f") == ["\\x" + "fe" * 254 + "00"]
    assert found.column("x") == ["é" * 200]


def test_trailing_zeros_and_blanks_of_fixed_columns(paths):
    found = paths.table(
        "id int primary key, f binary(4), v varbinary(4), c char(4), w varchar(4)",
        [
            (1, b"\0\0", b"\0\0", "a ", "a "),
            (2, b" a ", b" a ", " a", " a"),
            (3, b"", b"", " ", " "),
        ],
    )
    assert found.column("f") == ["\\x00000000", "\\x20612000", "\\x00000000"]
    assert found.column("v") == ["\\x0000", "\\x206120", "\\x"]
    assert found.column("c") == ["a", " a", ""]
    assert found.column("w") == ["a ", " a", " "]


def test_nul_in_text_is_an_error_of_its_row(paths):
    found = paths.table("id int primary key, v varchar(9)", [(1, "a\0b"), (2, "ab")])
    assert found.column("v") == ["ab"]
    for errors in (found.unfit_loaded, found.unfit_captured):
        assert [(error.column, error.key, error.is_truncation) for error in errors] == [
            ("v", ("1",), False)
        ]


def test_enum_and_set_are_labels_however_odd(paths):
    found = paths.table(
        r"id int primary key, e enum('a,b','it''s','back\\slash','é€','tab\there'),"
        " s set('a','b c','é')",
        [(1, "a,b", "a,é"), (2, "it's", ""), (3, "back\\slash", "b c"), (4, "é€", "é,a"),
         (5, "no such label", "no such"), (6, None, None), (7, "tab\there", "a,b c,é")],
    )  # fmt: skip
    assert found.column("e") == ["a,b", "it's", "back\\slash", "é€", "", None, "tab\there"]
    assert found.column("s") == ["a,é", "", "b c", "a,é", "", None, "a,b c,é"]


def test_set_of_64_members(paths):
    labels = [f"m{n}" for n in range(64)]
    members = ",".join(f"'{label}'" for label in labels)
    found = paths.table(
        f"id int primary key, s set({members})", [(1, ",".join(labels)), (2, "m63"), (3, "m0")]
    )
    assert found.column("s") == [",".join(labels), "m63", "m0"]


def test_enum_of_more_than_255_members(paths):
    members = ",".join(f"'m{n}'" for n in range(300))
    found = paths.table(f"id int primary key, e enum({members})", [(1, "m299"), (2, "m0")])
    assert found.column("e") == ["m299", "m0"]


FOUR_BYTE_SETS = ("utf8mb4", "utf16", "utf16le", "utf32", "gb18030")


def test_labels_beyond_u_ffff_come_from_the_values(paths, source_server):
    """Every description of the column has a question mark there."""
    charsets = FOUR_BYTE_SETS[: -1 if source_server.program.is_mariadb else None]
    columns = ", ".join(
        f"e_{name} enum('?','a😀\\\\','it''s 𝄞') character set {name} not null,"
        f" s_{name} set('a','?','😀') character set {name}"
        for name in charsets
    )
    rows = [(number, *[number, number + 3] * len(charsets)) for number in (1, 2, 3)]
    found = paths.table(f"id int primary key, {columns}", rows)
    for name in charsets:
        assert found.column(f"e_{name}") == ["?", "a😀\\", "it's 𝄞"]
        assert found.column(f"s_{name}") == ["😀", "a,😀", "?,😀"]
    assert found.plan.columns[1].mapping.target_type == "varchar(6)"


def test_many_labels_beyond_u_ffff(paths):
    enum, members = (",".join(f"'m{n}😀'" for n in range(count)) for count in (3000, 64))
    found = paths.table(
        f"id int primary key, e enum({enum}), s set({members})",
        [(1, "m2999😀", "m63😀"), (2, "m255😀", "m0😀,m63😀"), (3, "m0😀", "m0😀,m62😀")],
    )
    assert found.column("e") == ["m2999😀", "m255😀", "m0😀"]
    assert found.column("s") == ["m63😀", "m0😀,m63😀", "m0😀,m62😀"]


def test_labels_that_the_server_does_not_tell_are_warned_of(paths, source_server, caplog):
    """Here, because the account may only write."""
    paths.run(
        "DROP TABLE IF EXISTS t",
        "CREATE TABLE t (e enum('a','😀'), s set('why?'))",
        "DROP USER IF EXISTS writer",
        "CREATE USER writer IDENTIFIED BY 'writer'",
        f"GRANT INSERT ON {paths.schema}.* TO writer",
    )
    settings = ConnectionSettings("127.0.0.1", source_server.port, "writer", "writer")
    table = TableId(paths.schema, "t")
    with settings.connect() as connection:
        columns = read_tables(connection, {table: 0})[table].columns
    paths.run("DROP USER writer")
    assert [column.column_type for column in columns] == ["enum('a','?')", "set('why?')"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "table tc.t, column e: labels with a question mark" in caplog.text


def test_labels_are_told_where_the_sql_mode_is_oracle(paths, mariadb_server, source_server, caplog):
    if source_server is not mariadb_server:
        pytest.skip("MySQL has no such mode")
    paths.run("DROP TABLE IF EXISTS t", "CREATE TABLE t (s set('a','😀'), e enum('😀'))")
    table = TableId(paths.schema, "t")
    with connect_source(source_server.dsn, sql_mode="ORACLE") as connection:
        columns = read_tables(connection, {table: 0})[table].columns
    assert [column.column_type for column in columns] == ["set('a','😀')", "enum('😀')"]
    assert caplog.records == []


def test_labels_of_the_character_set_binary_are_utf8(paths, source_server):
    # MySQL takes ASCII labels only.
    other, odd = ("é😀", b"\xff") if source_server.program.is_mariadb else ("b", b"c")
    paths.run("SET character_set_connection = binary")
    definition = f"id int primary key, e enum('a','{other}',0x%s) character set binary" % odd.hex()
    found = paths.table(definition, [(1, 1), (2, 2), (3, None)])
    assert found.column("e") == ["a", other, None]


def test_bytes_that_are_not_ascii_are_the_question_marks_that_the_server_shows(
    paths, source_server
):
    found = paths.table(
        "id int primary key, v varchar(9) character set ascii, e enum('ß') character set utf8mb4",
        statements=[
            "ALTER TABLE t CONVERT TO CHARACTER SET ascii",
            "INSERT INTO t VALUES (1, _binary x'41C39F', 1), (2, _binary x'FF', NULL)",
        ],
    )
    # MySQL cuts such text off.
    text = ["A??", "?"] if source_server.program.is_mariadb else ["A", ""]
    assert found.column("v") == text
    assert found.column("e") == ["??", None]


def test_labels_that_a_conversion_left_as_no_text_are_errors(paths):
    found = paths.table(
        "id int primary key, s set('c', 'bb', 'a'), e enum('a', 'bb')",
        statements=[
            "ALTER TABLE t CONVERT TO CHARACTER SET utf16",
            "INSERT INTO t VALUES (1, 5, NULL), (2, 2, 2), (3, 1, NULL), (4, NULL, 1)",
        ],
    )
    assert found.captured == [("2", "扢", "扢")]
    assert {error.key for error in found.unfit_captured} == {("1",), ("3",), ("4",)}


JSON_VALUES = [
    '{"b": 1, "aa": [1, 2.50, -3e100, 1e20, 0.1], "a": null}', "[]", "{}", "null", "true", '"x"',
    '[18446744073709551615, -9223372036854775808, 65535, -32768, 2147483648, 4294967296]',
    r'["\"\\\b\f\n\r\t\u0001\u0000/", "é😀"]', "[0.00001, 1e-15, 1e-16, 1e15, 100000000000000.0]",
    '[[[[{"k": {"": ""}}]]]]', "-0.0", "[" + ", ".join(['"' + "y" * 200 + '"'] * 600) + "]",
    "{" + ", ".join(f'"k{n:05d}": {n * 1000}' for n in range(6000)) + "}",
]  # fmt: skip


def test_json_is_the_text_the_server_prints(paths, source_server):
    found = paths.table("id int primary key, j json", enumerate([*JSON_VALUES, None]))
    assert found.loaded == found.captured
    if not source_server.program.is_mariadb:
        assert found.column("j")[0] == '{"a": null, "b": 1, "aa": [1, 2.5, -3e100, 1e20, 0.1]}'
    assert found.column("j")[-1] is None
    assert found.plan.columns[1].mapping.target_type == "text"


def test_json_values_without_json_literal(paths, source_server):
    if source_server.program.is_mariadb:
        pytest.skip("MariaDB stores JSON as text")
    values = [
        "CAST(1.10 AS DECIMAL(10,4))", "CAST('-" + "9" * 35 + ".5' AS DECIMAL(65,30))",
        "CAST(0 AS DECIMAL(9,7))", "DATE'2024-02-29'", "TIME'-838:59:59'", "TIME'10:11:12.5'",
        "TIMESTAMP'2024-02-29 01:02:03.000004'", "X'00ff41'", "b'101'",
        "CAST(REPEAT('x', 200) AS BINARY)", "ST_GeomFromText('POINT(1 2)')",
    ]  # fmt: skip
    found = paths.table(
        "id int primary key, j json",
        statements=[
            f"INSERT INTO t VALUES ({n}, JSON_ARRAY({value}, JSON_OBJECT('k', {value})))"
            for n, value in enumerate(values)
        ],
    )
    assert found.column("j")[0] == '[1.1000, {"k": 1.1000}]'
    assert len(found.captured) == len(values)


def test_geometries_are_srid_and_wkb(paths):
    found = paths.table(
        "id int primary key, g geometry, p point, l linestring, y polygon, m multipoint,"
        " c geometrycollection",
        statements=[
            "INSERT INTO t VALUES (1, ST_GeomFromText('POINT(1 2)', 4326), ST_GeomFromText("
            "'POINT(3 4)'), ST_GeomFromText('LINESTRING(0 0, 1 1)'), ST_GeomFromText("
            "'POLYGON((0 0, 1 0, 1 1, 0 0))'), ST_GeomFromText('MULTIPOINT(1 1, 2 2)'),"
            " ST_GeomFromText('GEOMETRYCOLLECTION(POINT(5 5))'))",
            "INSERT INTO t (id) VALUES (2)",
        ],
    )
    one, two = "000000000000f03f", "0000000000000040"
    assert found.column("g") in (
        # MySQL turns the axes of a geographic system around when it reads text.
        ["\\xe6100000" + "0101000000" + one + two, None],
        ["\\xe6100000" + "0101000000" + two + one, None],
    )
    assert found.column("p")[0] == "\\x00000000" + "0101000000" + "00000000000008400000000000001040"


def test_blobs_of_every_size(paths):
    big = bytes(range(256)) * 4096 * 16
    found = paths.table(
        "id int primary key, t tinyblob, b blob, m mediumblob, l longblob, lt longtext",
        [
            (
                1,
                b"\xff\0" * 127,
                b"\0" * 65535,
                big[: 2**24 - 1 - 2**20],
                big[: 2**21],
                "😀" * 300_000,
            )
        ],
    )
    assert found.column("b") == ["\\x" + "00" * 65535]
    assert found.column("m") == ["\\x" + big[: 2**24 - 1 - 2**20].hex()]
    assert found.column("lt") == ["😀" * 300_000]


def test_large_objects_are_cut_off_at_the_limit_and_counted(paths):
    found = paths.table(
        "id int primary key, l longtext, m mediumblob, t text, v varchar(2000)",
        [(1, "é" * 1000, b"z" * 2000, "t" * 2000, "v" * 2000), (2, "x", b"y", "t", "v")],
        lobs=LobSettings("limited", 1025),
    )
    assert found.column("l") == ["é" * 512, "x"]
    assert found.column("m") == ["\\x" + "7a" * 1025, "\\x79"]
    assert found.column("t") == ["t" * 2000, "t"]
    assert {column: count for (column, _), count in found.plan.losses.counts.items()} == {
        "l": 1, "m": 1,
    }  # fmt: skip


def test_without_lob_support_only_large_objects_are_left_out(paths):
    found = paths.table(
        "id int primary key, l longtext, m mediumblob, t text, b blob, g point, j json",
        [(1, "l", b"m", "t", b"b", None, "{}")],
        lobs=LobSettings("none"),
    )
    assert [column.target_name for column in found.plan.columns] == ["id", "t", "b"]
    assert found.loaded == found.captured == [("1", "t", "\\x62")]


def test_generated_columns_have_their_values_by_both_ways(paths):
    found = paths.table(
        "id int primary key, a int, v int as (a + 1) virtual, s int as (a * 2) stored,"
        " w varchar(20) as (concat('x', a)) virtual",
        statements=["INSERT INTO t (id, a) VALUES (1, 5), (2, NULL)"],
    )
    assert found.loaded == found.captured == [("1", "5", "6", "10", "x5"), ("2", *[None] * 4)]


def test_invisible_columns_come_over(paths):
    found = paths.table(
        "id int primary key, a int default 3 invisible, b int",
        statements=["INSERT INTO t (id, b) VALUES (1, 2)"],
    )
    assert found.loaded == found.captured == [("1", "3", "2")]


def test_mariadb_network_types_are_text(paths, source_server):
    if not source_server.program.is_mariadb:
        pytest.skip("MySQL has no such types")
    found = paths.table(
        "id int primary key, u uuid, i inet4, j inet6",
        [
            (1, "123e4567-e89b-12d3-a456-426655440000", "1.2.3.0", "2001:db8::ff00"),
            (2, "00000000-0000-0000-0000-000000000000", "0.0.0.0", "::"),
            (3, "6ccd780c-baba-7026-9564-5b8c65602400", "255.255.255.255", "::ffff:1.2.3.4"),
            (4, "ffffffff-ffff-ffff-ffff-ffffffffff00", None, "1:0:0:2::3"),
            (5, None, "10.0.0.1", "::1.2.3.4"), (6, None, None, "1:2:3:4:5:6:7:8"),
            (7, None, None, "0:0:1::"), (8, None, None, "::1"), (9, None, None, "1:0:2:0:3:0:4:0"),
        ],
    )  # fmt: skip
    assert found.column("u")[0] == "123e4567-e89b-12d3-a456-426655440000"
    assert found.column("i")[:3] == ["1.2.3.0", "0.0.0.0", "255.255.255.255"]
    assert found.column("j")[0] == "2001:db8::ff00"


def test_mariadb_compressed_columns_are_their_contents(paths, source_server):
    if not source_server.program.is_mariadb:
        pytest.skip("MySQL has no such columns")
    found = paths.table(
        "id int primary key, v varchar(3000) compressed, t text compressed, b longblob compressed",
        [(1, "é" * 1500, "t" * 60000, b"\0" * 100_000), (2, "x", "", b"y"), (3, *[None] * 3)],
    )
    assert found.column("v") == ["é" * 1500, "x", None]
    assert found.column("t") == ["t" * 60000, "", None]


def test_years_of_two_digits_get_their_century(paths, source_server):
    if not source_server.program.is_mariadb:
        pytest.skip("MySQL has no such type")
    years = ((1, 0), (2, 69), (3, 70), (4, 99), (5, None), (6, 1901), (7, -1))
    found = paths.table("id int primary key, y year(2)", years)
    assert found.column("y") == ["2000", "2069", "1970", "1999", None, "2001", "2000"]
