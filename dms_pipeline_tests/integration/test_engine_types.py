"""Numbers, bits, dates and times by both ways: the same value, and the right one."""

import pytest

from dms_pipeline_tests.both_paths import BothPaths

BIG = 2**63


@pytest.fixture
def paths(source_server, postgres, request):
    opened = BothPaths(source_server.dsn, postgres.dsn, "ty")
    yield opened
    opened.close()


def test_integers_keep_their_extremes(paths):
    rows = [
        (1, -128, 255, -32768, 65535, -8388608, 16777215, -(2**31), 2**32 - 1, -BIG, BIG - 1, 7),
        (2, 127, 0, 32767, 0, 8388607, 0, 2**31 - 1, 0, BIG - 1, 0, 0),
        (3, *[None] * 11),
    ]
    found = paths.table(
        "id int primary key, a tinyint, b tinyint unsigned, c smallint, d smallint unsigned,"
        " e mediumint, f mediumint unsigned, g int, h int unsigned, i bigint, j bigint unsigned,"
        " z int(8) zerofill",
        rows,
    )
    assert found.loaded == found.captured
    assert found.loaded == [
        tuple(None if value is None else str(value) for value in row) for row in rows
    ]


def test_unsigned_bigint_beyond_bigint_is_an_error_of_its_row_only(paths):
    found = paths.table(
        "id int primary key, v bigint unsigned", [(1, BIG - 1), (2, BIG), (3, 2**64 - 1)]
    )
    assert found.column("v") == [str(BIG - 1)]
    for errors in (found.unfit_loaded, found.unfit_captured):
        assert [(error.column, error.key) for error in errors] == [("v", ("2",)), ("v", ("3",))]
        assert str(errors[0]).startswith("table ty.t, column v, key (2): BIGINT UNSIGNED above")


def test_decimals_are_exact(paths):
    values = ["0", "-0.000000000000000000000000000001", "9" * 35 + "." + "9" * 30, "1.5", "-1"]
    found = paths.table(
        "id int primary key, d decimal(65,30), n decimal(65,0), s decimal(9,9), u decimal(5,2)"
        " unsigned zerofill",
        [(i, value, "-" + "9" * 65, "-0.123456789", "1.5") for i, value in enumerate(values)],
    )
    assert found.column("d") == [
        "0." + "0" * 30, values[1], values[2], "1.5" + "0" * 29, "-1." + "0" * 30,
    ]  # fmt: skip
    assert found.column("n")[0] == "-" + "9" * 65
    assert found.column("s")[0] == "-0.123456789"
    assert found.column("u")[0] == "1.50"


def test_floats_and_doubles_come_over_to_the_last_bit(paths):
    values = [0, 0.1, 16777217, 3.4028234e38, -1.17549435e-38, 1e-45, 123456.789, 1 / 3]
    found = paths.table(
        "id int primary key, f float, d double, fd float(10,3), dd double(20,3)",
        [(i, v, v, min(abs(v), 1e6), min(abs(v), 1e9)) for i, v in enumerate(values)],
    )
    assert found.column("d") == [
        "0", "0.1", "16777217", "3.4028234e+38", "-1.17549435e-38", "1e-45", "123456.789",
        "0.3333333333333333",
    ]  # fmt: skip
    assert found.column("f") == [
        "0", "0.1", "16777216", "3.4028235e+38", "-1.1754944e-38", "1.4013e-45", "123456.79",
        "0.33333334",
    ]  # fmt: skip
    assert found.column("dd")[6] == "123456.789"


def test_negative_zero_is_not_lost(paths):
    found = paths.table(
        "id int primary key, f float, d double",
        statements=["INSERT INTO t VALUES (1, 0e0 * -1e0, 0e0 * -1e0)"],
    )
    assert found.column("f") == found.column("d")


@pytest.mark.parametrize("bits", [1, 2, 8, 9, 31, 32, 63, 64])
def test_bits_are_bytes_and_one_bit_is_boolean(paths, bits):
    values = sorted({0, 1, 2**bits - 1, 1 << bits - 1})
    found = paths.table(f"id int primary key, b bit({bits})", list(enumerate([*values, None])))
    size = (bits + 7) // 8
    expected = [
        ("true" if value else "false") if bits == 1 else "\\x" + value.to_bytes(size, "big").hex()
        for value in values
    ]
    assert found.column("b") == [*expected, None]


def test_dates_outside_the_calendar_become_null_and_are_counted(paths):
    values = ["0000-00-00", "2024-02-30", "2024-00-10", "0000-01-01", "1000-01-01", "9999-12-31"]
    paths.run("SET sql_mode = 'ALLOW_INVALID_DATES'")
    found = paths.table(
        "id int primary key, d date, t datetime, y year",
        [(i, value, value, 0) for i, value in enumerate(values)],
    )
    paths.run("SET sql_mode = ''")
    assert found.column("d") == [None, None, None, None, "1000-01-01", "9999-12-31"]
    assert found.column("t")[3:] == [None, "1000-01-01 00:00:00", "9999-12-31 00:00:00"]
    assert found.column("y")[0] == "0"
    assert {column: count for (column, _), count in found.plan.losses.counts.items()} == {
        "d": 4, "t": 4,
    }  # fmt: skip


@pytest.mark.parametrize("digits", range(7))
def test_fractions_of_seconds_are_kept_as_the_column_has_them(paths, digits):
    shown = f"'{'2024-06-01 12:34:56.123456'[: 19 + (digits and digits + 1)]}'"
    found = paths.table(
        f"id int primary key, d datetime({digits}), ts timestamp({digits}) null, t time({digits}),"
        f" n time({digits})",
        statements=[
            f"INSERT INTO t VALUES (1, {shown}, {shown}, '838:59:58.123456', '-00:00:00.9')",
            "INSERT INTO t VALUES (2, '2024-06-01 00:00:00', '2024-06-01 00:00:00', '0:0:0', '1')",
        ],
    )
    fraction = f".{123456:06d}"[: digits + 1].rstrip("0").rstrip(".") if digits else ""
    assert found.column("d")[0] == f"2024-06-01 12:34:56{fraction}"
    # The session that wrote it was five and a half hours behind UTC.
    assert found.column("ts")[0] == f"2024-06-01 18:04:56{fraction}"
    assert len(found.column("t")[0] or "") == len("838:59:58") + (digits and digits + 1)
    assert found.column("n")[1] == "00:00:01" + (f".{0:0{digits}d}" if digits else "")


def test_times_reach_over_more_than_a_day_in_both_directions(paths):
    found = paths.table(
        "id int primary key, t time, m time(6)",
        [
            (1, "-838:59:59", "-838:59:58.999999"), (2, "838:59:59", "838:59:58.999999"),
            (3, "0", "-00:00:00.000001"), (4, "24:00:00", "100:00:00.5"),
        ],
    )  # fmt: skip
    assert found.column("t") == ["-838:59:59", "838:59:59", "00:00:00", "24:00:00"]
    assert found.column("m") == [
        "-838:59:58.999999", "838:59:58.999999", "-00:00:00.000001", "100:00:00.500000",
    ]  # fmt: skip


def test_timestamps_are_utc_to_both_ends_of_their_range(paths):
    paths.run("SET time_zone = '+00:00'")
    found = paths.table(
        "id int primary key, ts timestamp(6) null",
        [
            (1, "1970-01-01 00:00:01"), (2, "2038-01-19 03:14:07.999999"),
            (3, "0000-00-00 00:00:00"), (4, None),
        ],
    )  # fmt: skip
    assert found.column("ts") == [
        "1970-01-01 00:00:01", "2038-01-19 03:14:07.999999", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize("year", [0, 1901, 2024, 2155, None])
def test_years(paths, year):
    found = paths.table("id int primary key, y year", [(1, year)])
    assert found.column("y") == [None if year is None else str(year)]
