"""What a logged statement means for the tables of a task. Pure; reads words, knows no table."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Literal

import sqlglot
from sqlglot import exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import SqlglotError

from dms_pipeline.binlog.events import QueryEvent
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.ddl_clauses import (
    AlterClause,
    ColumnAdded,
    ColumnChanged,
    KeyChanged,
    PartitionsChanged,
    Renamed,
    is_name_of_key,
    read_clauses,
    read_columns,
)
from dms_pipeline.local_dms.engine.sql_words import (
    UnreadableStatementError,
    Word,
    WordReader,
    dialect,
    read_words,
    split_at_commas,
)

DdlKind = Literal["create", "alter", "drop", "rename", "truncate", "drop_schema"]

_FIRST_WORDS = frozenset({"CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE", "SET"})
_OBJECTS = frozenset({"TABLE", "TABLES", "DATABASE", "SCHEMA", "INDEX", "TRUNCATE", "STATEMENT"})
_ROW_CHANGES = frozenset({"INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD", "WITH"})
_COMMENTS = ("/", "-", "#")
_SIGNS = (*_COMMENTS, "'", '"', "`", "(", "=", ";")
_HEAD_CHARACTERS = 200
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class DdlStatement:
    """A schema change and every table it names; of ``drop_schema`` only the schema counts.

    For ``rename`` the tables alternate between old and new name.
    """

    kind: DdlKind
    tables: tuple[TableId, ...]
    clauses: tuple[AlterClause, ...] = ()
    created: tuple[AlterClause, ...] = ()
    """The columns and the key of ``create``; nothing where it takes them from elsewhere."""
    replaces: bool = False
    """CREATE OR REPLACE: a table of that name is dropped before."""
    if_not_exists: bool = False
    ignores_errors: bool = False
    """ALTER IGNORE: rows that do not fit are changed or removed."""
    text: str = field(default="", repr=False, compare=False)

    @property
    def shown(self) -> str:
        return " ".join(self.text.split())[:_SHOWN_CHARACTERS]


def logged_ddl(event: QueryEvent) -> DdlStatement | None:
    """The statement of an event, if it is one that can matter to a table.

    Raises:
        UnreadableStatementError: it begins like one, but its words cannot be told apart.
    """
    return parse_ddl(
        event.statement,
        event.schema,
        backslash_escapes=event.backslash_escapes,
        ansi_quotes=event.ansi_quotes,
        has_usual_types=event.has_usual_types,
    )


def parse_ddl(
    statement: str,
    default_schema: str,
    *,
    backslash_escapes: bool = True,
    ansi_quotes: bool = False,
    has_usual_types: bool = True,
) -> DdlStatement | None:
    """The statement, if it is one that can matter to a table.

    Args:
        statement: its text.
        default_schema: of tables that are named without one.
        backslash_escapes: whether a backslash in a text escapes the next character.
        ansi_quotes: whether double quotes stand around names.
        has_usual_types: whether the names of types mean what they mean in MySQL.

    Raises:
        UnreadableStatementError: it begins like one, but its words cannot be told apart.
    """
    if not _may_begin_with(statement, _FIRST_WORDS) or _is_about_something_else(statement):
        return None
    reader = WordReader(read_words(statement, dialect(backslash_escapes, ansi_quotes)))
    # MariaDB: variables for the time of one statement.
    if reader.accept("SET", "STATEMENT"):
        while not (reader.at_end or reader.accept("FOR")):
            reader.name()
    parsed = _parse(reader, default_schema)
    if parsed is None:
        return None
    if not has_usual_types:
        parsed = replace(
            parsed, clauses=_unstated(parsed.clauses), created=_unstated(parsed.created)
        )
    return replace(parsed, text=statement)


def _unstated(clauses: tuple[AlterClause, ...]) -> tuple[AlterClause, ...]:
    return tuple(
        replace(clause, stated=None) if isinstance(clause, ColumnAdded | ColumnChanged) else clause
        for clause in clauses
    )


def _parse(reader: WordReader, schema: str) -> DdlStatement | None:
    if reader.accept("TRUNCATE"):
        reader.accept("TABLE")
        return DdlStatement("truncate", (_table(reader, schema),))
    if reader.accept("RENAME"):
        return _rename(reader, schema)
    if reader.accept("ALTER"):
        return _alter(reader, schema)
    if reader.accept("DROP"):
        return _drop(reader, schema)
    if reader.accept("CREATE"):
        replaces = reader.accept("OR", "REPLACE")
        if reader.accept("TABLE"):
            optional = reader.accept("IF", "NOT", "EXISTS")
            table = _table(reader, schema)
            return DdlStatement(
                "create",
                (table,),
                created=tuple(read_columns(reader.rest)),
                replaces=replaces,
                if_not_exists=optional,
            )
    return None


def _alter(reader: WordReader, schema: str) -> DdlStatement | None:
    ignores_errors = "IGNORE" in reader.accept_any("ONLINE", "IGNORE")
    if not reader.accept("TABLE"):
        return None
    reader.accept("IF", "EXISTS")
    table = _table(reader, schema)
    if reader.accept("WAIT"):
        reader.name()
    reader.accept("NOWAIT")
    clauses = tuple(read_clauses(reader.rest))
    return DdlStatement("alter", (table,), clauses, ignores_errors=ignores_errors)


def _drop(reader: WordReader, schema: str) -> DdlStatement | None:
    if reader.accept("DATABASE") or reader.accept("SCHEMA"):
        reader.accept("IF", "EXISTS")
        return DdlStatement("drop_schema", (TableId(reader.name(), ""),))
    reader.accept_any("ONLINE", "OFFLINE")
    if reader.accept("INDEX"):
        return _drop_index(reader, schema)
    if not (reader.accept("TABLE") or reader.accept("TABLES")):
        return None
    reader.accept("IF", "EXISTS")
    tables = [_table(WordReader(part), schema) for part in split_at_commas(reader.rest)]
    return DdlStatement("drop", tuple(tables))


def _drop_index(reader: WordReader, schema: str) -> DdlStatement | None:
    """Only the primary key's matters."""
    reader.accept("IF", "EXISTS")
    if not (is_name_of_key(reader.name()) and reader.accept("ON")):
        return None
    return DdlStatement("alter", (_table(reader, schema),), (KeyChanged(None),))


def _rename(reader: WordReader, schema: str) -> DdlStatement | None:
    if not (reader.accept("TABLE") or reader.accept("TABLES")):
        return None
    reader.accept("IF", "EXISTS")
    tables = []
    for part in split_at_commas(reader.rest):
        pair = WordReader(part)
        tables.append(_table(pair, schema))
        if pair.accept("WAIT"):
            pair.name()
        pair.accept("NOWAIT")
        if not pair.accept("TO"):
            raise UnreadableStatementError("RENAME TABLE without TO")
        tables.append(_table(pair, schema))
    return DdlStatement("rename", tuple(tables))


def _table(reader: WordReader, schema: str) -> TableId:
    return table_of(reader.qualified_name(), schema)


def table_of(name: tuple[str, ...], default_schema: str) -> TableId:
    return TableId(name[-2] if len(name) > 1 else default_schema, name[-1])


def exchanged_with(ddl: DdlStatement) -> list[TableId]:
    """Tables that partitions of the statement's table go to or come from."""
    return [
        table_of(clause.other, ddl.tables[0].schema)
        for clause in ddl.clauses
        if isinstance(clause, PartitionsChanged) and clause.other is not None
    ]


def renamed_to(ddl: DdlStatement) -> TableId | None:
    """The new name that an ALTER TABLE gives its table."""
    for clause in ddl.clauses:
        if isinstance(clause, Renamed):
            return table_of(clause.name, ddl.tables[0].schema)
    return None


def mentions(statement: str, tables: Iterable[TableId]) -> TableId | None:
    """A table whose name stands anywhere in a statement that cannot be read, if there is one."""
    lowered = statement.lower()
    return next((table for table in tables if table.table.lower() in lowered), None)


def changes_rows_of(
    statement: str,
    default_schema: str,
    selects: Callable[[TableId], bool],
    *,
    backslash_escapes: bool = True,
    ansi_quotes: bool = False,
) -> TableId | None:
    """A selected table that a statement-format row change names, if there is one.

    Errs on the side of caution where sqlglot does not understand the statement. The arguments are
    those of ``parse_ddl``.
    """
    if not _may_begin_with(statement, _ROW_CHANGES):
        return None
    spoken = dialect(backslash_escapes, ansi_quotes)
    for table in _changed_tables(statement, default_schema, spoken):
        if selects(table):
            return table
    return None


def _changed_tables(statement: str, schema: str, spoken: type[MySQL]) -> list[TableId]:
    try:
        words = read_words(statement, spoken)
        understood = bool(words) and words[0].keyword in ("INSERT", "UPDATE", "DELETE")
        tree = sqlglot.parse_one(statement, dialect=spoken) if understood else exp.Command()
    except (SqlglotError, UnreadableStatementError):
        words = [Word(part, part.upper(), sqlglot.TokenType.VAR) for part in statement.split()]
        tree = exp.Command()
    if words and words[0].keyword not in _ROW_CHANGES:
        return []
    if isinstance(tree, exp.Insert | exp.Update | exp.Delete) and tree.this is not None:
        # Update and Delete may change several tables; which ones does not matter here.
        scope = tree.this if isinstance(tree, exp.Insert) else tree
        return [TableId(table.db or schema, table.name) for table in scope.find_all(exp.Table)]
    return _all_names(words, schema)


def _all_names(words: list[Word], schema: str) -> list[TableId]:
    names = [TableId(schema, word.text) for word in words]
    names += [
        TableId(first.text, last.text)
        for first, dot, last in zip(words, words[1:], words[2:], strict=False)
        if dot.keyword == "."
    ]
    return names


def _is_about_something_else(statement: str) -> bool:
    """Whether the plain words it begins with are enough to tell that it defines no table.

    So bodies of routines and texts of accounts need not be read, and cannot be unreadable.
    """
    head = statement[:_HEAD_CHARACTERS].upper()
    for sign in _SIGNS:
        head = head.replace(sign, f" {sign} ")
    words = head.split()
    plain = list(takewhile(str.isalpha, words))
    ends_in_comment = len(plain) < len(words) and words[len(plain)] in _COMMENTS
    return len(plain) > 1 and not ends_in_comment and _OBJECTS.isdisjoint(plain)


def _may_begin_with(statement: str, first_words: frozenset[str]) -> bool:
    """Cheap: most statements in a log begin with a plain word; comments are left to the parser."""
    head = statement.lstrip()
    if head.startswith(("/*", "--", "#", "(")):
        return True
    return head.split(None, 1)[0].upper() in first_words if head else False
