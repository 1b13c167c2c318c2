"""The clauses of ALTER TABLE, as far as they concern columns, keys and rows. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.sql_words import (
    Word,
    WordReader,
    outside_parentheses,
    split_at_commas,
)
from dms_pipeline.local_dms.engine.stated_columns import nullability, read_charset, read_column
from dms_pipeline.local_dms.engine.stated_defaults import (
    COMPUTING,
    NUMBERED,
    DefaultValue,
    read_default,
)

FIRST = ""
"""The place of a column before all others; another place is the name of the column before."""

WIDE_CHARSETS = ("utf16", "utf32", "ucs2")
"""Beginnings of the names of character sets in which ASCII is not one byte."""


@dataclass(frozen=True, slots=True)
class ColumnAdded:
    """ADD COLUMN.

    Attributes:
        place: None is the end.
        is_nullable: None where it is not said.
        stated: the column as far as it can be read.
    """

    name: str
    place: str | None = None
    default: DefaultValue | None = None
    is_nullable: bool | None = None
    if_not_exists: bool = False
    is_key: bool = False
    definition: str = ""
    stated: Column | None = None


@dataclass(frozen=True, slots=True)
class ColumnDropped:
    """DROP COLUMN."""

    name: str


@dataclass(frozen=True, slots=True)
class ColumnChanged:
    """MODIFY, CHANGE and RENAME COLUMN; ``place`` None leaves it where it is.

    Attributes:
        recomputes: the source makes up all values: the column is generated.
        numbers: the source makes up values for 0 and NULL: AUTO_INCREMENT.
        is_key: it becomes the primary key.
        stated: the column as far as it can be read.
    """

    old: str
    new: str
    place: str | None = None
    keeps_type: bool = False
    if_exists: bool = False
    recomputes: bool = False
    numbers: bool = False
    is_key: bool = False
    definition: str = ""
    stated: Column | None = None


@dataclass(frozen=True, slots=True)
class DefaultChanged:
    """ALTER COLUMN: another default for values to come."""

    name: str


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """ADD or DROP PRIMARY KEY; ``columns`` None means dropped."""

    columns: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class CharsetConverted:
    """CONVERT TO CHARACTER SET: text columns change in place, and so does the table's default.

    Attributes:
        keeps_ascii: the new set is known to write ASCII as most sets do.
        charset: the new set; None where it is the schema's.
    """

    keeps_ascii: bool = False
    charset: str | None = None


@dataclass(frozen=True, slots=True)
class DefaultCharset:
    """The character set of text columns to come; None where it is the schema's."""

    charset: str | None


@dataclass(frozen=True, slots=True)
class PartitionsChanged:
    """Any clause about partitions or tablespaces. The rows that it moves are not in the log.

    ``other`` is the table that they come from or go to.
    """

    text: str
    other: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Renamed:
    """RENAME TO."""

    name: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnknownClause:
    """A clause that is not understood, and so may change anything."""

    text: str = field(default="")


AlterClause = (
    ColumnAdded
    | ColumnDropped
    | ColumnChanged
    | DefaultChanged
    | KeyChanged
    | CharsetConverted
    | DefaultCharset
    | PartitionsChanged
    | Renamed
    | UnknownClause
)

_INDEXES = ("INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK", "CONSTRAINT")
_HARMLESS = frozenset({
    "ENGINE", "AUTO_INCREMENT", "COMMENT", "FORCE", "ENABLE", "DISABLE", "ALGORITHM", "LOCK",
    "ORDER", "ROW_FORMAT", "KEY_BLOCK_SIZE", "CHECKSUM", "PACK_KEYS", "AVG_ROW_LENGTH", "MAX_ROWS",
    "MIN_ROWS", "DELAY_KEY_WRITE", "STATS_PERSISTENT", "STATS_AUTO_RECALC", "STATS_SAMPLE_PAGES",
    "DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "INDEX", "DATA", "TABLESPACE", "UNION",
    "INSERT_METHOD", "COMPRESSION", "ENCRYPTION", "PAGE_COMPRESSED", "PAGE_COMPRESSION_LEVEL",
    "TRANSACTIONAL", "ENCRYPTED", "ENCRYPTION_KEY_ID", "WITH", "WITHOUT", "CONNECTION",
    "SECONDARY_ENGINE", "SECONDARY_LOAD", "SECONDARY_UNLOAD", "AUTOEXTEND_SIZE", "NOWAIT", "WAIT",
    "STORAGE", ";",
})  # fmt: skip
_PARTITION_VERBS = frozenset({
    "PARTITION", "REORGANIZE", "COALESCE", "EXCHANGE", "REMOVE", "ANALYZE", "CHECK", "OPTIMIZE",
    "REBUILD", "REPAIR", "TRUNCATE", "DISCARD", "IMPORT", "CONVERT",
})  # fmt: skip


def read_clauses(words: list[Word]) -> Iterator[AlterClause]:
    """Every clause that changes columns, keys, names or rows; others leave the data as it is."""
    for part in split_at_commas(words):
        reader = WordReader(part)
        # Table options may stand one behind the other without commas.
        is_option = len(part) > 1 and part[1].keyword == "=" and reader.peek() != "RENAME"
        if is_option or (reader.peek() in _HARMLESS and not _is_index_alteration(part)):
            yield from _partitioning_behind(part)
            if reader.accept("ORDER", "BY"):
                # Nothing comes behind it but more columns to order by.
                return
            yield from _default_charset(part)
            continue
        yield from _clause(reader, part)


def read_columns(words: list[Word]) -> Iterator[AlterClause]:
    """What CREATE TABLE lists behind the table's name, as if it was added to an empty table.

    Nothing where the columns, or some of them, come from another table or a query.
    """
    reader = WordReader(words)
    is_query = any(word.keyword == "SELECT" for word in words)
    if reader.accept("(") and reader.peek() != "LIKE" and not is_query:
        columns = reader.parenthesized()
        for part in split_at_commas(columns):
            yield from _add(WordReader(part), part)
        yield from _default_charset(reader.rest[len(columns) + 1 :])


def _is_index_alteration(part: list[Word]) -> bool:
    return part[0].keyword == "CHECK"


def _partitioning_behind(part: list[Word]) -> Iterator[AlterClause]:
    for word, following in pairwise(part):
        if word.keyword == "PARTITION" and following.keyword == "BY":
            yield _partitions(part)


def _default_charset(options: list[Word]) -> Iterator[AlterClause]:
    """What table options say of it."""
    words = [word for _, word in outside_parentheses(options)]
    if (charset := read_charset(words)) is not None:
        yield DefaultCharset(None if charset == "default" else charset)


def _clause(reader: WordReader, part: list[Word]) -> Iterator[AlterClause]:
    if reader.accept("ADD"):
        yield from _add(reader, part)
    elif reader.accept("DROP"):
        yield from _drop(reader, part)
    elif reader.accept("MODIFY"):
        yield _modify(reader)
    elif reader.accept("CHANGE"):
        yield _change(reader)
    elif reader.accept("RENAME"):
        yield from _rename(reader)
    elif reader.accept("ALTER"):
        yield from _alteration(reader)
    elif reader.accept("CONVERT", "TO"):
        yield _conversion(reader)
    elif reader.peek() in _PARTITION_VERBS:
        yield _partitions(part)
    else:
        yield UnknownClause(_text(part))


def _alteration(reader: WordReader) -> Iterator[AlterClause]:
    """Also of indexes and checks, which change no row."""
    reader.accept("COLUMN")
    reader.accept("IF", "EXISTS")
    name = reader.qualified_name()[-1]
    if reader.accept("SET", "DEFAULT") or reader.accept("DROP", "DEFAULT"):
        yield DefaultChanged(name)


def _conversion(reader: WordReader) -> CharsetConverted:
    if not reader.accept("CHARACTER", "SET"):
        reader.accept("CHARSET")
    reader.accept("=")
    charset = "default" if reader.at_end else reader.name().lower()
    return CharsetConverted(
        keeps_ascii=not charset.startswith(("default", *WIDE_CHARSETS)),
        charset=None if charset == "default" else charset,
    )


def _partitions(part: list[Word]) -> PartitionsChanged:
    reader = WordReader(part)
    while not reader.at_end and reader.peek() != "(":
        if reader.accept("TABLE"):
            return PartitionsChanged(_text(part), reader.qualified_name())
        reader.name()
    return PartitionsChanged(_text(part))


def _add(reader: WordReader, part: list[Word]) -> Iterator[AlterClause]:
    if reader.accept("PARTITION"):
        yield _partitions(part)
        return
    if reader.accept("PRIMARY", "KEY") or _accept_named_key(reader):
        yield KeyChanged(_parenthesized_names(reader))
        return
    if reader.peek() in _INDEXES or _accept_versioning(reader) or reader.accept("VECTOR", "INDEX"):
        return
    reader.accept("COLUMN")
    if_not_exists = reader.accept("IF", "NOT", "EXISTS")
    if reader.accept("("):
        for inner in split_at_commas(reader.parenthesized()):
            yield from _add(WordReader(inner), inner)
        return
    yield _column_added(reader, if_not_exists=if_not_exists)


def _accept_versioning(reader: WordReader) -> bool:
    return reader.accept("PERIOD", "FOR") or reader.accept("SYSTEM", "VERSIONING")


def _accept_named_key(reader: WordReader) -> bool:
    """CONSTRAINT [name] PRIMARY KEY."""
    rest = [word.keyword for word in reader.rest[:4]]
    if rest[:1] != ["CONSTRAINT"] or "PRIMARY" not in rest[1:3]:
        return False
    reader.accept("CONSTRAINT")
    if reader.peek() != "PRIMARY":
        reader.name()
    return reader.accept("PRIMARY", "KEY")


def _column_added(reader: WordReader, *, if_not_exists: bool) -> ColumnAdded:
    name = reader.qualified_name()[-1]
    definition = reader.rest
    keywords = [word.keyword for _, word in outside_parentheses(definition)]
    return ColumnAdded(
        name,
        place=_place(definition),
        default=read_default(definition),
        is_nullable=nullability(keywords),
        if_not_exists=if_not_exists,
        is_key=_is_key(keywords),
        definition=_text(definition),
        stated=read_column(definition),
    )


def _accept_index_of_key(reader: WordReader) -> bool:
    """The primary key by the name that its index always has."""
    words = [word for word in reader.rest if word.keyword not in ("IF", "EXISTS")]
    is_index = len(words) > 1 and words[0].keyword in ("INDEX", "KEY", "CONSTRAINT")
    return is_index and is_name_of_key(words[1].text)


def is_name_of_key(index: str) -> bool:
    return index.upper() == "PRIMARY"


def _is_key(keywords: list[str]) -> bool:
    """KEY alone means the primary one."""
    return any(pair[1] == "KEY" and pair[0] != "UNIQUE" for pair in pairwise(keywords))


def _drop(reader: WordReader, part: list[Word]) -> Iterator[AlterClause]:
    if reader.accept("PARTITION"):
        yield _partitions(part)
    elif reader.accept("PRIMARY", "KEY") or _accept_index_of_key(reader):
        yield KeyChanged(None)
    elif reader.peek() not in _INDEXES and not _accept_versioning(reader):
        reader.accept("COLUMN")
        reader.accept("IF", "EXISTS")
        yield ColumnDropped(reader.qualified_name()[-1])


def _modify(reader: WordReader) -> ColumnChanged:
    reader.accept("COLUMN")
    if_exists = reader.accept("IF", "EXISTS")
    name = reader.qualified_name()[-1]
    return _column_changed(name, name, reader.rest, if_exists=if_exists)


def _change(reader: WordReader) -> ColumnChanged:
    reader.accept("COLUMN")
    if_exists = reader.accept("IF", "EXISTS")
    old = reader.qualified_name()[-1]
    new = reader.qualified_name()[-1]
    return _column_changed(old, new, reader.rest, if_exists=if_exists)


def _column_changed(
    old: str, new: str, definition: list[Word], *, if_exists: bool
) -> ColumnChanged:
    keywords = {word.keyword for word in definition}
    outside = [word.keyword for _, word in outside_parentheses(definition)]
    return ColumnChanged(
        old,
        new,
        _place(definition),
        if_exists=if_exists,
        recomputes=not COMPUTING.isdisjoint(keywords),
        numbers=not NUMBERED.isdisjoint(keywords),
        is_key=_is_key(outside),
        definition=_text(definition),
        stated=read_column(definition),
    )


def _rename(reader: WordReader) -> Iterator[AlterClause]:
    if reader.peek() in ("INDEX", "KEY"):
        return
    if reader.accept("COLUMN"):
        if_exists = reader.accept("IF", "EXISTS")
        old = reader.qualified_name()[-1]
        reader.accept("TO")
        new = reader.qualified_name()[-1]
        yield ColumnChanged(old, new, keeps_type=True, if_exists=if_exists)
        return
    if not reader.accept("TO") and not reader.accept("AS"):
        reader.accept("=")
    yield Renamed(reader.qualified_name())


def _place(definition: list[Word]) -> str | None:
    if definition and definition[-1].keyword == "FIRST":
        return FIRST
    if len(definition) > 1 and definition[-2].keyword == "AFTER":
        return definition[-1].text
    return None


def _parenthesized_names(reader: WordReader) -> tuple[str, ...]:
    while not reader.at_end and not reader.accept("("):
        reader.name()
    return tuple(part[0].text for part in split_at_commas(reader.parenthesized()))


def _text(part: list[Word]) -> str:
    return " ".join(word.text for word in part)
