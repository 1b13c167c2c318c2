"""The body of a query event: a statement, its schema, and the session it ran in."""

import codecs
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from pymysql.charset import charset_by_id

_SQL_MODE, _CATALOG, _CHARSETS, _TIME_ZONE, _CATALOG_WITHOUT_NUL = 1, 2, 4, 5, 6
_INVOKER, _SCHEMAS, _MICROSECONDS, _MARIADB_MICROSECONDS = 11, 12, 13, 128
_SIZES = {
    0: 4, _SQL_MODE: 8, 3: 4, _CHARSETS: 6, 7: 2, 8: 2, 9: 8, 10: 4, _MICROSECONDS: 3,
    _MARIADB_MICROSECONDS: 3,
}  # fmt: skip
"""Of the variables before and including the microseconds, those whose size is fixed."""
_TOO_MANY_SCHEMAS = 254
_BEGIN = b"BEGIN"
_CODECS = {"ujis": "euc_jp", "eucjpms": "euc_jp", "macce": "mac_latin2", "hp8": "hp_roman8"}
"""What Python calls otherwise."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a statement's meaning depends on.

    Attributes:
        sql_mode: the server's bit set.
        charset: of the statement's text, as Python names it.
        time_zone: as in @@time_zone; None where the statement did not need it.
        microsecond: of the statement's time; None where the statement did not need it.
    """

    sql_mode: int = 0
    charset: str = "utf-8"
    time_zone: str | None = None
    microsecond: int | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A statement as text, decoded by its session's character set."""

    schema: str
    statement: str
    session: Session


def is_begin(data: bytes, start: int, stop: int) -> bool:
    """Whether the body that lies there is the BEGIN that MySQL writes before each transaction."""
    if not data.endswith(_BEGIN, start, stop):
        return False
    variable_bytes = data[start + 11] | data[start + 12] << 8
    return start + 13 + variable_bytes + data[start + 8] + 1 + len(_BEGIN) == stop


def parse_query(body: bytes, *, compressed: bool = False, extra_header: int = 0) -> Query:
    """Read a query event; ``extra_header`` is what a LOAD DATA statement has in front of it."""
    schema_length, variable_bytes = body[8], int.from_bytes(body[11:13], "little")
    variables_start = 13 + extra_header
    schema_start = variables_start + variable_bytes
    session = _session(body[variables_start:schema_start])
    schema_end = schema_start + schema_length
    text = body[schema_end + 1 :]
    if compressed:
        text = decompress(text)
    schema = body[schema_start:schema_end].decode()
    return Query(schema, text.decode(session.charset, errors="replace"), session)


def _session(variables: bytes) -> Session:
    """Read the status variables, up to the first of an unknown kind.

    Their codes and sizes: https://dev.mysql.com/doc/dev/mysql-server/latest/classbinary__log_1_1Query__event.html
    and https://mariadb.com/docs/server/reference/clientserver-protocol/replication-protocol/query_event
    """
    found: dict[int, bytes] = {}
    offset = 0
    while offset < len(variables):
        code = variables[offset]
        size = _size(code, variables, offset + 1)
        if size is None:
            break
        found[code] = variables[offset + 1 : offset + 1 + size]
        offset += 1 + size
    microseconds = found.get(_MICROSECONDS, found.get(_MARIADB_MICROSECONDS))
    return Session(
        sql_mode=int.from_bytes(found.get(_SQL_MODE, b""), "little"),
        charset=_codec(int.from_bytes(found[_CHARSETS][:2], "little"))
        if _CHARSETS in found
        else "utf-8",
        time_zone=found[_TIME_ZONE][1:].decode() if _TIME_ZONE in found else None,
        microsecond=None if microseconds is None else int.from_bytes(microseconds, "little"),
    )


def _size(code: int, variables: bytes, start: int) -> int | None:
    """How long the value of a variable is, with the bytes that tell its length."""
    if code in (_CATALOG, _TIME_ZONE, _CATALOG_WITHOUT_NUL):
        return 1 + variables[start] + (code == _CATALOG)
    if code == _INVOKER:
        user = 1 + variables[start]
        return user + 1 + variables[start + user]
    if code == _SCHEMAS:
        end = start + 1
        if variables[start] != _TOO_MANY_SCHEMAS:
            for _ in range(variables[start]):
                end = variables.index(b"\0", end) + 1
        return end - start
    return _SIZES.get(code)


@cache
def _codec(collation: int) -> str:
    try:
        charset: Any = charset_by_id(collation)
        return codecs.lookup(_CODECS.get(charset.name, charset.encoding)).name
    except (KeyError, LookupError):
        # Collations younger than the driver are of utf8mb4, statements of `SET NAMES binary` hardly
        # of anything else. The rest are single bytes that Python lacks; their ASCII is the same.
        return "utf-8"


def decompress(data: bytes) -> bytes:
    """Undo MariaDB's log_bin_compress: a byte with the size of the length, length, data."""
    return zlib.decompress(data[1 + (data[0] & 7) :])
