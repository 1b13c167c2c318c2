"""python-mysql-replication reads the log; its rows are netted and applied in batches, as ours are.

Of each key the last image counts. A batch deletes what it changes by way of a temporary table, and
copies what is left: the same statements, without our checkpoints, counts and error policies.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql
from pymysqlreplication import BinLogStreamReader  # type: ignore[import-untyped]
from pymysqlreplication.row_event import (  # type: ignore[import-untyped]
    DeleteRowsEvent,
    UpdateRowsEvent,
    WriteRowsEvent,
)

_BATCH_ROWS = 20_000

Row = tuple[Any, ...]


def main() -> None:
    told = json.load(sys.stdin)
    stream = BinLogStreamReader(
        connection_settings=told["connection"],
        server_id=4_200_000,
        only_schemas=[told["schema"]],
        only_events=[WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent],
        log_file=told["file"],
        log_pos=4,
        resume_stream=True,
        is_mariadb=True,
        blocking=True,
    )
    with psycopg.connect(told["target"]) as target:
        batch: dict[Any, Row | None] = {}
        for table, before, after in _changes(stream):
            if table == "marker":
                _apply(target, told, batch)
                target.execute(f"INSERT INTO {told['schema']}.marker VALUES (1)")
                target.commit()
                break
            if before is not None:
                batch[before[0]] = None
            if after is not None:
                batch[after[0]] = after
            if len(batch) >= _BATCH_ROWS:
                _apply(target, told, batch)
                batch = {}
    stream.close()


def _changes(stream: Any) -> Iterator[tuple[str, Row | None, Row | None]]:
    """Table, values before and values after: a log has no names of columns by default."""
    for event in stream:
        for row in event.rows:
            if isinstance(event, UpdateRowsEvent):
                before, after = row["before_values"], row["after_values"]
            elif isinstance(event, WriteRowsEvent):
                before, after = None, row["values"]
            else:
                before, after = row["values"], None
            yield event.table, before and tuple(before.values()), after and tuple(after.values())


def _apply(
    target: "psycopg.Connection[Any]", told: dict[str, Any], batch: dict[Any, Row | None]
) -> None:
    place, key = sql.Identifier(told["schema"], told["table"]), sql.Identifier(told["key"])
    with target.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT {} FROM {} LIMIT 0").format(
                key, place
            )
        )
        with cursor.copy("COPY gone FROM STDIN") as copy:
            for value in batch:
                copy.write_row((value,))
        cursor.execute(
            sql.SQL("DELETE FROM {} AS t USING gone WHERE t.{} = gone.{}").format(place, key, key)
        )
        with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(place)) as copy:
            for row in batch.values():
                if row is not None:
                    copy.write_row(row)
    target.commit()


if __name__ == "__main__":
    main()
