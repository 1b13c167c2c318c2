"""The steps of a load as Dagster ops.

The ops are linked by order alone: each finds its objects in DMS and DynamoDB, so that re-execution
from failure needs no stored value.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
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
from dms_pipeline.resources.checkpoints import CheckpointsResource, CheckpointStore
from dms_pipeline.resources.dms import DmsResource
from dms_pipeline.resources.load_metrics import LoadMetricsResource
from dms_pipeline.resources.notifier import NotifierResource
from dms_pipeline.resources.source import SourceResource
from dms_pipeline.resources.target import TargetResource


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

    def this_load(
        context: OpExecutionContext,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
        load_metrics: LoadMetricsResource,
    ) -> Load:
        lease = checkpoints.lease(pipeline.name, owner(context.run))
        objects = DmsObjects(
            pipeline=pipeline.name,
            run_id=owner(context.run),
            dms=dms.client(),
            pacing=dms.pacing(),
            say=context.log.info,
            keep_lease=lease.keep,
        )
        return Load(
            pipeline=pipeline,
            objects=objects,
            checkpoints=checkpoints.store(),
            metrics=load_metrics.metrics(),
            lease=lease,
        )

    def step(work: Callable[[Load], object]) -> Callable[..., None]:
        """A step that needs nothing but the load itself."""

        def run_step(
            context: OpExecutionContext,
            dms: DmsResource,
            checkpoints: CheckpointsResource,
            load_metrics: LoadMetricsResource,
        ) -> None:
            with failures():
                work(this_load(context, dms, checkpoints, load_metrics))

        run_step.__name__ = work.__name__
        return run_step

    def preflight(
        context: OpExecutionContext,
        config: LoadConfig,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
        load_metrics: LoadMetricsResource,
        source: SourceResource,
        target: TargetResource,
    ) -> None:
        with failures():
            load = this_load(context, dms, checkpoints, load_metrics)
            load.lease.take()
            try:
                Preflight(
                    pipeline=pipeline,
                    migration_type=config.migration_type.value,
                    reload=config.reload,
                    checkpoint=load.checkpoints.latest(pipeline.name),
                    objects=load.objects,
                    source=source.database(pipeline.source.secret),
                    target=target.database(pipeline.target.secret),
                ).run()
            except DmsPipelineError:
                # Nothing was created: the next run need not wait for this one's lease to end.
                load.lease.release()
                raise

    def create_task(
        context: OpExecutionContext,
        config: LoadConfig,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
        load_metrics: LoadMetricsResource,
    ) -> None:
        with failures():
            load = this_load(context, dms, checkpoints, load_metrics)
            load.create_task(config.migration_type.value)

    def run_task(
        context: OpExecutionContext,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
        load_metrics: LoadMetricsResource,
        source: SourceResource,
    ) -> None:
        with failures():
            load = this_load(context, dms, checkpoints, load_metrics)
            load.run_task(source.database(pipeline.source.secret))

    def record_load(
        context: OpExecutionContext,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
        load_metrics: LoadMetricsResource,
        source: SourceResource,
        target: TargetResource,
    ) -> None:
        with failures():
            load = this_load(context, dms, checkpoints, load_metrics)
            record = load.record_load(
                source.database(pipeline.source.secret), target.database(pipeline.target.secret)
            )
            context.log.info(f"checkpoint {record.sequence} stored: {record.checkpoint}")

    def notify(
        context: OpExecutionContext,
        checkpoints: CheckpointsResource,
        load_metrics: LoadMetricsResource,
        notifier: NotifierResource,
    ) -> None:
        with failures():
            record = _own_record(context, checkpoints.store(), pipeline.name)
            metrics = load_metrics.metrics()
            mail = success_mail(
                record,
                metrics.of_load(pipeline.name, record.started_at),
                metrics.run_of(pipeline.name, record.started_at),
                run_id=context.run.run_id,
            )
            notifier.notify(subject=mail.subject, message=mail.text)
            context.log.info(f"mailed: {mail.subject}")

    def publish_tables(
        context: OpExecutionContext,
        checkpoints: CheckpointsResource,
        load_metrics: LoadMetricsResource,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        with failures():
            record = _own_record(context, checkpoints.store(), pipeline.name)
            metrics = load_metrics.metrics()
            rows = metrics.of_load(pipeline.name, record.started_at)
            run = metrics.run_of(pipeline.name, record.started_at)
            loads = {row.counts.table: row for row in rows}
            for table, spec in specs.items():
                yield dg.MaterializeResult(
                    asset_key=spec.key, metadata=_metadata(loads[table.source], record, run)
                )

    return (
        preflight,
        step(Load.create_instance),
        step(Load.test_connections),
        create_task,
        run_task,
        record_load,
        step(Load.delete_task),
        step(Load.delete_instance),
        notify,
        publish_tables,
    )


def _own_record(
    context: OpExecutionContext, store: CheckpointStore, pipeline: str
) -> CheckpointRecord:
    record = store.latest(pipeline)
    if record is None or record.run_id != owner(context.run):
        raise LoadError(
            f"this run recorded no load of {pipeline}, or another run has recorded one since; "
            "run the pipeline again"
        )
    return record


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
        if run.cost_usd is not None:
            costs["dms/cost_usd"] = round(run.cost_usd, 4)
    if record.behind:
        costs["dms/behind"] = record.behind
    return {
        **costs,
        "dms/inserts": counts.inserts,
        "dms/updates": counts.updates,
        "dms/deletes": counts.deletes,
        "dms/ddls": counts.ddls,
        "dms/full_load_rows": counts.full_load_rows,
        "dms/load_seconds": (record.stopped_at - record.started_at).total_seconds(),
        "dms/checkpoint": record.checkpoint,
        "dms/checkpoint_sequence": record.sequence,
        "dms/stop_reason": record.stop_reason,
    }
