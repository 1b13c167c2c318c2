"""Tasks that start at the same moment on one target share its control tables."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import psycopg

from dms_pipeline.local_dms.engine.target_tables import create_control_table

TASKS = 6
SCHEMA = "side_by_side"


def test_all_of_them_find_the_control_tables_that_one_creates(postgres):
    together = threading.Barrier(TASKS)

    def create(dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as target:
            for round_ in range(20):
                together.wait(30)
                create_control_table(target, f"{SCHEMA}{round_ % 4}", f"t{round_}", "a integer")

    with ThreadPoolExecutor(TASKS) as tasks:
        list(tasks.map(create, repeat(postgres.dsn, TASKS)))
    with psycopg.connect(postgres.dsn, autocommit=True) as target:
        for number in range(4):
            target.execute(f"DROP SCHEMA {SCHEMA}{number} CASCADE")
