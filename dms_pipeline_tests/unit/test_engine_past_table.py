"""What is known of a table at a place in the log, from today back and from before on."""

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.binlog.table_metadata import ColumnMetadata, TableMetadata
from dms_pipeline.local_dms.engine.column_types import misfit
from dms_pipeline.local_dms.engine.computed_columns import computed_anew
from dms_pipeline.local_dms.engine.ddl import parse_ddl
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.past_table import (
    PastTable,
    carried_on,
    completed,
    created,
    walked_back,
)

TABLE = TableId("d", "t")
K = Column("k", "int", "int")
A = Column("a", "varchar", "varchar(9)", charset="latin1", char_length=9)
B = Column("b", "bigint", "bigint unsigned")
TODAY = SourceTable(TABLE, (K, A, B), ("k",))


def clauses_of(statement):
    ddl = parse_ddl(statement, "d")
    assert ddl is not None
    return ddl.created or ddl.clauses


def test_a_redefined_column_is_uncertain_before_the_statement():
    walked = walked_back(TODAY, ("k", "a", "b"), [clauses_of("ALTER TABLE t MODIFY b bigint")])
    assert walked.uncertain == {"b"}
    assert not walked.unknown
    assert walked.certain("k") == K


def test_the_same_definition_again_changes_nothing_but_for_texts():
    behind = clauses_of("ALTER TABLE t CHANGE x b bigint, MODIFY a varchar(9)")
    later = [clauses_of("ALTER TABLE t CHANGE b b bigint, MODIFY a varchar(9)")]
    walked = walked_back(TODAY, ("k", "a", "b"), later, behind=behind)
    assert walked.uncertain == {"a"}


def test_what_is_known_from_before_completes_what_is_not_told_by_today():
    before = PastTable(SourceTable(TABLE, (K, A, Column("c", "date", "date")), ("k",)))
    known = carried_on(
        before, clauses_of("ALTER TABLE t DROP k, ADD b serial, RENAME COLUMN c TO e")
    )
    later = [clauses_of("ALTER TABLE t DROP e, CONVERT TO CHARACTER SET latin1, MODIFY b bigint")]
    walked = walked_back(SourceTable(TABLE, (A, B), ()), known.layout, later)
    past = completed(walked, known)
    assert past.layout == ("a", "e", "b")
    assert past.certain("a") == A
    assert past.certain("e") == Column("e", "date", "date")
    assert past.uncertain == {"b"}
    assert not past.unknown


@pytest.mark.parametrize(
    ("charset", "labels", "target", "keeps"),
    [
        ("latin1", "enum('x')", "utf8mb4", True),
        ("latin1", "enum('é')", "utf8mb4", False),
        ("latin1", "enum('x')", "utf16", False),
        ("utf32", "enum('x')", "utf8mb4", False),
        ("latin1", "enum('x')", "DEFAULT", False),
    ],
)
def test_labels_outlive_a_conversion_that_leaves_their_bytes_right(charset, labels, target, keeps):
    column = Column("e", "enum", labels, charset=charset)
    before = PastTable(SourceTable(TABLE, (column,), ()))
    clauses = clauses_of(f"ALTER TABLE t CONVERT TO CHARACTER SET {target}")
    assert (carried_on(before, clauses).certain("e") is not None) is keeps


def test_a_created_table_is_known_by_what_the_statement_says():
    text = "CREATE TABLE t (a int, b varchar(9), c json, PRIMARY KEY (b, a))"
    past = created(TABLE, clauses_of(text))
    assert past is not None
    assert (past.layout, past.source.primary_key) == (("a", "b", "c"), ("b", "a"))
    assert past.certain("a") == Column("a", "int", "int")
    # The character set is the schema's.
    assert past.unknown == {"b", "c"}
    assert created(TABLE, ()) is None
    past = created(TABLE, clauses_of(f"{text} ENGINE=InnoDB DEFAULT CHARSET=latin1"))
    assert past is not None
    assert past.certain("b") == Column("b", "varchar", "varchar(9)", "latin1", 9)
    past = created(TABLE, clauses_of(f"{text} PARTITION BY KEY (charset)"))
    assert past is not None
    assert past.source.charset is None


@pytest.mark.parametrize(
    ("charset", "statement", "found"),
    [
        ("latin1", "ALTER TABLE t MODIFY a varchar(20)", "latin1"),
        (None, "ALTER TABLE t MODIFY a varchar(20)", None),
        ("binary", "ALTER TABLE t MODIFY a varchar(20)", None),
        (None, "ALTER TABLE t MODIFY a varchar(20) CHARSET cp1251", "cp1251"),
        (None, "ALTER TABLE t MODIFY a varchar(20) COLLATE koi8r_bin", "koi8r"),
        ("latin1", "ALTER TABLE t ENGINE=InnoDB CHARSET=utf8mb4, MODIFY a varchar(20)", "utf8mb4"),
        ("latin1", "ALTER TABLE t DEFAULT CHARACTER SET DEFAULT, MODIFY a varchar(20)", None),
        ("latin1", "ALTER TABLE t COLLATE utf8mb4_bin, MODIFY a varchar(20)", "utf8mb4"),
        ("latin1", "ALTER TABLE t COLLATE uca1400_ai_ci, MODIFY a varchar(20)", "latin1"),
        ("utf8mb4", "ALTER TABLE t MODIFY a varchar(20) COLLATE uca1400_ai_ci", "utf8mb4"),
        ("latin1", "ALTER TABLE t MODIFY a varchar(20), ORDER BY charset", "latin1"),
    ],
)
def test_text_without_a_character_set_has_that_of_the_table(charset, statement, found):
    before = PastTable(SourceTable(TABLE, (A,), (), charset=charset))
    column = carried_on(before, clauses_of(statement)).certain("a")
    expected = Column("a", "varchar", "varchar(20)", found, 20)
    assert column == (None if found is None else expected)


def test_table_s_character_set_is_not_known_before_it_is_set():
    today = SourceTable(TABLE, (K, A, B), ("k",), charset="latin1")
    later = [clauses_of("ALTER TABLE t CHARACTER SET = latin1")]
    assert walked_back(today, ("k", "a", "b"), later).source.charset is None
    assert walked_back(today, ("k", "a", "b"), []).source.charset == "latin1"


@pytest.mark.parametrize(
    ("column", "code", "told", "fits"),
    [
        (B, 8, ColumnMetadata(unsigned=True), True),
        (B, 8, ColumnMetadata(), False),
        (B, 8, ColumnMetadata(unsigned=False), False),
        (B, 3, ColumnMetadata(unsigned=True), False),
        (A, 15, ColumnMetadata(collation=8), True),
        (A, 15, ColumnMetadata(collation=45), False),
        (A, 15, ColumnMetadata(), False),
        (Column("d", "decimal", "decimal(9,2)"), 246, ColumnMetadata(), True),
        (Column("e", "enum", "enum('x')"), 254, ColumnMetadata(members=(b"x",)), True),
        (Column("e", "enum", "enum('x')"), 254, ColumnMetadata(members=(b"y", b"x")), False),
        (Column("e", "enum", "enum('x')"), 254, ColumnMetadata(), False),
        (Column("f", "bit", "bit(5)"), 16, ColumnMetadata(), False),
        (Column("v", "varbinary", "varbinary(9)"), 15, ColumnMetadata(collation=63), True),
        (Column("v", "varbinary", "varbinary(9)"), 254, ColumnMetadata(collation=63), False),
        (Column("v", "binary", "binary(9)"), 254, ColumnMetadata(collation=63), False),
    ],
)
def test_rows_of_an_uncertain_column_are_read_if_the_log_tells_enough(column, code, told, fits):
    past = PastTable(SourceTable(TABLE, (column,), ()), uncertain=frozenset({column.name}))
    reason = misfit(past, bytes([code]), TableMetadata((told,)))
    assert (reason is None) is fits


def test_rows_with_another_character_set_are_refused():
    past = PastTable(SourceTable(TABLE, (A,), ()))
    told = TableMetadata((ColumnMetadata(collation=45),))
    assert "utf8mb4" in (misfit(past, b"\x0f", told) or "")


@pytest.mark.parametrize(
    ("clauses", "key"),
    [
        ("DROP a, ADD A int FIRST", ("A", "b")),
        ("DROP a, CHANGE c a int", ("b",)),
        ("DROP a", ("b",)),
        ("CHANGE a d int, ADD a int", ("d", "b")),
    ],
)
def test_key_behind_a_statement_that_drops_a_column_of_it(clauses, key):
    columns = tuple(Column(name, "int", "int") for name in ("a", "b", "c"))
    before = PastTable(SourceTable(TABLE, columns, ("a", "b")))
    assert carried_on(before, clauses_of(f"ALTER TABLE t {clauses}")).source.primary_key == key


def test_a_conversion_computes_a_generated_column_anew_whose_character_set_is_uncertain():
    generated = Column("g", "varchar", "varchar(9)", charset="koi8r", computed_from=("b",))
    today = SourceTable(TABLE, (K, B, generated), ("k",))
    conversion = clauses_of("ALTER TABLE t RENAME COLUMN x TO b, CONVERT TO CHARACTER SET koi8r")
    before = walked_back(today, ("k", "x", "g"), [conversion])
    assert before.uncertain == {"g"}
    anew = computed_anew(before, PastTable(today), conversion, pads_char=False)
    assert [column.name for column in anew] == ["g"]


@pytest.mark.parametrize(
    ("clauses", "names"),
    [("DROP b, RENAME COLUMN x TO b", ["g"]), ("RENAME COLUMN x TO b", [])],
)
def test_a_column_that_comes_under_the_name_of_a_dropped_one_is_another(clauses, names):
    """MariaDB: the expression keeps the name, which now means another column."""
    generated = Column("g", "varchar", "varchar(9)", charset="latin1", computed_from=("b",))
    today = SourceTable(TABLE, (K, B, generated), ("k",))
    statement = clauses_of(f"ALTER TABLE t {clauses}")
    layout = ("k", "b", "x", "g") if "DROP" in clauses else ("k", "x", "g")
    before = walked_back(today, layout, [statement])
    anew = computed_anew(before, PastTable(today), statement, pads_char=False)
    assert [column.name for column in anew] == names


@pytest.mark.parametrize(("pads_char", "names"), [(True, ["g"]), (False, [])])
def test_char_that_is_read_with_its_blanks_may_compute_other_values(pads_char, names):
    """MySQL, in PAD_CHAR_TO_FULL_LENGTH: stored columns, by any statement that copies the table."""
    padded = Column("c", "char", "char(5)", charset="latin1")
    generated = Column("g", "varchar", "varchar(9)", charset="latin1", computed_from=("c",))
    other = Column("h", "int", "int", computed_from=("k",))
    before = PastTable(SourceTable(TABLE, (K, B, padded, generated, other), ("k",)))
    statement = clauses_of("ALTER TABLE t MODIFY b bigint")
    after = carried_on(before, statement)
    anew = computed_anew(before, after, statement, pads_char=pads_char)
    assert [column.name for column in anew] == names
    assert computed_anew(before, before, (), pads_char=True) == []


def test_a_key_is_of_columns_however_the_statement_spells_them():
    table = created(TABLE, clauses_of("CREATE TABLE t (id int, Name text, PRIMARY KEY (ID, name))"))
    assert table is not None
    assert table.source.primary_key == ("id", "Name")
