"""Seeded tables whose definitions change all the time, with rows changed in between.

Every table has a script of its own, so that one run of a task tries as many sequences as there are
tables. A statement that the server refuses changes nothing and is passed over.
"""

import random
from collections.abc import Iterator

import pymysql

from dms_pipeline_tests.engine_driver import connect_source, quoted

ELSEWHERE = "elsewhere"
_INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
_CHARSETS = ("utf8mb4", "utf8mb3", "latin1", "utf16", "koi8r", "cp1251")
_GROUPS: tuple[tuple[str, ...], ...] = (
    (*_INTEGERS, *(f"{name} unsigned" for name in _INTEGERS)),
    ("decimal(10,2)", "decimal(20,6)", "decimal(5,0)", "decimal(9,4) unsigned", "dec(0)"),
    (
        "char(6)",
        "varchar(10)",
        "varchar(40)",
        "varchar(300)",
        "tinytext",
        "text",
        "mediumtext",
        "nvarchar(4)",
        "national char(5)",
    ),
    ("binary(4)", "binary(6)", "varbinary(10)", "blob", "tinyblob"),
    ("enum('a','b','c')", "enum('b','a')", "enum('a','b','c','it''s')", "enum('5','é','x')"),
    ("set('a','b','c')", "set('c','b','a')", "set('a','b')"),
    ("bit(1)", "bit(5)", "bit(12)"),
    ("datetime", "datetime(3)", "datetime(6)", "timestamp NULL", "timestamp(2) NULL"),
    ("date", "time", "time(3)", "year"),
    ("float", "double"),
)
_TEXTS = _GROUPS[2]
_MOMENTS = _GROUPS[7]
_LITERALS = (
    "NULL", "''", "'a'", "'b'", "'c'", "'a,c'", "'é'", "'abc  '", "'Жук'", "'5'", "'-3'", "200",
    "0", "1", "-1", "12345.6789", "x'C3A9'", "x'01FF41'", "x'41'", "'2024-02-29 12:34:56.789499'",
    "'2001-01-01'", "'23:59:59.5'", "3000000000", "1e3", "'longer than ten characters'", "'x😀'",
    r"'abc\r\n'", "'longer than that                                         '",
)  # fmt: skip
_NAMES = ("a", "b", "c", "d", "odd `name`", "E")
_EXPRESSIONS = (
    "CONCAT({0}, '/')", "LENGTH({0})", "HEX({0})", "{0} + 0", "DEFAULT({0})", "CONCAT({0}, {1})",
)  # fmt: skip


class ScriptedTable:
    """One table: what it looks like as far as is known, and the next statement about it."""

    def __init__(self, schema: str, name: str, seed: int, *, is_mariadb: bool) -> None:
        self._chance = random.Random(f"{seed} {name}")
        self._table = f"`{schema}`.`{name}`"
        self._schema, self._name = schema, name
        self._is_mariadb = is_mariadb
        self._columns: dict[str, tuple[str, ...]] = {}
        self._key = 0

    def beginning(self) -> Iterator[str]:
        self._columns = {name: self._any_group() for name in self._chance.sample(_NAMES, 4)}
        charset = self._chance.choice(_CHARSETS)
        yield f"CREATE TABLE {self._table} ({self._definitions()}) DEFAULT CHARSET {charset}"
        for _ in range(4):
            yield self._row_change()

    def step(self) -> Iterator[str]:
        draw = self._chance.random()
        if draw < 0.6:
            for _ in range(self._chance.randint(1, 3)):
                yield self._row_change()
        elif draw < 0.97:
            if self._chance.random() < 0.1:
                # Rows that it changed would give virtual columns another value than others read.
                yield "SET sql_mode = CONCAT(@@sql_mode, ',PAD_CHAR_TO_FULL_LENGTH')"
            yield self._alter()
        elif draw < 0.985:
            yield f"TRUNCATE TABLE {self._table}"
        else:
            yield from self._replaced()

    def _definitions(self) -> str:
        columns = [f"{quoted(name)} {self._type(group)}" for name, group in self._columns.items()]
        columns += [f"g{n} {self._computed()}" for n in range(self._chance.choice((0, 0, 1, 2)))]
        key = ["k"]
        short = [name for name, group in self._columns.items() if group in _GROUPS[:2]]
        if short and self._chance.random() < 0.3:
            key.append(quoted(self._chance.choice(short)))
        return ", ".join(["k int", *columns, f"PRIMARY KEY ({', '.join(key)})"])

    def _computed(self) -> str:
        """A generated column, which no later statement names."""
        # A virtual column over a TIMESTAMP has the time of whoever reads it.
        names = [quoted(name) for name, group in self._columns.items() if group != _MOMENTS]
        names = names or ["k"]
        expression = self._chance.choice(_EXPRESSIONS).format(*self._chance.choices(names, k=2))
        kind = self._chance.choice(("VIRTUAL", "STORED"))
        return f"varchar(700) CHARACTER SET utf8mb4 AS ({expression}) {kind}"

    def _any_group(self) -> tuple[str, ...]:
        return self._chance.choice((*_GROUPS, _TEXTS, _TEXTS))

    def _type(self, group: tuple[str, ...]) -> str:
        kind = self._chance.choice(group)
        if group is _TEXTS and self._chance.random() < 0.5:
            kind += f" CHARACTER SET {self._chance.choice(_CHARSETS)}"
        return kind

    def _row_change(self) -> str:
        # A server's maintenance would not look different from a row that never was there.
        self._key += 1
        names = list(self._columns)
        values = [self._chance.choice(_LITERALS) for _ in names]
        draw = self._chance.random()
        if draw < 0.6:
            columns = ", ".join(["k", *map(quoted, names)])
            return (
                f"INSERT IGNORE INTO {self._table} ({columns})"
                f" VALUES ({self._key}, {', '.join(values)})"
            )
        old = self._chance.randint(1, self._key)
        if draw < 0.85 and names:
            name = self._chance.choice(names)
            return f"UPDATE IGNORE {self._table} SET {quoted(name)} = {values[0]} WHERE k >= {old}"
        return f"DELETE FROM {self._table} WHERE k = {old}"

    def _alter(self) -> str:
        clauses = [self._clause() for _ in range(self._chance.choice((1, 1, 1, 2, 3)))]
        comment = self._chance.choice(("", "", "/* DROP COLUMN a */ ", "/*!50000 ALTER */ "))
        verb = "" if comment.startswith("/*!") else "ALTER"
        return f"{comment}{verb} TABLE {self._named()} {', '.join(clauses)}"

    def _named(self) -> str:
        """The statement may come from a session in another schema, or name the table plainly."""
        return self._chance.choice((self._table, f"{self._schema} . {self._name}"))

    def _clause(self) -> str:
        names = list(self._columns)
        unused = [name for name in _NAMES if name not in names]
        draw = self._chance.random()
        if draw < 0.13:
            verb = "CONVERT TO" if draw < 0.06 else "DEFAULT"
            return f"{verb} CHARACTER SET {self._chance.choice(_CHARSETS)}"
        if (draw < 0.33 or len(names) < 2) and unused:
            return self._addition(self._chance.choice(unused))
        name = self._chance.choice(names)
        if draw < 0.48:
            return self._removal(name)
        if draw < 0.6 and unused:
            return self._renaming(name, self._chance.choice(unused))
        if self._chance.random() < 0.05:
            self._columns[name] = self._any_group()
        limit = self._chance.choice(("", "", "", "", " NOT NULL"))
        kind = self._type(self._columns[name]).removesuffix(" NULL" if limit else "")
        return f"MODIFY {quoted(name)} {kind}{limit}{self._place(name)}"

    def _removal(self, name: str) -> str:
        """Of the column's default, or of the column, which may come back as another one."""
        draw = self._chance.random()
        if draw < 0.25:
            default = self._chance.choice(("DROP DEFAULT", "SET DEFAULT NULL", "SET DEFAULT '1'"))
            return f"ALTER COLUMN {quoted(name)} {default}"
        if draw < 0.5:
            return f"DROP COLUMN {quoted(name)}, {self._addition(name)}"
        del self._columns[name]
        return f"DROP COLUMN {quoted(name)}"

    def _addition(self, name: str) -> str:
        self._columns[name] = self._any_group()
        kind = self._type(self._columns[name])
        defaults = ["", "", " NOT NULL", " DEFAULT '1'"]
        if kind.startswith(("datetime", "timestamp")):
            digits = kind.removesuffix(" NULL").lstrip("abcdefghijklmnopqrstuvwxyz")
            defaults += [" DEFAULT '2001-02-03 04:05:06'", f" DEFAULT CURRENT_TIMESTAMP{digits}"]
        default = self._chance.choice(defaults)
        return f"ADD COLUMN {quoted(name)} {kind}{default}{self._place(name)}"

    def _renaming(self, old: str, new: str) -> str:
        self._columns[new] = self._columns.pop(old)
        if self._chance.random() < 0.5:
            return f"RENAME COLUMN {quoted(old)} TO {quoted(new)}"
        return f"CHANGE {quoted(old)} {quoted(new)} {self._type(self._columns[new])}"

    def _place(self, name: str) -> str:
        draw = self._chance.random()
        if draw < 0.1:
            return " FIRST"
        others = [other for other in self._columns if other != name]
        return f" AFTER {quoted(self._chance.choice(others))}" if draw < 0.2 and others else ""

    def _replaced(self) -> Iterator[str]:
        """The name goes to another table."""
        draw = self._chance.random()
        other = f"`{self._schema}`.`{self._name}_other`"
        self._columns = {name: self._any_group() for name in self._chance.sample(_NAMES, 3)}
        if draw < 0.4:
            yield f"DROP TABLE {self._table}"
            yield f"CREATE TABLE {self._table} ({self._definitions()})"
        elif draw < 0.6 and self._is_mariadb:
            yield f"CREATE OR REPLACE TABLE {self._table} ({self._definitions()})"
        else:
            yield f"CREATE TABLE {other} ({self._definitions()})"
            yield f"INSERT INTO {other} (k) VALUES (1000)"
            yield f"RENAME TABLE {self._table} TO {other}_old, {other} TO {self._table}".replace(
                "`_old", "_old`"
            )


class Scripts:
    """The tables of one schema, on one connection."""

    def __init__(self, dsn: str, schema: str, seed: int, *, tables: int, is_mariadb: bool) -> None:
        self._connection = connect_source(dsn)
        self._chance = random.Random(seed)
        self.executed: dict[str, list[str]] = {}
        self._run(
            f"DROP DATABASE IF EXISTS `{schema}`",
            f"CREATE DATABASE `{schema}` DEFAULT CHARSET utf8mb4",
            f"CREATE DATABASE IF NOT EXISTS {ELSEWHERE}",
            f"USE {ELSEWHERE}",
        )
        self._tables = {
            f"t{number}": ScriptedTable(schema, f"t{number}", seed, is_mariadb=is_mariadb)
            for number in range(tables)
        }
        for name, table in self._tables.items():
            self._attempt(name, table.beginning())

    def go_on(self, steps: int) -> None:
        """So many steps of each table, mixed."""
        order = [name for name in self._tables for _ in range(steps)]
        self._chance.shuffle(order)
        for name in order:
            mode = self._chance.choice(("", "STRICT_TRANS_TABLES", "STRICT_TRANS_TABLES"))
            zone = self._chance.choice(("SYSTEM", "+09:00", "-03:30"))
            self._run(f"SET sql_mode = '{mode}', time_zone = '{zone}'")
            self._attempt(name, self._tables[name].step())

    def close(self) -> None:
        self._connection.close()

    def _attempt(self, name: str, statements: Iterator[str]) -> None:
        for statement in statements:
            try:
                self._run(statement)
            except pymysql.MySQLError:
                continue
            self.executed.setdefault(name, []).append(statement)

    def _run(self, *statements: str) -> None:
        with self._connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
