"""The steps of a load as Dagster ops.

The ops are linked by order alone: each finds its objects in DMS and DynamoDB, so that re-execution
from failure needs no stored value.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial
from typing import Any

import dagster as dg
from dagster import OpExecutionContext
from pydantic import Field

from dms_pipeline.dms_objects import DmsObjects
from dms_pipeline.errors import DmsPipelineError, LoadError
from dms_pipeline.failures import failures, owner
from dms_pipeline.load import Load
from dms_pipeline.pipeline_config import PipelineConfig, ReplicatedTable
from dms_pipeline.preflight import Preflight
from dms_pipeline.records import CheckpointRecord, LoadRecord, RunRecord
from dms_pipeline.report import success_mail
from dms_pipeline.resources.load_resources import LoadResources


class MigrationTypeName(Enum):
    """DMS's migration types that a load can have."""

    FULL_LOAD = "full-load-and-cdc"
    CDC = "cdc"


class LoadConfig(dg.Config):
    """What kind of load a run is."""

    migration_type: MigrationTypeName = Field(
        MigrationTypeName.CDC, description="cdc: from the checkpoint on; full-load-and-cdc: anew"
    )
    reload: bool = Field(
        False, description="allow a full load over an existing checkpoint; it recreates the tables"
    )


def build_ops(
    pipeline: PipelineConfig, specs: Mapping[ReplicatedTable, dg.AssetSpec]
) -> tuple[Callable[..., Any], ...]:
    """The step functions of one pipeline in the order in which they run.

    The last one yields a materialization of every table, in every run: an asset check whose table
    was left out would be skipped without a word.
    """
    steps = _Steps(pipeline, specs)
    in_order = (
        steps.preflight,
        steps.create_instance,
        steps.test_connections,
        steps.create_task,
        steps.run_task,
        steps.record_load,
        steps.delete_task,
        steps.delete_instance,
        steps.notify,
        steps.publish_tables,
    )
    return tuple(map(_function, in_order))


def _function(method: Any) -> Callable[..., Any]:
    """The method as Dagster can take it: of a bound method it does not see the annotations."""
    function: Any = partial(method.__func__, method.__self__)
    function.__name__, function.__doc__ = method.__name__, method.__doc__
    # Dagster asks for it a dozen times an op, and Python makes that of a partial anew each time.
    function.__signature__ = _signature(method.__func__)
    return function  # type: ignore[no-any-return]


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """That of the function without its ``self``."""
    signature = inspect.signature(function)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


@dataclass(frozen=True)
class _Steps:
    """The steps of one pipeline: a method each, whose docstring the UI shows."""

    pipeline: PipelineConfig
    specs: Mapping[ReplicatedTable, dg.AssetSpec]

    @failures()
    def preflight(self, context: OpExecutionContext, config: LoadConfig, on: LoadResources) -> None:
        """Look whether everything is there that a load needs, before anything is billed."""
        load = self._load(context, on)
        load.lease.take()
        try:
            Preflight(
                pipeline=self.pipeline,
                migration_type=config.migration_type.value,
                reload=config.reload,
                checkpoint=load.checkpoints.latest(self.pipeline.name),
                lease=load.lease,
                objects=load.objects,
                source=partial(on.source.database, self.pipeline.source.secret),
                target=partial(on.target.database, self.pipeline.target.secret),
                topic=on.notifier.client(self.pipeline.notification_topic),
            ).run()
        except DmsPipelineError:
            # Nothing was created: the next run need not wait for this one's lease to end.
            load.lease.release()
            raise

    @failures()
    def create_instance(self, context: OpExecutionContext, on: LoadResources) -> None:
        """Create the replication instance and wait until it is available."""
        self._load(context, on).create_instance()

    @failures()
    def test_connections(self, context: OpExecutionContext, on: LoadResources) -> None:
        """Let the instance connect to both endpoints: DMS starts no task without that."""
        self._load(context, on).test_connections()

    @failures()
    def create_task(
        self, context: OpExecutionContext, config: LoadConfig, on: LoadResources
    ) -> None:
        """Create the replication task, which begins at the checkpoint unless it loads anew."""
        self._load(context, on).create_task(config.migration_type.value)

    @failures()
    def run_task(self, context: OpExecutionContext, on: LoadResources) -> None:
        """Start the task and wait until it has read all that the source had at the start."""
        self._load(context, on).run_task(on.source.database(self.pipeline.source.secret))

    @failures()
    def record_load(self, context: OpExecutionContext, on: LoadResources) -> None:
        """Store what was loaded from each table, and the checkpoint for the next load."""
        record = self._load(context, on).record_load(
            on.source.database(self.pipeline.source.secret),
            on.target.database(self.pipeline.target.secret),
        )
        context.log.info(f"checkpoint {record.sequence} stored: {record.checkpoint}")
        if record.behind:
            context.log.warning(
                f"the load is behind: the source was at {record.behind} when it began,"
                f" {record.behind_bytes} bytes of binary log further; the next load carries on"
            )

    @failures()
    def delete_task(self, context: OpExecutionContext, on: LoadResources) -> None:
        """Delete the task and wait until it is gone."""
        self._load(context, on).delete_task()

    @failures()
    def delete_instance(self, context: OpExecutionContext, on: LoadResources) -> None:
        """Delete the instance unless it is warm; nothing is billed any more."""
        self._load(context, on).delete_instance()

    @failures()
    def notify(self, context: OpExecutionContext, on: LoadResources) -> None:
        """Mail what was loaded and what it cost."""
        record, loads, run = self._recorded(context, on)
        run_id = context.run.run_id
        mail = success_mail(record, loads, run, run_id=run_id, link=on.notifier.link(run_id))
        on.notifier.notify(
            subject=mail.subject, message=mail.text, topic=self.pipeline.notification_topic
        )
        context.log.info(f"mailed: {mail.subject}")

    def publish_tables(
        self, context: OpExecutionContext, on: LoadResources
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Show each table as loaded, with its counts."""
        with failures():
            record, loads, run = self._recorded(context, on)
            load_of = {load.counts.table: load for load in loads}
            for table, spec in self.specs.items():
                yield dg.MaterializeResult(
                    asset_key=spec.key, metadata=_metadata(load_of[table.source], record, run)
                )

    def _load(self, context: OpExecutionContext, on: LoadResources) -> Load:
        lease = on.checkpoints.lease(self.pipeline.name, owner(context.run))
        return Load(
            pipeline=self.pipeline,
            objects=DmsObjects(
                pipeline=self.pipeline.name,
                run_id=owner(context.run),
                dms=on.dms.client(),
                pacing=on.dms.pacing(),
                say=context.log.info,
                keep_lease=lease.keep,
            ),
            checkpoints=on.checkpoints.store(),
            metrics=on.load_metrics.metrics(),
            lease=lease,
        )

    def _recorded(
        self, context: OpExecutionContext, on: LoadResources
    ) -> tuple[CheckpointRecord, tuple[LoadRecord, ...], RunRecord | None]:
        """What this run has recorded; raises `LoadError` if it is not the latest load."""
        name, metrics = self.pipeline.name, on.load_metrics.metrics()
        record = on.checkpoints.store().latest(name)
        if record is None or record.run_id != owner(context.run):
            raise LoadError(
                f"this run recorded no load of {name}, or another run has recorded one since; "
                "run the pipeline again"
            )
        at = record.started_at
        return record, metrics.of_load(name, at), metrics.run_of(name, at)


def _metadata(load: LoadRecord, record: CheckpointRecord, run: RunRecord | None) -> dict[str, Any]:
    """Numbers as numbers: the UI plots them over the runs."""
    counts = load.counts
    costs: dict[str, Any] = {}
    if run is not None:
        costs = {
            "dms/instance_class": run.instance_class,
            "dms/billed_seconds": round(run.billed_s, 1),
            "dms/task_active_seconds": round(run.active_s, 1),
            "dms/idle_share": round(run.idle_share, 3),
        }
        if run.cost_usd is not None and run.always_on_usd_per_day is not None:
            costs["dms/cost_usd"] = round(run.cost_usd, 4)
            costs["dms/always_on_usd_per_day"] = round(run.always_on_usd_per_day, 2)
    behind = {"dms/behind": record.behind} if record.behind else {}
    return {
        **costs,
        **behind,
        "dms/behind_bytes": record.behind_bytes,
        "dms/inserts": counts.inserts,
        "dms/updates": counts.updates,
        "dms/deletes": counts.deletes,
        "dms/ddls": counts.ddls,
        "dms/full_load_rows": counts.full_load_rows,
        "dms/load_seconds": round((record.stopped_at - record.started_at).total_seconds(), 1),
        "dms/checkpoint": record.checkpoint,
        "dms/checkpoint_sequence": record.sequence,
        "dms/stop_reason": record.stop_reason,
    }
