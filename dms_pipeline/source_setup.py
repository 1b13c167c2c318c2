"""What a MySQL or MariaDB server needs to be a source of AWS DMS, and the SQL that gives it that.

Pure: from what was seen on a server to the steps that are left. The rules are those of
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Source.MySQL.html, the limits of RDS those of
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/mysql-stored-proc-configuring.html.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import ConfigError
from dms_pipeline.log_retention import LOADS_KEPT, longest_pause
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.preflight import Finding
from dms_pipeline.resources.source import SourceServer

Service = Literal["", "RDS", "Aurora"]
RDS_CONFIGURATION = TableId("mysql", "rds_configuration")

_HOUR_S = 3600
_SHORTEST_RETENTION_H = 24
_LONGEST_RETENTION_H: dict[Service, int] = {"RDS": 168, "Aurora": 2160}
_REPLICATION_SLAVE = "REPLICATION SLAVE"
_REPLICATION_CLIENT = "REPLICATION CLIENT"
# What MariaDB calls REPLICATION CLIENT since 10.5.2, in grants and in what it shows of them.
_BINLOG_MONITOR = "BINLOG MONITOR"


@dataclass(frozen=True, slots=True)
class Account:
    """Who reads the source for DMS: a user, and the hosts that it may come from (% for any)."""

    user: str
    host: str

    def __str__(self) -> str:
        return f"'{self.user}'@'{self.host}'"


@dataclass(frozen=True, slots=True)
class SourceState:
    """A server and one account as they are.

    Attributes:
        server: what a load would see of it.
        service: of AWS, where the server is one.
        account: whose privileges these are.
        exists: whether there is the account.
        refusal: why the account is not let in with the password of the secret; empty if it is.
        privileges: on all of the server.
        readable: the tables of the pipeline that the account may read; also RDS's configuration.
    """

    server: SourceServer
    service: Service
    account: Account
    exists: bool
    refusal: str
    privileges: frozenset[str]
    readable: frozenset[TableId]

    @property
    def is_mariadb(self) -> bool:
        return "mariadb" in self.server.version.lower()

    @property
    def release(self) -> tuple[int, ...]:
        return tuple(int(number) for number in re.findall(r"\d+", self.server.version)[:3])


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with ``%s`` for its values; ``secret`` are those that nobody may see."""

    sql: str
    values: tuple[str | int, ...] = ()
    secret: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        """As a person would type it, without the password."""
        shown = [_literal(value) for value in self.values] + ["'...'" for _ in self.secret]
        return f"{self.sql % tuple(shown)};"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a source needs: done, or to be done by the statement or by a person.

    Attributes:
        checked: what was looked at.
        found: what it is.
        needed: what it has to be.
        is_done: whether it is.
        statement: does it, where SQL can.
        advice: what a person has to do, instead or as well.
        is_optional: a load works without it.
    """

    checked: str
    found: str
    needed: str
    is_done: bool
    statement: Statement | None = None
    advice: str = ""
    is_optional: bool = False

    @property
    def finding(self) -> Finding:
        problem = "" if self.is_done else self.advice or "missing"
        if self.is_optional:
            return Finding(self.checked, self.found, self.needed, warning=problem)
        return Finding(self.checked, self.found, self.needed, problem)


def retention_hours(
    pipeline: PipelineConfig, service: Service, now: datetime, *, wanted: int | None
) -> int:
    """For how many hours the source is to keep its binary logs.

    Unless somebody says so (``wanted``), one load longer than preflight warns of, and a day at
    least; not longer than the service can.

    Raises:
        ConfigError: if more is wanted than the service can keep.
    """
    longest = _LONGEST_RETENTION_H.get(service)
    if wanted is None:
        pause = longest_pause(pipeline.schedule, now)
        hours = max(math.ceil((LOADS_KEPT + 1) * pause / timedelta(hours=1)), _SHORTEST_RETENTION_H)
        return hours if longest is None else min(hours, longest)
    if longest is not None and wanted > longest:
        raise ConfigError(
            f"{service} keeps binary logs for {longest} hours at most, wanted are {wanted}; "
            "say fewer with --retention-hours, and load more often"
        )
    return wanted


def steps(
    state: SourceState, pipeline: PipelineConfig, *, password: str, hours: int
) -> tuple[Step, ...]:
    """All that the pipeline needs of its source, in the order in which it is to be done."""
    return (
        *_logging(state),
        _retention(state, hours),
        _account(state, pipeline, password),
        *_replication(state),
        *_reading(state, pipeline),
    )


def _logging(state: SourceState) -> Iterator[Step]:
    variables = state.server.variables
    log_bin = variables.get("log_bin", "unset").upper()
    yield Step("log_bin", log_bin, "ON", log_bin == "ON", advice=_how_to_log(state.service))
    settings = {"binlog_format": "ROW", "binlog_row_image": "FULL"}
    if "binlog_transaction_compression" in variables:
        # DMS reads no compressed transactions.
        settings["binlog_transaction_compression"] = "OFF"
    for name, needed in settings.items():
        found = variables.get(name, "unset").upper()
        yield Step(
            name,
            found,
            needed,
            found == needed,
            None if state.service else _set_variable(state, name, needed),
            _where_it_is_set(state, name, needed),
        )


def _how_to_log(service: Service) -> str:
    if service == "RDS":
        return (
            "RDS writes a binary log once automated backups are on: give the DB instance a backup "
            "retention period of a day or more"
        )
    if service == "Aurora":
        return (
            "set binlog_format = ROW in the DB cluster parameter group, and restart the writer: "
            "Aurora writes a binary log then"
        )
    return "set log_bin and server_id under [mysqld] in my.cnf, and restart the server"


def _where_it_is_set(state: SourceState, name: str, value: str) -> str:
    if state.service == "Aurora":
        return f"set {name} = {value} in the DB cluster parameter group"
    if state.service:
        return f"set {name} = {value} in the DB parameter group"
    lasts = "" if _can_persist(state) else f"set {name} = {value} under [mysqld] in my.cnf, too: a "
    lasts += "restart forgets it otherwise; " if lasts else ""
    return f"{lasts}sessions that are open keep the old value"


def _can_persist(state: SourceState) -> bool:
    return not state.is_mariadb and state.release >= (8,)


def _set_variable(state: SourceState, name: str, value: str | int) -> Statement:
    return Statement(f"SET {'PERSIST' if _can_persist(state) else 'GLOBAL'} {name} = %s", (value,))


def _retention(state: SourceState, hours: int) -> Step:
    kept = state.server.retention_s
    needed = timedelta(hours=hours)
    found = "for ever" if kept is None else str(timedelta(seconds=kept))
    is_done = kept is None or kept >= needed.total_seconds()
    checked = "binary logs kept"
    if state.service:
        statement = Statement("CALL mysql.rds_set_configuration(%s, %s)", (_RDS_RETENTION, hours))
        return Step(checked, found, str(needed), is_done, statement)
    name, value = "binlog_expire_logs_seconds", hours * _HOUR_S
    if name not in state.server.variables:
        name, value = "expire_logs_days", math.ceil(hours / 24)
    lasts = f"set {name} = {value} under [mysqld] in my.cnf, too: a restart forgets it otherwise"
    return Step(
        checked,
        found,
        str(needed),
        is_done,
        _set_variable(state, name, value),
        "" if _can_persist(state) else lasts,
    )


_RDS_RETENTION = "binlog retention hours"


def _account(state: SourceState, pipeline: PipelineConfig, password: str) -> Step:
    checked, account = "account", state.account
    if not state.exists:
        create = Statement(
            "CREATE USER %s@%s IDENTIFIED BY %s", (account.user, account.host), (password,)
        )
        return Step(checked, "none", str(account), is_done=False, statement=create)
    return Step(
        checked,
        "refused" if state.refusal else "let in",
        str(account),
        not state.refusal,
        advice=(
            f"{account} is not let in with the password of the secret {pipeline.source.secret} "
            f"({state.refusal}): correct the secret, or the account with ALTER USER"
        ),
    )


def _replication(state: SourceState) -> Iterator[Step]:
    client = _REPLICATION_CLIENT
    if state.is_mariadb and state.release >= (10, 5, 2):
        client = _BINLOG_MONITOR
    for privilege in (_REPLICATION_SLAVE, client):
        is_done = privilege in state.privileges
        grant = Statement(f"GRANT {privilege} ON *.* TO %s@%s", _who(state))
        yield Step(privilege, _granted(is_done), "granted", is_done, grant)


def _reading(state: SourceState, pipeline: PipelineConfig) -> Iterator[Step]:
    tables = [table.source for table in pipeline.tables]
    for schema in sorted({table.schema for table in tables}):
        own = [table for table in tables if table.schema == schema]
        missing = [table for table in own if table not in state.readable]
        found = f"on {len(own) - len(missing)} of {len(own)} tables" if missing else "granted"
        grant = Statement(f"GRANT SELECT ON {_schema_pattern(schema)}.* TO %s@%s", _who(state))
        yield Step(f"SELECT on {schema}", found, "granted", not missing, grant)
    if state.service:
        is_done = RDS_CONFIGURATION in state.readable
        yield Step(
            f"SELECT on {RDS_CONFIGURATION}",
            _granted(is_done),
            "granted",
            is_done,
            Statement(f"GRANT SELECT ON {RDS_CONFIGURATION} TO %s@%s", _who(state)),
            "preflight cannot see for how long binary logs are kept",
            is_optional=True,
        )


def _who(state: SourceState) -> tuple[str, str]:
    return state.account.user, state.account.host


def _granted(is_done: bool) -> str:
    return "granted" if is_done else "missing"


def _schema_pattern(schema: str) -> str:
    """In GRANT, _ and % of a schema's name stand for any signs unless they are escaped."""
    # A per cent sign is doubled once more because the statement has placeholders.
    escaped = re.sub(r"([_%])", r"\\\1", schema).replace("%", "%%").replace("`", "``")
    return f"`{escaped}`"


def _literal(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
