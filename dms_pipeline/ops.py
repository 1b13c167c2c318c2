"""The steps of a load as Dagster ops, which all pipelines share but for the last.

The ops are linked by order alone: each finds its objects in DMS and DynamoDB, so that re-execution
from failure needs no stored value.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import dagster as dg
from dagster import OpExecutionContext
from pydantic import Field

from dms_pipeline.aws.dms import MigrationType
from dms_pipeline.dms_objects import DmsObjects
from dms_pipeline.errors import DmsPipelineError, LoadError, SourceError
from dms_pipeline.failures import failures, owner
from dms_pipeline.load import Load
from dms_pipeline.log_retention import missable_loads
from dms_pipeline.pipeline_config import PipelineConfig, ReplicatedTable
from dms_pipeline.preflight import Preflight
from dms_pipeline.records import CheckpointRecord, LoadRecord, RunRecord
from dms_pipeline.report import success_mail
from dms_pipeline.resources.load_resources import LoadResources

# The steps hand nothing on: the next one only waits for the one before.
_START, _DONE = {"start": dg.In(dg.Nothing)}, dg.Out(dg.Nothing)

Pipelines = dg.ResourceParam[Mapping[str, PipelineConfig]]
"""The resource by which the shared steps find their pipeline: all of a deployment, by name."""


LoadKind = Literal["full", "incremental"]


class LoadConfig(dg.Config):
    """What a load may do."""

    reload: bool = Field(
        False, description="allow a full load over an existing checkpoint; it recreates the tables"
    )


def job_name(pipeline: str, kind: LoadKind) -> str:
    return f"{pipeline}_{kind}_load"


@dg.op(out=_DONE)
@failures()
def preflight(
    context: OpExecutionContext, config: LoadConfig, on: LoadResources, pipelines: Pipelines
) -> None:
    """Look whether everything is there that a load needs, before anything is billed."""
    load = _load(context, on, pipelines)
    checkpoint = load.begin()
    try:
        Preflight(
            pipeline=load.pipeline,
            migration_type=_migration_type(context, load.pipeline),
            reload=config.reload,
            checkpoint=checkpoint,
            lease=load.lease,
            objects=load.objects,
            source=partial(on.source.database, load.pipeline.source.secret),
            target=partial(on.target.database, load.pipeline.target.secret),
            topic=on.notifier.client(load.pipeline.notification_topic),
        ).run()
    except DmsPipelineError:
        # Nothing was created: the next run need not wait for this one's lease to end.
        load.lease.release()
        raise


@dg.op(ins=_START, out=_DONE)
@failures()
def create_instance(context: OpExecutionContext, on: LoadResources, pipelines: Pipelines) -> None:
    """Create the replication instance and wait until it is available."""
    _load(context, on, pipelines).create_instance()


@dg.op(ins=_START, out=_DONE)
@failures()
def test_connections(context: OpExecutionContext, on: LoadResources, pipelines: Pipelines) -> None:
    """Let the instance connect to both endpoints: DMS starts no task without that."""
    _load(context, on, pipelines).test_connections()


@dg.op(ins=_START, out=_DONE)
@failures()
def create_task(context: OpExecutionContext, on: LoadResources, pipelines: Pipelines) -> None:
    """Create the replication task, which begins at the checkpoint unless it loads anew."""
    load = _load(context, on, pipelines)
    load.create_task(_migration_type(context, load.pipeline))


@dg.op(ins=_START, out=_DONE)
@failures()
def run_task(context: OpExecutionContext, on: LoadResources, pipelines: Pipelines) -> None:
    """Start the task and wait until it has read all that the source had at the start."""
    load = _load(context, on, pipelines)
    load.run_task(on.source.database(load.pipeline.source.secret))


@dg.op(ins=_START, out=_DONE)
@failures()
def record_load(context: OpExecutionContext, on: LoadResources, pipelines: Pipelines) -> None:
    """Store what was loaded from each table, and the checkpoint for the next load."""
    load = _load(context, on, pipelines)
    record = load.record_load(
        on.source.database(load.pipeline.source.secret),
        on.target.database(load.pipeline.target.secret),
    )
    context.log.info(f"checkpoint {record.sequence} stored: {record.checkpoint}")
    if record.behind:
        context.log.warning(
            f"the load is behind: the source was at {record.behind} when it began,"
            f" {record.behind_bytes} bytes of binary log further; the next load carries on"
        )


@dg.op(ins=_START, out=_DONE)
@failures()
def delete_task(context: OpExecutionContext, on: LoadResources, pipelines: Pipelines) -> None:
    """Delete the task and wait until it is gone."""
    _load(context, on, pipelines).delete_task()


@dg.op(ins=_START, out=_DONE)
@failures()
def delete_instance(context: OpExecutionContext, on: LoadResources, pipelines: Pipelines) -> None:
    """Delete the instance unless it is warm; nothing is billed any more."""
    _load(context, on, pipelines).delete_instance()


@dg.op(ins=_START, out=_DONE)
@failures()
def notify(context: OpExecutionContext, on: LoadResources, pipelines: Pipelines) -> None:
    """Mail what was loaded and what it cost."""
    pipeline, run_id = _pipeline(context, pipelines), context.run.run_id
    record, loads, run = _recorded(context, on, pipeline)
    mail = success_mail(record, loads, run, run_id=run_id, link=on.notifier.link(run_id))
    on.notifier.notify(subject=mail.subject, message=mail.text, topic=pipeline.notification_topic)
    context.log.info(f"mailed: {mail.subject}")


STEPS = (
    preflight,
    create_instance,
    test_connections,
    create_task,
    run_task,
    record_load,
    delete_task,
    delete_instance,
    notify,
)
"""The steps of a load that all pipelines share, in the order in which they run."""


LOAD = "load"
"""The output of the last step for the load as a whole; those of tables have longer names."""


def build_publish_tables(
    pipeline: PipelineConfig,
    load_spec: dg.AssetSpec,
    specs: Mapping[str, tuple[ReplicatedTable, dg.AssetSpec]],
    *,
    pool: str,
) -> dg.OpDefinition:
    """The last step, which has an output for the load and for each of the pipeline's tables.

    It yields a materialization of every table, in every run: an asset check whose table was left
    out would be skipped without a word.

    Args:
        pipeline: whose step it is.
        load_spec: the asset of its loads.
        specs: the tables and their assets by the names of the outputs.
        pool: the pipeline's.
    """

    @dg.op(
        name=f"{pipeline.name}__publish_tables",
        ins=_START,
        out=dict.fromkeys((LOAD, *specs), _DONE),
        pool=pool,
    )
    def publish_tables(
        context: OpExecutionContext, on: LoadResources
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Show the load with its costs, and each table as loaded with its counts."""
        with failures():
            record, loads, run = _recorded(context, on, pipeline)
            headroom = _headroom(context, on, pipeline)
            about = {**_costs(run), **_progress(record), **headroom}
            yield dg.MaterializeResult(asset_key=load_spec.key, metadata=about)
            load_of = {load.counts.table: load for load in loads}
            for table, spec in specs.values():
                metadata = _counts(load_of[table.source], record)
                yield dg.MaterializeResult(asset_key=spec.key, metadata=metadata)

    return publish_tables


def _pipeline(context: OpExecutionContext, pipelines: Pipelines) -> PipelineConfig:
    """The pipeline in whose graph the step is; "Materialize" sets no tag that would name it."""
    return pipelines[context.op_handle.path[0]]


def _migration_type(context: OpExecutionContext, pipeline: PipelineConfig) -> MigrationType:
    """Told by the job: "Materialize" and all other jobs load incrementally.

    Configuration of each job would be checked whenever Dagster loads the definitions, which takes a
    tenth of the time.
    """
    is_full = context.job_name == job_name(pipeline.name, "full")
    return "full-load-and-cdc" if is_full else "cdc"


def _load(context: OpExecutionContext, on: LoadResources, pipelines: Pipelines) -> Load:
    pipeline = _pipeline(context, pipelines)
    lease, seen = on.of_run(pipeline.name, owner(context.run))
    return Load(
        pipeline=pipeline,
        objects=DmsObjects(
            pipeline=pipeline.name,
            run_id=owner(context.run),
            dms=on.dms.client(),
            pacing=on.dms.pacing(),
            say=context.log.info,
            keep_lease=lease.keep,
        ),
        checkpoints=on.checkpoints.store(),
        metrics=on.load_metrics.metrics(),
        lease=lease,
        seen=seen,
    )


def _recorded(
    context: OpExecutionContext, on: LoadResources, pipeline: PipelineConfig
) -> tuple[CheckpointRecord, tuple[LoadRecord, ...], RunRecord | None]:
    """What this run has recorded; raises `LoadError` if it is not the latest load."""
    name, metrics, run_id = pipeline.name, on.load_metrics.metrics(), owner(context.run)
    _, seen = on.of_run(name, run_id)
    record = seen.latest
    if record is None or record.run_id != run_id:
        record = on.checkpoints.store().latest(name)
    if record is None or record.run_id != run_id:
        raise LoadError(
            f"this run recorded no load of {name}, or another run has recorded one since; "
            "run the pipeline again"
        )
    at = record.started_at
    seen.latest, seen.run = record, seen.run or metrics.run_of(name, at)
    seen.tables = seen.tables or metrics.of_load(name, at)
    return record, seen.tables, seen.run


def _headroom(
    context: OpExecutionContext, on: LoadResources, pipeline: PipelineConfig
) -> dict[str, int]:
    """How many loads may be missed, so that the UI plots it before it is too late."""
    try:
        server = on.source.database(pipeline.source.secret).server()
    except SourceError as error:
        # The load is recorded; the checks say what is wrong with the source.
        context.log.warning(f"how many loads may be missed is not known: {error}")
        return {}
    missable = missable_loads(server.retention_s, pipeline.schedule, datetime.now(UTC))
    return {} if missable is None else {"dms/loads_that_may_be_missed": missable}


def _costs(run: RunRecord | None) -> dict[str, Any]:
    """Numbers as numbers: the UI plots them over the runs."""
    if run is None:
        return {}
    costs: dict[str, Any] = {
        "dms/instance_class": run.instance_class,
        "dms/billed_seconds": round(run.billed_s, 1),
        "dms/task_active_seconds": round(run.active_s, 1),
        "dms/idle_share": round(run.idle_share, 3),
    }
    if run.cost_usd is not None and run.always_on_usd_per_day is not None:
        costs["dms/cost_usd"] = round(run.cost_usd, 4)
        costs["dms/always_on_usd_per_day"] = round(run.always_on_usd_per_day, 2)
    return costs


def _progress(record: CheckpointRecord) -> dict[str, Any]:
    behind = {"dms/behind": record.behind} if record.behind else {}
    return {
        **behind,
        "dms/behind_bytes": record.behind_bytes,
        "dms/load_seconds": round((record.stopped_at - record.started_at).total_seconds(), 1),
        "dms/checkpoint": record.checkpoint,
        "dms/checkpoint_sequence": record.sequence,
        "dms/stop_reason": record.stop_reason,
    }


def _counts(load: LoadRecord, record: CheckpointRecord) -> dict[str, Any]:
    counts = load.counts
    return {
        "dms/inserts": counts.inserts,
        "dms/updates": counts.updates,
        "dms/deletes": counts.deletes,
        "dms/ddls": counts.ddls,
        "dms/full_load_rows": counts.full_load_rows,
        "dms/checkpoint": record.checkpoint,
    }
