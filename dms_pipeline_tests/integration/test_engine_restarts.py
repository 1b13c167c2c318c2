"""Killed anywhere and started again from the reported checkpoint: same content on both sides."""

import random
import threading

from dms_pipeline_tests.engine_driver import UPSERT, server_time, source_rows, target_rows
from dms_pipeline_tests.integration.test_engine_full_load_and_cdc import (
    Source,
    capture,
    catch_up,
    load,
    mysql,
    source,
)

__all__ = ["mysql", "source"]


def write_randomly(dsn: str, schema: str, stop: threading.Event, seed: int) -> None:
    chance = random.Random(seed)
    writer = Source(dsn, schema, create=False)
    while not stop.is_set():
        writer.run("BEGIN")
        for _ in range(chance.choice((1, 3, 50))):
            key = chance.randrange(500)
            choice = chance.random()
            if choice < 0.5:
                writer.run(
                    f"REPLACE INTO {schema}.t VALUES (%s, %s, %s)",
                    (key, chance.random(), chance.choice(("é😀", "a\tb", None))),
                )
            elif choice < 0.7:
                writer.run(f"DELETE FROM {schema}.t WHERE a = %s", (key,))
            elif choice < 0.9:
                writer.run(f"UPDATE {schema}.t SET g = g + 1 WHERE a > %s LIMIT 5", (key,))
            else:
                writer.run(
                    f"UPDATE IGNORE {schema}.t SET a = %s WHERE a = %s",
                    (chance.randrange(500), key),
                )
        writer.run("ROLLBACK" if chance.random() < 0.1 else "COMMIT")
        if chance.random() < 0.01:
            writer.run("FLUSH BINARY LOGS")
    writer.close()


def test_kills_under_a_random_workload_lose_and_double_nothing(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY, g double, v varchar(20))")
    stop = threading.Event()
    chance = random.Random(7)
    writer = threading.Thread(target=write_randomly, args=(mysql.dsn, source.schema, stop, 7))
    writer.start()
    try:
        checkpoint = load(mysql, postgres, source).checkpoint
        for _ in range(5):
            run = capture(mysql, postgres, source, checkpoint, settings=UPSERT)
            run.wait_for("running")
            threading.Event().wait(chance.uniform(0.05, 0.8))
            run.kill()
            checkpoint = run.checkpoint or checkpoint
        run = capture(
            mysql, postgres, source, checkpoint, stop_position=server_time(3), resume=True
        )
        assert run.wait()["reason"] == "STOPPED_AT_SERVER_TIME"
    finally:
        stop.set()
        writer.join()
    catch_up(mysql, postgres, source, run.checkpoint)
    query = f"SELECT a, g, v FROM {source.schema}.t ORDER BY a"
    expected = source_rows(mysql.dsn, query)
    assert len(expected) > 50
    assert target_rows(postgres.dsn, query) == expected
