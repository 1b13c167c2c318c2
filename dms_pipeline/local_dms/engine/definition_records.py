"""The table local_dms_definitions on the target: how the source defined the tables, and from where.

The log holds rows without the definitions they were written by, and the source only knows its
definitions of today. What a task knew at its checkpoint is noted here in the transaction that moves
the checkpoint, so that the next run reads on by it, whatever was altered in between.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from psycopg import sql

from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.past_table import PastTable
from dms_pipeline.local_dms.engine.table_plan import TablePlan
from dms_pipeline.local_dms.engine.target_tables import TargetConnection, create_control_table

logger = logging.getLogger(__name__)

_TABLE = "local_dms_definitions"
_COLUMNS = (
    "server_name varchar(128), task_name varchar(128), target_schema varchar(128),"
    " target_table varchar(128), position varchar(512), definition text"
)
_STATES = "awsdms_txn_state"
_OURS = sql.SQL("server_name = %s AND target_schema = %s AND target_table = %s")


class DefinitionRecords:
    """Notes for one task. A definition holds from its position to the next one of its table.

    A note is of use only up to the checkpoint of the task that followed the log last: behind that
    nobody looked whether the table was altered.
    """

    def __init__(
        self, target: TargetConnection, schema: str, *, server_name: str, task_name: str
    ) -> None:
        self._target = target
        self._schema = schema
        self._table = sql.Identifier(schema, _TABLE)
        self._server, self._task = server_name, task_name

    def create(self) -> None:
        create_control_table(self._target, self._schema, _TABLE, _COLUMNS)

    def known_at(self, position: BinlogPosition) -> dict[tuple[str, str], PastTable]:
        """By schema and name on the target, the definitions that hold at a position."""
        rows = self._target.execute(
            sql.SQL(
                'SELECT target_schema, target_table, position, definition, "CHECKPOINT"'
                ' FROM {} JOIN {} ON server_name = "SERVER_NAME" AND task_name = "TASK_NAME"'
                " WHERE server_name = %s"
            ).format(self._table, sql.Identifier(self._schema, _STATES)),
            (self._server,),
        ).fetchall()
        newest: dict[tuple[str, str], tuple[BinlogPosition, str | None]] = {}
        for schema, table, noted, definition, followed in rows:
            since = parse_checkpoint(noted)
            if since > position or parse_checkpoint(followed) < position:
                continue
            former = newest.get((schema, table))
            if former is None or former[0] < since:
                newest[schema, table] = (since, definition)
        known = {key: _decoded(text) for key, (_, text) in newest.items() if text is not None}
        return {key: past for key, past in known.items() if past is not None}

    def take_over(
        self, position: BinlogPosition, tables: Iterable[tuple[TablePlan, PastTable | None]]
    ) -> None:
        """From a position on, this task follows these tables."""
        with self._target.transaction():
            for plan, past in tables:
                latest: tuple[BinlogPosition, str | None] | None = None
                for noted, definition in self._notes_of(plan):
                    since = parse_checkpoint(noted)
                    if since > position:
                        self._delete(plan, noted)
                    elif latest is None or latest[0] < since:
                        latest = (since, definition)
                self._target.execute(
                    sql.SQL("UPDATE {} SET task_name = %s WHERE {}").format(self._table, _OURS),
                    (self._task, *self._key(plan)),
                )
                if latest is None or latest[1] != _encoded(past):
                    self.note(plan, past, position)

    def note(self, plan: TablePlan, past: PastTable | None, position: BinlogPosition) -> None:
        """The table's definition behind a position; None if it is not known from there on."""
        self._target.execute(
            sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, %s, %s, %s)").format(self._table),
            (
                self._server,
                self._task,
                plan.target_schema,
                plan.target_table,
                str(position),
                _encoded(past),
            ),
        )

    def forget(self, plans: Iterable[TablePlan]) -> None:
        """A full load begins anew, also with tables that this task knew and that are gone."""
        if self._exists():
            with self._target.transaction():
                self._target.execute(
                    sql.SQL("DELETE FROM {} WHERE server_name = %s AND task_name = %s").format(
                        self._table
                    ),
                    (self._server, self._task),
                )
                self.forget_tables(plans)

    def forget_tables(self, plans: Iterable[TablePlan]) -> None:
        """What will be loaded anew has the definition that the source gives it then."""
        if self._exists():
            with self._target.transaction():
                for plan in plans:
                    self._target.execute(
                        sql.SQL("DELETE FROM {} WHERE {}").format(self._table, _OURS),
                        self._key(plan),
                    )

    def _exists(self) -> bool:
        name = self._table.as_string(self._target)
        return self._target.execute("SELECT to_regclass(%s)", (name,)).fetchone() != (None,)

    def _notes_of(self, plan: TablePlan) -> list[tuple[str, str | None]]:
        return self._target.execute(
            sql.SQL("SELECT position, definition FROM {} WHERE {}").format(self._table, _OURS),
            self._key(plan),
        ).fetchall()

    def _delete(self, plan: TablePlan, noted: str) -> None:
        self._target.execute(
            sql.SQL("DELETE FROM {} WHERE {} AND position = %s").format(self._table, _OURS),
            (*self._key(plan), noted),
        )

    def _key(self, plan: TablePlan) -> tuple[str, str, str]:
        return self._server, plan.target_schema, plan.target_table


def _encoded(past: PastTable | None) -> str | None:
    if past is None:
        return None
    source = past.source
    document = {
        "table": [source.table_id.schema, source.table_id.table],
        "columns": [asdict(column) for column in source.columns],
        "primary_key": source.primary_key,
        "hidden_columns": source.hidden_columns,
        "charset": source.charset,
        "unknown": sorted(past.unknown),
        "uncertain": sorted(past.uncertain),
    }
    return json.dumps(document)


def _decoded(text: str) -> PastTable | None:
    """None for a note that another version of this program wrote in another form."""
    try:
        return _parsed(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("a definition in table %s is not understood: %r", _TABLE, error)
        return None


def _parsed(document: dict[str, Any]) -> PastTable:
    source = SourceTable(
        TableId(*document["table"]),
        tuple(
            Column(**{**column, "computed_from": tuple(column.get("computed_from", ()))})
            for column in document["columns"]
        ),
        tuple(document["primary_key"]),
        hidden_columns=document["hidden_columns"],
        charset=document.get("charset"),
    )
    return PastTable(source, frozenset(document["unknown"]), frozenset(document["uncertain"]))
