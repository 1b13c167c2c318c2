"""The steps of a load as Dagster ops.

The ops are linked by order alone: each finds its objects in DMS and DynamoDB, so that re-execution
from failure needs no stored value.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import dagster as dg
from dagster import OpExecutionContext
from pydantic import Field

from dms_pipeline.errors import LoadError
from dms_pipeline.failures import failures
from dms_pipeline.load import Load
from dms_pipeline.pipeline_config import PipelineConfig, ReplicatedTable
from dms_pipeline.preflight import Preflight
from dms_pipeline.records import CheckpointRecord, LoadRecord
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

    def this_load(context: OpExecutionContext, dms: DmsResource) -> Load:
        return Load(
            pipeline=pipeline,
            run_id=owner(context.run),
            dms=dms.client(),
            pacing=dms.pacing(),
            say=context.log.info,
        )

    def preflight(
        context: OpExecutionContext,
        config: LoadConfig,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
        source: SourceResource,
        target: TargetResource,
    ) -> None:
        with failures():
            Preflight(
                pipeline=pipeline,
                run_id=owner(context.run),
                migration_type=config.migration_type.value,
                reload=config.reload,
                checkpoint=checkpoints.store().latest(pipeline.name),
                dms=dms.client(),
                source=source.database(pipeline.source.secret),
                target=target.database(pipeline.target.secret),
            ).run()

    def create_instance(context: OpExecutionContext, dms: DmsResource) -> None:
        with failures():
            this_load(context, dms).create_instance()

    def test_connections(context: OpExecutionContext, dms: DmsResource) -> None:
        with failures():
            this_load(context, dms).test_connections()

    def create_task(
        context: OpExecutionContext,
        config: LoadConfig,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
    ) -> None:
        with failures():
            migration_type = config.migration_type
            begin = (
                checkpoints.store().latest(pipeline.name)
                if migration_type is MigrationTypeName.CDC
                else None
            )
            this_load(context, dms).create_task(migration_type.value, begin)

    def run_task(context: OpExecutionContext, dms: DmsResource, source: SourceResource) -> None:
        with failures():
            this_load(context, dms).run_task(source.database(pipeline.source.secret))

    def record_load(
        context: OpExecutionContext,
        dms: DmsResource,
        source: SourceResource,
        checkpoints: CheckpointsResource,
        load_metrics: LoadMetricsResource,
    ) -> None:
        with failures():
            record = this_load(context, dms).record_load(
                source.database(pipeline.source.secret),
                checkpoints.store(),
                load_metrics.metrics(),
            )
            context.log.info(f"checkpoint {record.sequence} stored: {record.checkpoint}")

    def delete_task(context: OpExecutionContext, dms: DmsResource) -> None:
        with failures():
            this_load(context, dms).delete_task()

    def delete_instance(context: OpExecutionContext, dms: DmsResource) -> None:
        with failures():
            this_load(context, dms).delete_instance()

    def notify(
        context: OpExecutionContext,
        checkpoints: CheckpointsResource,
        load_metrics: LoadMetricsResource,
        notifier: NotifierResource,
    ) -> None:
        with failures():
            record = _own_record(context, checkpoints.store(), pipeline.name)
            loads = load_metrics.metrics().of_load(pipeline.name, record.started_at)
            mail = success_mail(
                record, loads, billed_until=datetime.now(UTC), run_id=context.run.run_id
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
            rows = load_metrics.metrics().of_load(pipeline.name, record.started_at)
            loads = {row.counts.table: row for row in rows}
            for table, spec in specs.items():
                yield dg.MaterializeResult(
                    asset_key=spec.key, metadata=_metadata(loads[table.source], record)
                )

    return (
        preflight,
        create_instance,
        test_connections,
        create_task,
        run_task,
        record_load,
        delete_task,
        delete_instance,
        notify,
        publish_tables,
    )


def owner(run: dg.DagsterRun) -> str:
    """Whose an instance or task is: a run and all its re-executions are one owner."""
    return run.root_run_id or run.run_id


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


def _metadata(load: LoadRecord, record: CheckpointRecord) -> dict[str, Any]:
    """Numbers as numbers: the UI plots them over the runs."""
    counts = load.counts
    return {
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
