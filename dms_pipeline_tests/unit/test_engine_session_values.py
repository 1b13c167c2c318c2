from dataclasses import replace

import pytest

from dms_pipeline.local_dms.engine.generation_expressions import parse, unescaped
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.session_values import varying
from dms_pipeline.local_dms.engine.virtual_columns import Computation

TIME_ZONE, SQL_MODE, NAMES, TODAY = "time_zone", "sql_mode", "lc_time_names", "CURRENT_DATE()"
DIVISION = "div_precision_increment"
TEXT = Column("v", "varchar", "varchar(200)", charset="utf8mb4")
PLAIN = {
    column.name: column
    for column in (
        Column("a", "int", "int"),
        Column("b", "bigint", "bigint unsigned"),
        Column("f", "double", "double"),
        Column("n", "decimal", "decimal(10,2)", precision=10, scale=2),
        Column("y", "year", "year"),
        Column("d", "date", "date"),
        Column("dt", "datetime", "datetime"),
        Column("dt6", "datetime", "datetime(6)", fraction_digits=6),
        Column("ts", "timestamp", "timestamp"),
        Column("ts2", "timestamp", "timestamp"),
        Column("tm", "time", "time"),
        Column("c", "char", "char(9)", charset="latin1", collation="latin1_swedish_ci"),
        Column("c0", "char", "char(9)", charset="utf8mb4", collation="utf8mb4_0900_ai_ci"),
        Column("vc", "varchar", "varchar(20)", charset="utf8mb4"),
        Column("bl", "blob", "blob"),
        Column("j", "json", "json"),
        Column("q`q", "timestamp", "timestamp"),
        Column("day", "timestamp", "timestamp"),
    )
}


def depends(expression: str, result: Column = TEXT) -> tuple[str, ...]:
    computation = Computation("VIRTUAL GENERATED", expression)
    return varying({**PLAIN, "v": result}, {"v": computation}).get("v", ())


def typed(data_type: str, fraction_digits: int = 0) -> Column:
    return Column("v", data_type, data_type, fraction_digits=fraction_digits)


# As MySQL 9.7 and MariaDB 10.11 print them. What each depends on was seen there.
@pytest.mark.parametrize(
    "expression",
    [
        "`a` + `b`", "(`a` + `b`)", "`a` DIV 3", "(`a` % 3)", "-(`a`)", "`a` = 0", "~`a`",
        "`f` / 3", "`vc` / 3", "(`a` + `f`) / 3", "`a` / 3e0", "sqrt(`a`) / 3", "round(`f`,2) / 3",
        "cast(`a` as double) / 3", "json_extract(`j`,_utf8mb4\\'$.a\\') / 2", "if(`a`,`f`,1e0) / 2",
        "concat(`vc`,'ts')", "concat(`vc`,'`ts`')", "concat(`vc`,_utf8mb4\\'now()\\')",
        "json_unquote(json_extract(`j`,_utf8mb4\\'$.a\\'))", "json_value(`j`,'$.\"a b\"')",
        "json_value(`j`, _utf8mb4\\'$.a\\' returning char(512))", "replace(`vc`,'a','b')",
        "case when (`a` is null) then 1 end", "(`a` between 1 and 3)", "`vc` like 'x%'",
        "regexp_like(`vc`,_utf8mb4\\'x\\')", "trim(both 'x' from `vc`)", "char(`a`)",
        "convert(`vc` using latin1)", "cast(`a` as char charset utf8mb4)", "cast(`a` as signed)",
        "`vc` collate utf8mb4_bin", "interval(`a`,1,2)", "`a` member of (_utf8mb4\\'[1]\\')",
        "cast(json_extract(`j`,_utf8mb4\\'$[*]\\') as json)", "hex(`bl`)", "md5(`vc`)",
        "`ts` is null", "(`ts` is not null)", "isnull(`ts`)", "unix_timestamp(`ts`)",
        "cast(`ts` AT TIME ZONE \\'+00:00\\' as char charset utf8mb4)",
        "year(`d`)", "`d` + interval 1 day", "week(`d`,0)", "week(`d`,3)", "dayofweek(`dt6`)",
        "timestampdiff(DAY,`d`,`dt`)", "extract(year from `dt`)", "extract(hour from `tm`)",
        "date_format(`dt`,'%Y-%m-%d %H:%i')", "date_format(`d`,_utf8mb4\\'%Y年\\')",
        "date_format(`d`,'%M','en_US')", "date_format(`tm`,'%H:%i:%s')", "time_format(`tm`,'%H')",
        "convert_tz(`dt`,'+00:00','+02:00')", "timestamp(`d`,`tm`)", "addtime(`dt`,`tm`)",
        "`tm` + interval 1 hour", "hour(`tm`)", "`tm` > '10:00:00'", "concat(`d`,' ',`tm`)",
        "`d` > DATE'2023-01-01'", "to_char(`dt`,'YYYY')", "get_format(DATE, 'EUR')",
        "format(`n`,1)", "`c` = 'x'", "`c` in ('x','y')", "trim(`c`)", "rtrim(`c`)", "`c` is null",
        "default(`a`)", "rand_()", "`user`", "encrypt(`vc`,'salt')",
    ],
)  # fmt: skip
def test_values_that_all_sessions_see(expression):
    assert depends(expression) == ()


@pytest.mark.parametrize(
    ("expression", "reasons"),
    [
        ("`ts`", [TIME_ZONE]),
        ("`q``q`", [TIME_ZONE]),
        ("concat(`TS`,'x')", [TIME_ZONE]),
        ("hour(`ts`)", [TIME_ZONE]),
        ("extract(year from `ts`)", [TIME_ZONE]),
        ("json_object(_utf8mb4\\'a\\',`ts`)", [TIME_ZONE]),
        ("(`ts` > _utf8mb4\\'2023-11-15 23:00:00\\')", [TIME_ZONE]),
        # Two moments are the same time of day when clocks are put back.
        ("(`ts` = `ts2`)", [TIME_ZONE]),
        ("if((`ts` is null),`ts2`,`a`)", [TIME_ZONE]),
        ("from_unixtime(`a`)", [TIME_ZONE]),
        ("date_format(from_unixtime(`a`),_utf8mb4\\'%Y\\')", [TIME_ZONE]),
        ("unix_timestamp(`dt`)", [TIME_ZONE]),
        ("unix_timestamp('2023-01-01')", [TIME_ZONE]),
        ("unix_timestamp()", ["UNIX_TIMESTAMP()"]),
        ("date_format(`d`,'%M %W')", [NAMES]),
        ("date_format(`d`,_utf8mb4\\'%b\\')", [NAMES]),
        ("date_format(`d`,`vc`)", [NAMES]),
        ("date_format(`d`,'%Y年')", ["character_set_connection"]),
        ("monthname(`d`)", [NAMES]),
        ("dayname(`d`)", [NAMES]),
        ("to_char(`dt`,'Month')", [NAMES]),
        ("week(`d`)", ["default_week_format"]),
        ("`a` / `b`", [DIVISION]),
        ("(`n` / 3)", [DIVISION]),
        ("round(`a` / 3,2)", [DIVISION]),
        ("octet_length(`vc`) / 3", [DIVISION]),
        ("json_array(`a` / 3.0)", [DIVISION]),
        ("if(`vc`,`a`,`b`) / 3", [DIVISION]),
        ("concat(`c`,'!')", [SQL_MODE]),
        ("ucase(`c`)", [SQL_MODE]),
        ("(`c0` = _utf8mb4\\'x\\')", [SQL_MODE]),
        ("cast(`vc` as datetime)", [SQL_MODE]),
        ("cast(`dt6` as time)", [SQL_MODE]),
        ("year(cast(`vc` as date))", [SQL_MODE]),
        ("year(`vc`)", [SQL_MODE]),
        ("to_days(json_unquote(json_extract(`j`,_utf8mb4\\'$.a\\')))", [SQL_MODE]),
        ("concat(str_to_date(`vc`,'%Y-%m-%d'))", [SQL_MODE]),
        ("json_value(`j`, _utf8mb4\\'$.a\\' returning date)", [SQL_MODE]),
        ("char(`a` using utf8mb4)", [SQL_MODE]),
        ("cast(`tm` as datetime)", [TODAY, SQL_MODE]),
        ("last_day(`tm`)", [TODAY]),
        ("extract(day from `tm`)", [TODAY]),
        ("date_format(`tm`,'%Y %H')", [TODAY]),
        ("(`tm` + interval 1 day)", [TODAY]),
        ("(`tm` > `d`)", [TODAY]),
        ("coalesce(`tm`,`dt`)", [TODAY]),
        ("(case when `a` then `tm` else `d` end)", [TODAY]),
        ("if(`a`,`tm`,`dt`)", [TODAY]),
        ("timestampdiff(DAY,`tm`,`dt`)", [TODAY]),
        ("timestamp(`tm`,`tm`)", [TODAY]),
        ("rand()", ["RAND()"]),
        ("current_timestamp(3)", ["CURRENT_TIMESTAMP()"]),
        ("concat(user(),'`',uuid())", ["USER()", "UUID()"]),
        ("connection_id()", ["CONNECTION_ID()"]),
        ("encrypt(`vc`)", ["ENCRYPT()"]),
        ("@`u`", ["@u"]),
        ("@@time_zone", ["@@time_zone"]),
        ("aes_encrypt(`vc`,_utf8mb4\\'k\\')", ["block_encryption_mode"]),
        ("password(`vc`)", ["old_passwords"]),
        ("concat(dayname(`ts`),`a` / 3)", [DIVISION, NAMES, TIME_ZONE]),
    ],
)
def test_values_that_depend_on_the_session(expression, reasons):
    assert depends(expression) == tuple(sorted(reasons))


@pytest.mark.parametrize(
    ("kind", "digits", "expression", "reasons"),
    [
        ("timestamp", 0, "`ts`", []),
        ("timestamp", 0, "(`ts`)", []),
        ("timestamp", 0, "coalesce(`ts`,`ts2`)", [TIME_ZONE]),
        ("timestamp", 0, "`dt`", [TIME_ZONE]),
        ("datetime", 0, "`ts`", [TIME_ZONE]),
        ("date", 0, "`ts`", [TIME_ZONE]),
        ("datetime", 0, "`dt`", []),
        ("datetime", 0, "`dt` + interval 1 day", []),
        ("datetime", 0, "`dt6`", [SQL_MODE]),
        ("datetime", 6, "`dt6`", []),
        ("datetime", 0, "cast(`dt` as datetime)", []),
        ("datetime", 0, "date_format(`dt6`,'%Y-%m-%d %H:00:00')", []),
        ("datetime", 0, "str_to_date(`vc`,'%Y-%m-%d')", []),
        ("datetime", 0, "str_to_date(`vc`,'%H:%i:%s.%f')", [SQL_MODE]),
        ("datetime", 0, "json_unquote(json_extract(`j`,_utf8mb4\\'$.a\\'))", [SQL_MODE]),
        ("time", 0, "sec_to_time(`n`)", [SQL_MODE]),
        ("time", 0, "sec_to_time(`a`)", []),
        ("date", 0, "cast(`vc` as date)", []),
        ("date", 0, "(cast(`dt6` as date))", []),
        ("date", 0, "`dt6`", [SQL_MODE]),
        ("date", 0, "`dt`", []),
        ("bigint", 0, "`dt6`", [SQL_MODE]),
        ("date", 0, "`tm`", [TODAY]),
        ("time", 0, "`tm`", []),
        ("int", 0, "`a` / 2", [DIVISION]),
    ],
)
def test_the_type_of_the_column_counts(kind, digits, expression, reasons):
    assert depends(expression, typed(kind, digits)) == tuple(sorted(reasons))


def test_columns_depend_through_others():
    expressions = {
        "Third": "`second` + 1",
        "second": "hour(`FIRST`)",
        "first": "concat(`ts`)",
        "two": "concat(`first`,dayname(`d`))",
        "other": "`a` + 1",
    }
    columns = PLAIN | {name: replace(TEXT, name=name) for name in expressions}
    computations = {name: Computation("VIRTUAL GENERATED", e) for name, e in expressions.items()}
    computations["ts"] = Computation("", None)
    assert varying(columns, computations) == {
        "Third": (TIME_ZONE,),
        "second": (TIME_ZONE,),
        "first": (TIME_ZONE,),
        "two": (NAMES, TIME_ZONE),
    }


def test_stored_columns_have_one_value():
    stored = Computation("STORED GENERATED", "hour(`ts`)")
    later = Computation("VIRTUAL GENERATED", "`kept` + 1")
    columns = PLAIN | {name: replace(TEXT, name=name) for name in ("kept", "later")}
    assert varying(columns, {"kept": stored, "later": later}) == {}


def test_paths_that_only_servers_know_are_not_logged(caplog):
    assert depends("json_value(`vc`,'$**.a[-1 to last]')") == ()
    assert caplog.records == []


def test_what_is_not_understood_is_judged_by_its_words():
    assert depends("cast(`vc` as inet6)") == ()
    assert depends("cast(concat(user(),`ts`,monthname(`d`)) as inet6)") == (
        "USER()", NAMES, TIME_ZONE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("printed", "plain"),
    [
        (r"concat(`vc`,_utf8mb4\'it\\\'s\')", r"concat(`vc`,_utf8mb4'it\'s')"),
        (r"concat(`vc`,'it\'s')", r"concat(`vc`,'it\'s')"),
        ("`a` + 1", "`a` + 1"),
    ],
)
def test_what_mysql_escapes_is_read_as_it_was(printed, plain):
    assert unescaped(printed) == plain
    parse(printed)
