"""The control tables on the target where AWS DMS tells what it could not apply and where it is.

``awsdms_apply_exceptions`` always exists; the others only if the task's ControlTablesSettings ask
for them. What is written goes with the data, in the same transaction.
"""

from datetime import UTC, datetime
from typing import LiteralString

from psycopg import sql

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.target_tables import TargetConnection, create_control_table
from dms_pipeline.local_dms.engine.task_settings import TaskSettings

_EXCEPTIONS = "awsdms_apply_exceptions"
_SUSPENDED = "awsdms_suspended_tables"
_STATUS = "awsdms_status"
_HISTORY = "awsdms_history"
_COLUMNS: dict[str, LiteralString] = {
    _EXCEPTIONS: (
        '"TASK_NAME" varchar(128) NOT NULL, "TABLE_OWNER" varchar(128) NOT NULL,'
        ' "TABLE_NAME" varchar(128) NOT NULL, "ERROR_TIME" timestamp NOT NULL,'
        ' "STATEMENT" text NOT NULL, "ERROR" text NOT NULL'
    ),
    _SUSPENDED: (
        "server_name varchar(128), task_name varchar(128), table_owner varchar(128),"
        " table_name varchar(128), suspend_reason varchar(32), suspend_timestamp timestamp"
    ),
    _STATUS: (
        "server_name varchar(128), task_name varchar(128), task_status varchar(32),"
        " status_time timestamp, pending_changes bigint, disk_swap_size bigint, task_memory bigint,"
        " source_current_position varchar(128), source_current_timestamp timestamp,"
        " source_tail_position varchar(128), source_tail_timestamp timestamp,"
        " source_timestamp_applied timestamp"
    ),
    _HISTORY: (
        "server_name varchar(128), task_name varchar(128), timeslot_type varchar(32),"
        " timeslot timestamp, timeslot_duration bigint, timeslot_latency bigint, records bigint,"
        " timeslot_volume bigint"
    ),
}


class ControlTables:
    """Writes for one task; a table that is switched off is neither created nor written."""

    def __init__(self, settings: TaskSettings, *, server_name: str, task_name: str) -> None:
        self._schema = settings.control_schema
        self._task = (server_name, task_name)
        self._exists = False
        self._history_slot_s = 60 * settings.history_timeslot_min
        self._enabled = {
            _EXCEPTIONS: True,
            _SUSPENDED: settings.suspended_tables_table,
            _STATUS: settings.status_table,
            _HISTORY: settings.history_table,
        }

    def create(self, target: TargetConnection) -> None:
        for name, enabled in self._enabled.items():
            if enabled:
                create_control_table(target, self._schema, name, _COLUMNS[name])
        self._exists = True

    def add_exception(
        self, target: TargetConnection, table: TableId, statement: str, error: str
    ) -> None:
        """Nothing for a task that only loads: AWS gives it no control tables."""
        if not self._exists:
            return
        target.execute(
            sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, %s, %s, %s)").format(
                self._table(_EXCEPTIONS)
            ),
            (self._task[1], table.schema, table.table, _now(), _shown(statement), _shown(error)),
        )

    def add_suspended(self, target: TargetConnection, table: TableId, reason: str) -> None:
        if self._exists and self._enabled[_SUSPENDED]:
            target.execute(
                sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, %s, %s, %s)").format(
                    self._table(_SUSPENDED)
                ),
                (*self._task, table.schema, table.table, _shown(reason), _now()),
            )

    def write_status(
        self, target: TargetConnection, status: str, *, position: str, applied_until: float | None
    ) -> None:
        """One row per task, replaced each time."""
        if not self._enabled[_STATUS]:
            return
        table, moment = self._table(_STATUS), _timestamp(applied_until)
        target.execute(
            sql.SQL("DELETE FROM {} WHERE server_name = %s AND task_name = %s").format(table),
            self._task,
        )
        target.execute(
            sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, %s, 0, 0, 0, %s, %s, %s, %s, %s)").format(
                table
            ),
            (*self._task, status, _now(), position, moment, position, moment, moment),
        )

    def add_history(
        self, target: TargetConnection, *, records: int, applied_until: float | None
    ) -> None:
        """Count records into the current slot of time."""
        if not self._enabled[_HISTORY] or not records:
            return
        now = datetime.now(UTC).timestamp()
        slot = _timestamp(now // self._history_slot_s * self._history_slot_s)
        latency = int(now - applied_until) if applied_until else 0
        table = self._table(_HISTORY)
        changed = target.execute(
            sql.SQL(
                "UPDATE {} SET records = records + %s, timeslot_latency = %s"
                " WHERE server_name = %s AND task_name = %s AND timeslot = %s"
            ).format(table),
            (records, latency, *self._task, slot),
        ).rowcount
        if not changed:
            target.execute(
                sql.SQL(
                    "INSERT INTO {} VALUES (%s, %s, 'CHANGE PROCESSING', %s, %s, %s, %s, 0)"
                ).format(table),
                (*self._task, slot, self._history_slot_s // 60, latency, records),
            )

    def _table(self, name: str) -> sql.Identifier:
        return sql.Identifier(self._schema, name)


def _shown(text: str) -> str:
    """Statements and labels may hold a NUL or bytes that are no text; the target takes neither."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _timestamp(seconds: float | None) -> datetime | None:
    return None if not seconds else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
