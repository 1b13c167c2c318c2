"""What a logged statement means for the tables of a task. Pure; reads names, does not parse SQL."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dms_pipeline.binlog.table_id import TableId

DdlKind = Literal["create", "alter", "drop", "rename", "truncate", "drop_schema"]

_NAME = r'(?:`(?:[^`]|``)+`|"(?:[^"]|"")+"|[\w$]+)'
_TABLE = rf"{_NAME}(?:\s*\.\s*{_NAME})?"
_SYNTAX: dict[DdlKind, str] = {
    "create": (
        r"CREATE\s+(?:OR\s+REPLACE\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?"
        rf"(?P<tables>{_TABLE})"
    ),
    "alter": (
        rf"ALTER\s+(?:ONLINE\s+)?(?:IGNORE\s+)?TABLE\s+(?:IF\s+EXISTS\s+)?(?P<tables>{_TABLE})"
    ),
    "drop": rf"DROP\s+TABLES?\s+(?:IF\s+EXISTS\s+)?(?P<tables>{_TABLE}(?:\s*,\s*{_TABLE})*)",
    "rename": (
        r"RENAME\s+TABLES?\s+(?:IF\s+EXISTS\s+)?"
        rf"(?P<tables>{_TABLE}\s+TO\s+{_TABLE}(?:\s*,\s*{_TABLE}\s+TO\s+{_TABLE})*)"
    ),
    "truncate": rf"TRUNCATE\s+(?:TABLE\s+)?(?P<tables>{_TABLE})",
    "drop_schema": rf"DROP\s+(?:DATABASE|SCHEMA)\s+(?:IF\s+EXISTS\s+)?(?P<tables>{_NAME})",
}
_PATTERNS = {kind: re.compile(syntax, re.IGNORECASE) for kind, syntax in _SYNTAX.items()}
_ROW_CHANGE = re.compile(r"(?:INSERT|REPLACE|UPDATE|DELETE|LOAD\s+DATA)\b", re.IGNORECASE)
_EXECUTABLE_COMMENT = re.compile(r"/\*M?!\d*(.*?)\*/", re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/|--[ \t][^\n]*|#[^\n]*", re.DOTALL)
_HARMLESS_CLAUSE = re.compile(
    r"(?:ADD|DROP)\s+(?:UNIQUE\s+|FULLTEXT\s+|SPATIAL\s+)?(?:INDEX|KEY)\b"
    rf"|ADD\s+(?:CONSTRAINT\s+(?:{_NAME}\s+)?)?FOREIGN\s+KEY\b|DROP\s+FOREIGN\s+KEY\b"
    r"|(?:ENGINE|AUTO_INCREMENT|COMMENT)\b|FORCE\b|(?:DISABLE|ENABLE)\s+KEYS\b",
    re.IGNORECASE,
)
_STATEMENT_HEAD = 4000


@dataclass(frozen=True, slots=True)
class DdlStatement:
    """A schema change and every table it names; of ``drop_schema`` only the schema counts."""

    kind: DdlKind
    tables: tuple[TableId, ...]
    changes_rows: bool = True
    """False for ALTER TABLE clauses that leave rows and columns as they are, such as indexes."""


def parse_ddl(statement: str, default_schema: str) -> DdlStatement | None:
    """The statement, if it is one that can matter to a table."""
    text = without_comments(statement)
    for kind, pattern in _PATTERNS.items():
        if found := pattern.match(text):
            tables = _tables(found["tables"], default_schema)
            if kind == "drop_schema":
                tables = (TableId(tables[0].table, ""),)
            harmless = kind == "alter" and _is_harmless(text[found.end() :])
            return DdlStatement(kind, tables, changes_rows=not harmless)
    return None


def changes_rows_of(
    statement: str, default_schema: str, selects: Callable[[TableId], bool]
) -> TableId | None:
    """A selected table that a statement-format row change names, if there is one.

    Errs on the side of caution: a table that is only read in the statement is reported as well.
    """
    text = without_comments(statement)
    if not _ROW_CHANGE.match(text):
        return None
    for table in _tables(text, default_schema):
        if selects(table):
            return table
    return None


def without_comments(statement: str) -> str:
    head = _EXECUTABLE_COMMENT.sub(r" \1 ", statement[:_STATEMENT_HEAD])
    return _COMMENT.sub(" ", head).strip()


def _tables(text: str, default_schema: str) -> tuple[TableId, ...]:
    found = re.finditer(rf"({_NAME})(?:\s*\.\s*({_NAME}))?", text)
    tables = []
    for match in found:
        first, second = match[1], match[2]
        if second is None and first.upper() == "TO":
            continue
        schema = default_schema if second is None else _unquote(first)
        tables.append(TableId(schema, _unquote(second or first)))
    return tuple(tables)


def _unquote(name: str) -> str:
    quote = name[0]
    return name[1:-1].replace(quote * 2, quote) if quote in '`"' else name


def _is_harmless(clauses: str) -> bool:
    previous = None
    while previous != clauses:
        previous, clauses = clauses, re.sub(r"\([^()]*\)", " ", clauses)
    return all(_HARMLESS_CLAUSE.match(clause.strip()) for clause in clauses.split(","))
