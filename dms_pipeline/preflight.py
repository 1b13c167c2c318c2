"""What has to hold before anything that costs money is created.

Every condition is looked at, so that one message names all that is wrong; each finding says what
was found, what is needed and what to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dms_pipeline.aws.dms import DmsClient, MigrationType
from dms_pipeline.binlog.position import parse_checkpoint
from dms_pipeline.errors import BinlogError, DmsPipelineError, LoadError, PreflightError
from dms_pipeline.load import find_endpoint, identifier, leftover
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.records import CheckpointRecord
from dms_pipeline.resources.source import MySQLSource, SourceServer
from dms_pipeline.resources.target import PostgresTarget

_NEEDED_VARIABLES = {"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL"}


@dataclass(frozen=True, slots=True)
class Preflight:
    """The world as one run meets it. ``reload`` allows a full load over an existing checkpoint."""

    pipeline: PipelineConfig
    run_id: str
    migration_type: MigrationType
    reload: bool
    checkpoint: CheckpointRecord | None
    dms: DmsClient
    source: MySQLSource
    target: PostgresTarget

    def run(self) -> None:
        """Raises `PreflightError` naming all that is missing."""
        problems = [
            *self._checkpoint_problems(),
            *self._dms_problems(),
            *_problems_of(self._source_problems()),
            *_problems_of(self._target_problems()),
        ]
        if problems:
            listed = "".join(f"\n- {problem}" for problem in problems)
            text = problems[0] if len(problems) == 1 else f"{len(problems)} problems:{listed}"
            raise PreflightError(
                f"{self.pipeline.name} cannot be loaded and nothing was created: {text}"
            )

    def _checkpoint_problems(self) -> Iterator[str]:
        name = self.pipeline.name
        if self.migration_type == "cdc" and self.checkpoint is None:
            yield (
                "there is no checkpoint, because no full load was done yet; do it first with "
                f"`dms-pipeline run {name} full-load` or the job {name}_full_load"
            )
        if self.migration_type != "cdc" and self._is_foreign_checkpoint() and not self.reload:
            yield (
                "it has been loaded before, and a full load recreates its target tables; if that "
                f"is wanted, `dms-pipeline run {name} full-load --reload` (in the UI: reload: true)"
            )

    def _is_foreign_checkpoint(self) -> bool:
        return self.checkpoint is not None and self.checkpoint.run_id != self.run_id

    def _dms_problems(self) -> Iterator[str]:
        for section, kind in ((self.pipeline.source, "source"), (self.pipeline.target, "target")):
            try:
                find_endpoint(self.dms, section.endpoint, kind)
            except LoadError as error:
                yield str(error)
        name = identifier(self.pipeline.name)
        instance, task = self.dms.find_instance(name), self.dms.find_task(name)
        for found_kind, found in (("task", task), ("instance", instance)):
            owner = self.dms.tags(found.arn).get("run_id", "") if found else self.run_id
            if owner != self.run_id:
                yield leftover(self.pipeline.name, found_kind, owner)

    def _source_problems(self) -> Iterator[str]:
        server = self.source.server()
        for variable, needed in _NEEDED_VARIABLES.items():
            value = server.variables.get(variable, "unset").upper()
            if value != needed:
                yield (
                    f"the source has {variable}={value}, needed is {needed}; set it in the "
                    "server's configuration (RDS: the parameter group) and restart the server"
                )
        if self.migration_type == "cdc" and self.checkpoint is not None:
            yield from _checkpoint_on_server_problems(self.checkpoint, server)
        tables = tuple(table.source for table in self.pipeline.tables)
        keyed = self.source.primary_keys(tables)
        for table in tables:
            if table not in keyed:
                yield (
                    f"the source has no table {table}, or its user may not read it; create it, "
                    "grant SELECT, or take it out of pipeline.yaml and table_mappings.json"
                )
            elif not keyed[table]:
                yield f"the source table {table} has no primary key; add one"

    def _target_problems(self) -> Iterator[str]:
        schemas = (table.target.schema for table in self.pipeline.tables)
        missing = self.target.missing_schemas(schemas)
        if missing and not self.target.may_create_schemas():
            yield (
                f"the target has no schema {missing[0]} and its user may not create it; "
                "GRANT CREATE ON DATABASE, or create the schema"
            )


def _checkpoint_on_server_problems(
    checkpoint: CheckpointRecord, server: SourceServer
) -> Iterator[str]:
    """A checkpoint points into one server's binary logs, for as long as that server keeps them."""
    if checkpoint.source_server != server.identity:
        yield (
            f"the checkpoint belongs to another source server ({checkpoint.source_server}) than "
            f"the one that answers ({server.identity}); a full load with reload is needed"
        )
        return
    try:
        position = parse_checkpoint(checkpoint.checkpoint)
    except BinlogError:
        # DMS does not document the text: one that cannot be read may still be good to DMS.
        return
    if server.binary_logs and position.file not in server.binary_logs:
        yield (
            f"the binary log {position.file}, where the checkpoint lies, is gone from the "
            f"source; the oldest left is {server.binary_logs[0]}. Keep binary logs longer, and do "
            "a full load with reload"
        )


def _problems_of(problems: Iterator[str]) -> Iterator[str]:
    """The problems found, and last the one that kept the rest from being looked for."""
    try:
        yield from problems
    except DmsPipelineError as error:
        yield str(error)
