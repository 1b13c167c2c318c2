"""The log is looked through for definitions only if a table is not what the run before noted."""

import pytest

from dms_pipeline_tests.engine_driver import source_rows, target_rows
from dms_pipeline_tests.integration.test_engine_full_load_and_cdc import (
    Source,
    catch_up,
    load,
    mysql,
    source,
)

__all__ = ["mysql", "source"]

ROW_BYTES = 30_000


@pytest.fixture
def noted(mysql, postgres, source: Source) -> str:
    """A checkpoint of a run that knew table t; behind it lie a hundred rows."""
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY, v mediumtext)")
    source.run(f"CREATE TABLE {source.schema}.gone (a int PRIMARY KEY)")
    checkpoint = load(mysql, postgres, source).checkpoint
    for key in range(100):
        source.run(f"INSERT INTO {source.schema}.t VALUES (%s, repeat('x', {ROW_BYTES}))", (key,))
    assert checkpoint is not None
    return checkpoint


def bytes_read(mysql, postgres, source: Source, checkpoint: str) -> int:
    """What the source sends to a run that catches up."""
    sent = "SHOW GLOBAL STATUS LIKE 'Bytes_sent'"
    ((_, before),) = source_rows(mysql.dsn, sent)
    catch_up(mysql, postgres, source, checkpoint)
    ((_, after),) = source_rows(mysql.dsn, sent)
    return int(after) - int(before)


def assert_same_rows(mysql, postgres, source: Source, columns: str = "a, v") -> None:
    query = f"SELECT {columns} FROM {source.schema}.t ORDER BY a"
    assert target_rows(postgres.dsn, query) == source_rows(mysql.dsn, query)


def test_a_run_that_goes_on_from_a_checkpoint_reads_the_log_once(mysql, postgres, source, noted):
    assert bytes_read(mysql, postgres, source, noted) < 150 * ROW_BYTES
    assert_same_rows(mysql, postgres, source)


def test_the_log_is_looked_through_if_a_table_was_altered(mysql, postgres, source, noted):
    source.run(f"ALTER TABLE {source.schema}.t ADD COLUMN w int FIRST")
    source.run(f"INSERT INTO {source.schema}.t VALUES (7, 100, 'y')")
    assert bytes_read(mysql, postgres, source, noted) > 190 * ROW_BYTES
    assert_same_rows(mysql, postgres, source, "a, v, w")


def test_a_table_that_was_altered_and_altered_back_is_read_as_it_was(
    mysql, postgres, source, noted
):
    source.run(f"ALTER TABLE {source.schema}.t ADD COLUMN w int FIRST")
    source.run(f"INSERT INTO {source.schema}.t VALUES (7, 100, 'y')")
    source.run(f"ALTER TABLE {source.schema}.t DROP COLUMN w")
    source.run(f"INSERT INTO {source.schema}.t VALUES (101, 'z')")
    catch_up(mysql, postgres, source, noted)
    assert_same_rows(mysql, postgres, source)


def test_rows_of_a_table_that_is_gone_by_now_are_passed_over(mysql, postgres, source, noted):
    source.run(f"INSERT INTO {source.schema}.gone VALUES (1)")
    source.run(f"DROP TABLE {source.schema}.gone")
    source.run(f"INSERT INTO {source.schema}.t VALUES (101, 'z')")
    run = catch_up(mysql, postgres, source, noted)
    assert any("passed over, as the table is gone by now" in line for line in run.log)
    assert_same_rows(mysql, postgres, source)
