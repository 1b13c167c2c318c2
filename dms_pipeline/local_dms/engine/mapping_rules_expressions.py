"""The expressions of add-column rules: literals, columns and source names, joined with ``||``.

That is the part of SQLite's language that gives the same value whenever it is computed. The rest -
functions, clocks, positions in the log - is refused.
"""

import re
from dataclasses import dataclass
from typing import Literal

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import ConfigError

PartKind = Literal["literal", "column"]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*')
      | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<quoted>\$"(?:[^"]|"")+")
      | (?P<name>\$\w+)
      | (?P<null>NULL)\b
    )\s*""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A literal's text, or the name of the source column whose value stands here."""

    kind: PartKind
    value: str | None


@dataclass(frozen=True, slots=True)
class Expression:
    """Parts to be joined; NULL if any of them is NULL, as SQLite has it."""

    parts: tuple[Part, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The source columns it needs, each once."""
        names = (part.value for part in self.parts if part.kind == "column")
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def evaluate(self, values: dict[str, str | None]) -> str | None:
        texts = []
        for part in self.parts:
            text = values[part.value or ""] if part.kind == "column" else part.value
            if text is None:
                return None
            texts.append(text)
        return "".join(texts)


def parse_expression(text: str, table: TableId) -> Expression:
    """The expression as it applies to a table.

    Raises:
        ConfigError: it holds something that is not evaluated here.
    """
    parts, offset = [], 0
    while True:
        found = _TOKEN.match(text, offset)
        if found is None:
            raise _refused(text, text[offset:].strip() or "nothing")
        parts.append(_part(found, text, table))
        offset = found.end()
        if offset == len(text):
            return Expression(tuple(parts))
        if not text.startswith("||", offset):
            raise _refused(text, text[offset:])
        offset += 2


def _part(found: re.Match[str], text: str, table: TableId) -> Part:
    if found["text"]:
        return Part("literal", found["text"][1:-1].replace("''", "'"))
    if found["number"]:
        return Part("literal", found["number"])
    if found["null"]:
        return Part("literal", None)
    if found["quoted"]:
        return Part("column", found["quoted"][2:-1].replace('""', '"'))
    name = found["name"][1:]
    sources = {"AR_M_SOURCE_SCHEMA": table.schema, "AR_M_SOURCE_TABLE_NAME": table.table}
    if name in sources:
        return Part("literal", sources[name])
    if name.startswith(("AR_M_", "AR_H_")):
        raise _refused(text, found["name"])
    return Part("column", name)


def _refused(text: str, part: str) -> ConfigError:
    return ConfigError(
        f"the expression {text!r} of an add-column rule holds {part!r}; the local DMS evaluates"
        " literals, $columns, $AR_M_SOURCE_SCHEMA and $AR_M_SOURCE_TABLE_NAME, joined with ||"
    )
