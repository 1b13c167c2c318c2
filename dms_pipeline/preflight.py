"""What has to hold before anything that costs money is created.

Every condition is looked at, so that one message names all that is missing; each finding says what
was looked at, what was found, what is needed and what to do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dms_pipeline.aws.dms import MigrationType
from dms_pipeline.aws.sns import Topic
from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.dms_objects import DmsObjects, required
from dms_pipeline.errors import (
    BinlogError,
    DmsPipelineError,
    LoadError,
    PreflightError,
    SourceError,
)
from dms_pipeline.log_retention import LOADS_KEPT, longest_pause
from dms_pipeline.pipeline_config import PipelineConfig, ReplicatedTable, ScheduleSection
from dms_pipeline.records import CheckpointRecord
from dms_pipeline.resources.leases import Lease
from dms_pipeline.resources.source import MySQLSource, SourceServer
from dms_pipeline.resources.target import PostgresTarget
from dms_pipeline.table_agreement import drifted_columns, unlisted_tables

_NEEDED_VARIABLES = {"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL"}
_KEY = "primary key"
_SHOWN_TABLES = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition. ``problem`` says what is wrong and what to do; empty if all is well.

    ``warning`` says what a run can live with, and what it may miss.
    """

    checked: str
    found: str
    needed: str = ""
    problem: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Preflight:
    """The world as one run meets it. ``reload`` allows a full load over an existing checkpoint.

    ``source`` and ``target`` are asked for when it is their turn: without its secret, say, there is
    none, and that is one finding among the others.
    """

    pipeline: PipelineConfig
    migration_type: MigrationType
    reload: bool
    checkpoint: CheckpointRecord | None
    lease: Lease
    objects: DmsObjects
    source: Callable[[], MySQLSource]
    target: Callable[[], PostgresTarget]
    topic: Topic

    def run(self) -> None:
        """Says the warnings; raises `PreflightError` naming all that is missing."""
        findings = self.findings()
        for finding in findings:
            if finding.warning:
                self.objects.say(f"warning: {finding.warning}")
        problems = [finding.problem for finding in findings if finding.problem]
        if problems:
            listed = "".join(f"\n- {problem}" for problem in problems)
            text = problems[0] if len(problems) == 1 else f"{len(problems)} problems:{listed}"
            raise PreflightError(
                f"{self.pipeline.name} cannot be loaded and nothing was created: {text}"
            )

    def findings(self) -> tuple[Finding, ...]:
        return (
            self._checkpoint(),
            self._lease(),
            *_until_error("AWS DMS", self._dms()),
            *_until_error("source", self._source()),
            *_until_error("target", self._target()),
            *self._columns(),
            *_until_error("SNS topic", self._topic()),
        )

    def _checkpoint(self) -> Finding:
        name, latest = self.pipeline.name, self.checkpoint
        found = f"number {latest.sequence}" if latest else "none"
        problem = ""
        if self.migration_type == "cdc" and latest is None:
            problem = (
                "there is no checkpoint, because no full load was done yet; do it first with "
                f"`dms-pipeline run {name} full-load` or the job {name}_full_load"
            )
        is_loaded = latest is not None and latest.run_id != self.objects.run_id
        if self.migration_type != "cdc" and is_loaded and not self.reload:
            problem = (
                "it has been loaded before, and a full load recreates its target tables; if that "
                f"is wanted, `dms-pipeline run {name} full-load --reload` (in the UI: reload: true)"
            )
        needed = "one" if self.migration_type == "cdc" else "none" if not self.reload else ""
        return Finding("checkpoint", found, needed, problem)

    def _lease(self) -> Finding:
        refusal = self.lease.refusal()
        return Finding("lease", "held" if refusal else "free", "free", refusal)

    def _dms(self) -> Iterator[Finding]:
        names = {
            "source": self.pipeline.source.endpoint,
            "target": self.pipeline.target.endpoint,
        }
        endpoints = self.objects.dms.find_endpoints(*names.values())
        for kind, name in names.items():
            try:
                required(endpoints, name, kind)
            except LoadError as error:
                yield Finding(f"{kind} endpoint", "not there", name, str(error))
            else:
                yield Finding(f"{kind} endpoint", name)
        leftovers = self.objects.leftovers()
        yield Finding("leftovers", f"{len(leftovers)}", "0", "; ".join(leftovers))

    def _source(self) -> Iterator[Finding]:
        source = self.source()
        server = source.server()
        yield Finding("source server", server.version)
        for variable, needed in _NEEDED_VARIABLES.items():
            value = server.variables.get(variable, "unset").upper()
            problem = (
                f"the source has {variable}={value}, needed is {needed}; set it in the server's "
                "configuration (RDS: the parameter group) and restart the server"
            )
            yield Finding(variable, value, needed, problem if value != needed else "")
        yield _retention(server, self.pipeline.schedule)
        if self.migration_type == "cdc" and self.checkpoint is not None:
            yield _checkpoint_on_server(self.checkpoint, server)
        if server.end is not None:
            yield _log_is_sent(source, server.end)
        yield from self._tables(source)

    def _tables(self, source: MySQLSource) -> Iterator[Finding]:
        names = tuple(table.source for table in self.pipeline.tables)
        yield _unlisted(unlisted_tables(self.pipeline, source))
        keyed = source.primary_keys(names)
        unlogged = source.unlogged_rules(name for name in names if name in keyed)
        for table in self.pipeline.tables:
            if table.source not in keyed:
                yield _missing(table)
            elif not keyed[table.source]:
                yield _without_key(table)
            else:
                yield Finding(
                    f"table {table.source}",
                    "primary key",
                    _KEY,
                    warning=_unlogged_warning(table, unlogged.get(table.source, [])),
                )

    def _target(self) -> Iterator[Finding]:
        target = self.target()
        tables = tuple(table.target for table in self.pipeline.tables)
        missing = target.missing_schemas(table.schema for table in tables)
        may_create = target.may_create_schemas()
        problem = ""
        if missing and not may_create:
            problem = (
                f"the target has no schema {missing[0]} and its user may not create it; "
                "GRANT CREATE ON DATABASE, or create the schema"
            )
        found = "to be created" if missing else "present"
        yield Finding("target schemas", found, "", problem)
        denied = target.denied(tables, recreated=self.migration_type != "cdc")
        yield Finding(
            "target privileges",
            f"{len(denied)} missing" if denied else "enough",
            "enough",
            f"the target's user may not {'; nor '.join(denied)}" if denied else "",
        )

    def _columns(self) -> Iterator[Finding]:
        """An incremental load writes into the tables that are there."""
        if self.migration_type != "cdc" or self.checkpoint is None:
            return
        try:
            drifted = drifted_columns(
                self.pipeline,
                self.source(),
                self.target(),
                checkpoint=parse_checkpoint(self.checkpoint.checkpoint),
            )
        except DmsPipelineError as error:
            # What keeps a load from being done is found by others, and said by them.
            yield Finding("columns", f"not known: {error}")
            return
        for name, problems in drifted.items():
            listed = "; ".join(problems)
            yield Finding(
                f"columns of {name}",
                f"{len(problems)} that do not fit",
                "as on the source",
                warning=f"{name} and its target have drifted apart ({listed}): alter the target, "
                "or load it anew",
            )
        if not drifted:
            yield Finding("columns", "as on the source")

    def _topic(self) -> Iterator[Finding]:
        confirmed = self.topic.confirmed_subscriptions()
        warning = (
            f"nobody has confirmed a subscription to the SNS topic {self.topic.name}: the mails of "
            f"{self.pipeline.name} reach nobody. Subscribe, and follow the link in AWS's mail"
        )
        yield Finding(
            "SNS topic",
            f"{confirmed} confirmed subscriptions",
            "1 or more",
            warning="" if confirmed else warning,
        )


def _retention(server: SourceServer, schedule: ScheduleSection) -> Finding:
    """Logs that are deleted before they are read cost a full load."""
    if server.retention_s is None:
        return Finding("binary logs kept", "for ever")
    kept = timedelta(seconds=server.retention_s)
    between = longest_pause(schedule, datetime.now(UTC))
    needed = LOADS_KEPT * between
    warning = (
        f"the source keeps binary logs for {kept}, and up to {between} pass between two loads: "
        f"keep them for {needed}, or a load that fails twice may cost a full load"
    )
    return Finding(
        "binary logs kept", str(kept), str(needed), warning=warning if kept < needed else ""
    )


def _log_is_sent(source: MySQLSource, end: BinlogPosition) -> Finding:
    """The row count check reads the log itself; DMS needs the same privilege of its account."""
    checked, needed = "binary log is sent", "REPLICATION SLAVE"
    try:
        source.try_to_read_log(end)
    except SourceError as error:
        return Finding(checked, "refused", needed, str(error))
    return Finding(checked, "yes", needed)


def _unlisted(tables: list[TableId]) -> Finding:
    """DMS loads what the mapping selects; what is listed is shown, recorded and checked."""
    named = ", ".join(map(str, tables[:_SHOWN_TABLES]))
    warning = (
        f"the mapping selects {len(tables)} tables that are not in pipeline.yaml ({named}): they "
        "are loaded, and neither shown nor checked. List them there, or exclude them in the mapping"
    )
    found = f"{len(tables)} not listed" if tables else "all listed"
    return Finding("selected tables", found, "all listed", warning=warning if tables else "")


def _missing(table: ReplicatedTable) -> Finding:
    return Finding(
        f"table {table.source}",
        "missing",
        _KEY,
        f"the source has no table {table.source}, or its user may not read it; create it, "
        "grant SELECT, or take it out of pipeline.yaml and table_mappings.json",
    )


def _without_key(table: ReplicatedTable) -> Finding:
    checked, found = f"table {table.source}", "no primary key"
    if table.accept_no_primary_key:
        warning = f"{table.source} has no primary key: a repeated load may double its rows on AWS"
        return Finding(checked, found, _KEY, warning=warning)
    return Finding(
        checked,
        found,
        _KEY,
        f"the source table {table.source} has no primary key; add one, or accept that with "
        "accept_no_primary_key: true in pipeline.yaml",
    )


def _unlogged_warning(table: ReplicatedTable, rules: list[str]) -> str:
    if not rules:
        return ""
    return (
        f"{table.source} has a foreign key {' and '.join(rules)}: what the server changes by it is"
        " not in the binary log, and is not replicated"
    )


def _checkpoint_on_server(checkpoint: CheckpointRecord, server: SourceServer) -> Finding:
    """A checkpoint points into one server's binary logs, for as long as that server keeps them."""
    if checkpoint.source_server != server.identity:
        return Finding(
            "source identity",
            server.identity,
            checkpoint.source_server,
            f"the checkpoint belongs to another source server ({checkpoint.source_server}) than "
            f"the one that answers ({server.identity}); a full load with reload is needed",
        )
    try:
        position = parse_checkpoint(checkpoint.checkpoint)
    except BinlogError:
        # DMS does not document the text: one that cannot be read may still be good to DMS.
        return Finding("checkpoint's binary log", "not known: the checkpoint cannot be read")
    refusal = server.why_not_from(position)
    problem = (
        f"the next load cannot begin at its checkpoint: {refusal}. Do a full load with reload, and "
        "keep binary logs longer if they were deleted"
    )
    return Finding(
        "checkpoint's binary log",
        "not readable there" if refusal else position.file,
        str(position) if refusal else "",
        problem if refusal else "",
    )


def _until_error(side: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings, and last the error that kept the rest from being looked for."""
    try:
        yield from findings
    except DmsPipelineError as error:
        yield Finding(side, "not reachable", "reachable", str(error))
