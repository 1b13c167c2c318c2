"""The body of a query event: a statement, its schema, and the session it ran in."""

import codecs
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from pymysql.charset import charset_by_id

_FLAGS, _SQL_MODE, _CATALOG, _AUTO_INCREMENT, _CHARSETS, _CATALOG_WITHOUT_NUL = 0, 1, 2, 3, 4, 6
# Written before the character sets, in this order; all others come after them.
_SIZES = {_FLAGS: 4, _SQL_MODE: 8, _AUTO_INCREMENT: 4}
_CODECS = {"ujis": "euc_jp", "eucjpms": "euc_jp", "macce": "mac_latin2", "hp8": "hp_roman8"}
"""What Python calls otherwise."""


@dataclass(frozen=True, slots=True)
class Query:
    """A statement as text, decoded by its session's character set."""

    schema: str
    statement: str
    sql_mode: int


def parse_query(body: bytes, *, compressed: bool = False, extra_header: int = 0) -> Query:
    """Read a query event; ``extra_header`` is what a LOAD DATA statement has in front of it."""
    schema_length, variable_bytes = body[8], int.from_bytes(body[11:13], "little")
    variables_start = 13 + extra_header
    schema_start = variables_start + variable_bytes
    sql_mode, charset = _session(body[variables_start:schema_start])
    schema_end = schema_start + schema_length
    text = body[schema_end + 1 :]
    if compressed:
        text = decompress(text)
    schema = body[schema_start:schema_end].decode()
    return Query(schema, text.decode(charset, errors="replace"), sql_mode)


def _session(variables: bytes) -> tuple[int, str]:
    """The session's sql_mode, and the Python name of the character set of its statements."""
    sql_mode, offset = 0, 0
    while offset < len(variables):
        code = variables[offset]
        offset += 1
        if code == _CHARSETS:
            return sql_mode, _codec(int.from_bytes(variables[offset : offset + 2], "little"))
        if code == _SQL_MODE:
            sql_mode = int.from_bytes(variables[offset : offset + 8], "little")
        if code in _SIZES:
            offset += _SIZES[code]
        elif code in (_CATALOG, _CATALOG_WITHOUT_NUL):
            offset += 1 + variables[offset] + (code == _CATALOG)
        else:
            break
    return sql_mode, "utf-8"


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
