"""Seeded random tables and changes for tests that compare two readers of the same binary log."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

Value = Any


@dataclass(frozen=True, slots=True)
class Column:
    """A column's definition, and how a value for it is drawn."""

    kind: str
    definition: str
    draw: Callable[[Random], Value]
    members: tuple[str, ...] = ()


_INTEGER_BITS = {"TINYINT": 8, "SMALLINT": 16, "MEDIUMINT": 24, "INT": 32, "BIGINT": 64}
_WORDS = ("", " ", "a", "it's", "a\0b", "tab\tnew\n", "naïve", "Ünïcödé", "ÿ")
_WIDE_WORDS = (*_WORDS, "日本語", "😀", "a😀b")
MEMBERS = ("", "x", "y z", "ä", "quote'", "m5", "m6", "m7", "m8", "m9")


def random_column(random: Random) -> Column:
    return random.choice((_integer, _decimal, _real, _text, _bytes, _temporal, _bit, _members))(
        random
    )


def _integer(random: Random) -> Column:
    name, bits = random.choice(list(_INTEGER_BITS.items()))
    unsigned = random.random() < 0.5
    low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return Column(
        f"unsigned{bits}" if unsigned else "integer",
        f"{name}{' UNSIGNED' * unsigned}",
        lambda r: r.choice((low, high, max(low, -1), 0, 1, r.randint(low, high))),
    )


def _decimal(random: Random) -> Column:
    precision = random.randint(1, 65)
    scale = random.randint(0, min(30, precision))

    def draw(r: Random) -> Value:
        top = 10**precision - 1
        return Decimal(r.choice((0, top, -top, 1, -1, r.randint(-top, top)))).scaleb(-scale)

    return Column("decimal", f"DECIMAL({precision},{scale})", draw)


def _real(random: Random) -> Column:
    if random.random() < 0.5:
        return Column("real", "FLOAT", lambda r: r.choice((0.0, -0.5, r.randint(-9999, 9999) / 8)))
    return Column("real", "DOUBLE", lambda r: r.choice((0.0, 1e300, -1e-300, r.gauss(0, 1e9))))


def _text(random: Random) -> Column:
    charset, words = random.choice((("utf8mb4", _WIDE_WORDS), ("latin1", _WORDS)))
    kind = random.choice(("CHAR(3)", "CHAR(120)", "VARCHAR(60)", "VARCHAR(300)", "TEXT"))
    longest = {"CHAR(3)": 3, "CHAR(120)": 100, "VARCHAR(60)": 60}.get(kind, 300)

    def draw(r: Random) -> Value:
        text = "".join(r.choice(words) for _ in range(r.randint(0, longest // 4)))[:longest]
        # CHAR loses the blanks at its end.
        return text.rstrip(" ") if kind.startswith("CHAR") else text

    return Column(charset, f"{kind} CHARACTER SET {charset}", draw)


def _bytes(random: Random) -> Column:
    kind = random.choice(("VARBINARY(40)", "VARBINARY(400)", "TINYBLOB", "BLOB", "MEDIUMBLOB"))
    return Column("bytes", kind, lambda r: r.randbytes(r.randint(0, 40)))


def _temporal(random: Random) -> Column:
    digits = random.randint(0, 6)

    def fraction(r: Random) -> str:
        return f".{r.randint(0, 10**digits - 1):0{digits}d}" if digits else ""

    def clock(r: Random) -> str:
        return f"{r.randint(0, 23):02d}:{r.randint(0, 59):02d}:{r.randint(0, 59):02d}{fraction(r)}"

    def date(r: Random) -> str:
        return f"{r.randint(1000, 9999):04d}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}"

    def time(r: Random) -> str:
        hours = r.choice((0, 1, 838, r.randint(0, 838)))
        rest = f"{r.randint(0, 59):02d}:{r.randint(0, 59):02d}"
        return f"{r.choice(('', '-'))}{hours:02d}:{rest}{fraction(r) if hours < 838 else ''}"

    return random.choice(
        (
            Column("date", "DATE", lambda r: r.choice(("0000-00-00", date(r)))),
            Column("time", f"TIME({digits})", time),
            Column("datetime", f"DATETIME({digits})", lambda r: f"{date(r)} {clock(r)}"),
            Column(
                "datetime",
                f"TIMESTAMP({digits}) NULL",
                lambda r: f"{r.randint(1971, 2037)}-{r.randint(1, 12):02d}-15 {clock(r)}",
            ),
            Column("year", "YEAR", lambda r: r.choice((0, 1901, 2155, r.randint(1901, 2155)))),
        )
    )


def _bit(random: Random) -> Column:
    bits = random.randint(1, 64)
    return Column(
        f"bit{bits}", f"BIT({bits})", lambda r: r.choice((0, 1, 2**bits - 1, r.getrandbits(bits)))
    )


def _members(random: Random) -> Column:
    members = MEMBERS[1 : random.randint(2, len(MEMBERS))]
    listed = ", ".join(f"'{member.replace(chr(39), chr(39) * 2)}'" for member in members)
    if random.random() < 0.5:
        return Column("enum", f"ENUM({listed})", lambda r: r.choice(members), members)
    return Column(
        "set",
        f"SET({listed})",
        lambda r: ",".join(member for member in members if r.random() < 0.5),
        members,
    )
