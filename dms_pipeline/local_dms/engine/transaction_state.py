"""The table awsdms_txn_state on the target, where AWS DMS too keeps the checkpoint of a task.

An engine that was killed, or that lost its connection, may have sent a commit that the server still
carries out. Therefore whoever is to rely on the checkpoint first owns it: the ownership of another
connection ends only with its session, when nothing of it can be committed any more.
"""

import psycopg
from psycopg import sql

from dms_pipeline.errors import TargetUnavailableError
from dms_pipeline.local_dms.engine.target_tables import TargetConnection, create_control_table
from dms_pipeline.local_dms.engine.task_spec import TaskSpec

_TABLE = "awsdms_txn_state"
_COLUMNS = (
    '"SERVER_NAME" varchar(128), "TASK_NAME" varchar(128), "STATE_TIME" timestamp,'
    ' "CHECKPOINT" varchar(1024), UNIQUE ("SERVER_NAME", "TASK_NAME")'
)


class TransactionState:
    """One row of the table: the checkpoint of one task against one source."""

    @classmethod
    def of_task(cls, spec: TaskSpec, schema: str) -> "TransactionState":
        return cls(schema, server_name=spec.server_name, task_name=spec.task_id)

    def __init__(self, schema: str, *, server_name: str, task_name: str) -> None:
        self._schema = schema
        self._table = sql.Identifier(schema, _TABLE)
        self._key = (server_name, task_name)
        self._lock = f"local_dms {server_name} {task_name}"

    def create(self, target: TargetConnection) -> None:
        create_control_table(target, self._schema, _TABLE, _COLUMNS)

    def own(self, target: TargetConnection) -> None:
        """Wait until no other connection works for the task; holds as long as this connection."""
        try:
            target.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (self._lock,))
        except psycopg.errors.LockNotAvailable as error:
            raise TargetUnavailableError(
                "an earlier run of this task is still at work on the target: end its session"
                " (application_name local_dms) there, or wait"
            ) from error

    def forget(self, target: TargetConnection) -> None:
        """Before tables are loaded anew: what the checkpoint stood for is there no more."""
        target.execute(
            sql.SQL('DELETE FROM {} WHERE "SERVER_NAME" = %s AND "TASK_NAME" = %s').format(
                self._table
            ),
            self._key,
        )

    def read_finally(self, target: TargetConnection) -> str | None:
        """The checkpoint of a task whose engine is gone; None if it never had one."""
        self.own(target)
        known = target.execute("SELECT to_regclass(%s)", (self._table.as_string(target),))
        return None if known.fetchone() == (None,) else self.read(target)

    def read(self, target: TargetConnection) -> str | None:
        with target.transaction():
            row = target.execute(
                sql.SQL(
                    'SELECT "CHECKPOINT" FROM {} WHERE "SERVER_NAME" = %s AND "TASK_NAME" = %s'
                ).format(self._table),
                self._key,
            ).fetchone()
        return None if row is None else row[0]

    def write(self, target: TargetConnection, checkpoint: str) -> None:
        """Within the caller's transaction, so that the checkpoint moves with the data."""
        target.execute(
            sql.SQL(
                'INSERT INTO {} VALUES (%s, %s, now(), %s) ON CONFLICT ("SERVER_NAME", "TASK_NAME")'
                ' DO UPDATE SET "STATE_TIME" = excluded."STATE_TIME",'
                ' "CHECKPOINT" = excluded."CHECKPOINT"'
            ).format(self._table),
            (*self._key, checkpoint),
        )
