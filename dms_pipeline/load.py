"""One load of one pipeline: from nothing running to everything recorded and gone.

Each step looks first, adopts what an earlier try of the same run already made, and only then acts,
so a step may be repeated after a crash at any point. No step hands a value to the next: what has
to outlive a step lies in DMS and in the lease until it is recorded, and in DynamoDB after that.
Steps in one process share what they have `Seen`, which spares calls and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from dms_pipeline.aws.dms import (
    Endpoint,
    MigrationType,
    ReplicationInstance,
    ReplicationTask,
    TableStatistics,
)
from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.dms_objects import WARM, DmsObjects, expiry, required
from dms_pipeline.drain import Drain
from dms_pipeline.errors import LoadError
from dms_pipeline.instance_choice import choose_instance, price_of
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.records import CheckpointRecord, LoadRecord, RunRecord, TableLoad
from dms_pipeline.resources.checkpoints import CheckpointStore
from dms_pipeline.resources.leases import Lease
from dms_pipeline.resources.load_metrics import LoadMetrics
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.target import PostgresTarget
from dms_pipeline.task_outcome import (
    is_behind,
    refuse_apply_exceptions,
    refuse_table_errors,
    refuse_unexpected_stop,
    stop_reason,
)
from dms_pipeline.task_settings import control_schema, settings_for

_BROKEN_INSTANCE = frozenset(
    {
        "failed",
        "deleting",
        "storage-full",
        "incompatible-credentials",
        "incompatible-network",
        "inaccessible-encryption-credentials",
    }
)


@dataclass(slots=True)
class Seen:
    """What the steps of a run that share a process need to ask only once.

    Attributes:
        latest: the newest checkpoint; who holds the lease is the only one who moves it.
        endpoints: source and target; None if nobody has looked yet.
        instance: the run's own, once it was available.
        instance_is_new: whether no other load has used it.
        run: what the run has recorded of its costs.
        tables: what it has recorded of its tables.
    """

    latest: CheckpointRecord | None = None
    endpoints: tuple[Endpoint, Endpoint] | None = None
    instance: ReplicationInstance | None = None
    instance_is_new: bool = False
    run: RunRecord | None = None
    tables: tuple[LoadRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """One run's work on a pipeline."""

    pipeline: PipelineConfig
    objects: DmsObjects
    checkpoints: CheckpointStore
    metrics: LoadMetrics
    lease: Lease
    seen: Seen = field(default_factory=Seen)

    def begin(self) -> CheckpointRecord | None:
        """Takes the lease, or keeps it; the newest checkpoint of the pipeline."""
        if not self.lease.is_fresh:
            state = self.checkpoints.state(self.pipeline.name)
            self.lease.take_after(state.lease)
            self.seen.latest = state.latest
        return self.seen.latest

    def begin_unless_recorded(self) -> bool:
        """Whether this run is still to load: a repetition creates nothing that is billed."""
        latest = self.begin()
        return latest is None or latest.run_id != self.objects.run_id

    def create_instance(self) -> None:
        """Leaves an instance of this run that is available."""
        if not self.begin_unless_recorded():
            return
        instance = self.objects.dms.find_instance(self.objects.identifier)
        self.seen.instance_is_new = instance is None and self._create_instance() is not None
        if not self.seen.instance_is_new:
            # Also after creating: the call may have met what another run made meanwhile.
            self.objects.adopt_instance(instance or self.objects.instance(), self._tags())
        awaited = self.objects.await_instance(
            lambda seen: seen == "available" or seen in _BROKEN_INSTANCE
        )
        self.seen.instance = self.objects.needed("instance", awaited)
        if (status := self.seen.instance.status) != "available":
            raise LoadError(
                f"the replication instance {self.objects.identifier} is {status}, not available"
            )

    def test_connections(self) -> None:
        """Leaves both endpoints tested from this run's instance: DMS starts no task without that.

        An instance that cannot connect holds nothing to look into, so it is deleted.
        """
        if not self.begin_unless_recorded():
            return
        endpoints = {endpoint.identifier: endpoint for endpoint in self._endpoints()}
        instance = self._instance()
        failures = self.objects.test_connections(
            instance, tuple(endpoints.values()), is_new=self.seen.instance_is_new
        )
        if failures:
            self.objects.delete_instance()
            self.lease.release()
            named = "; ".join(
                f"the {endpoints[name].kind} endpoint {name}: {failure.rstrip('. ')}"
                for name, failure in failures.items()
            )
            raise LoadError(
                f"DMS cannot connect to {named}. Correct the endpoint, its database or the network "
                "between, and run again; the instance was deleted."
            )

    def create_task(self, migration_type: MigrationType) -> None:
        """Leaves a task of this run, ready to load from the checkpoint on, or already started."""
        if not self.begin_unless_recorded():
            return
        task = self.objects.dms.find_task(self.objects.identifier)
        if task is not None or self._create_task(migration_type) is None:
            self.objects.adopt_task(task or self.objects.task())
        self.objects.await_task(lambda seen: seen not in ("creating", "modifying", "testing"))

    def run_task(self, source: MySQLSource) -> None:
        """Leaves the task stopped where it was told to, all read that was there at its start.

        A task that an earlier try of this run left failed, stopped or behind is resumed.
        """
        if not self.begin_unless_recorded():
            return
        end = self._source_end(source)
        self.checkpoints.note_begun(self.pipeline.name, self.objects.run_id)
        Drain(self.pipeline.name, self.pipeline.stop, self.objects).run(end)

    def record_load(self, source: MySQLSource, target: PostgresTarget) -> CheckpointRecord:
        """Stores the counters of every table, then the checkpoint that they lead to."""
        self.begin()
        # Asked again: one that was moved by force is to be seen before anything is written.
        latest = self.checkpoints.latest(self.pipeline.name)
        if latest is not None and latest.run_id == self.objects.run_id:
            return latest
        task = self.objects.task()
        refuse_unexpected_stop(task, self.pipeline.stop)
        statistics = self.objects.dms.table_statistics(task)
        refuse_table_errors(task, statistics, (table.source for table in self.pipeline.tables))
        schema = control_schema(self.pipeline.task_settings)
        refuse_apply_exceptions(task, target.apply_exceptions(task.resource_id, schema=schema))
        is_cdc = task.migration_type == "cdc"
        if is_cdc and (latest is None or latest.checkpoint != task.cdc_start_position):
            raise LoadError(
                f"the checkpoint of {self.pipeline.name} was moved while this load ran; "
                "nothing was recorded. Clean up and run again."
            )
        record = self._record(task, source)
        self.seen.tables = tuple(
            LoadRecord(self.pipeline.name, record.started_at, self.objects.run_id, _counts(row))
            for row in sorted(statistics, key=lambda row: row.table)
        )
        self.metrics.put(self.seen.tables)
        try:
            self.seen.latest = self.checkpoints.advance(record, seen=latest, may_go_back=not is_cdc)
        except LoadError as error:
            raise LoadError(
                f"{error}. Clean up with `dms-pipeline cleanup {self.pipeline.name}` and run again"
            ) from error
        return self.seen.latest

    def delete_task(self) -> None:
        """Leaves no task."""
        self.begin()
        self.objects.delete_task()

    def delete_instance(self) -> RunRecord:
        """Leaves no instance but a warm one; records what was billed, and gives the lease back."""
        record = self.begin()
        if record is None or record.run_id != self.objects.run_id:
            raise LoadError(f"this run has recorded no load of {self.pipeline.name}")
        if self.pipeline.instance.mode != WARM:
            self.objects.delete_instance()
        self.seen.run = self.metrics.add_run(self._run_record(record))
        self.lease.release()
        return self.seen.run

    def _instance(self) -> ReplicationInstance:
        self.seen.instance = self.seen.instance or self.objects.instance()
        return self.seen.instance

    def _create_instance(self) -> ReplicationInstance | None:
        """None if there is one already, as far as DMS knows."""
        config = self.pipeline.instance
        zone = self.pipeline.schedule.timezone
        instance_class = choose_instance(config, self._now(), timezone=zone)
        self.objects.say(
            f"creating the replication instance {self.objects.identifier} ({instance_class})"
        )
        create = partial(
            self.objects.dms.create_instance,
            self.objects.identifier,
            instance_class=instance_class,
            allocated_storage_gb=config.allocated_storage_gb,
            engine_version=config.engine_version,
            multi_az=config.multi_az,
            subnet_group=config.subnet_group,
            security_groups=config.security_groups,
            kms_key_id=config.kms_key_id,
            tags={**self._tags(), "mode": config.mode},
        )
        return self.objects.with_role(create)

    def _create_task(self, migration_type: MigrationType) -> ReplicationTask | None:
        """None if there is one already, as far as DMS knows."""
        source, target = self._endpoints()
        start = None
        if migration_type == "cdc":
            if self.seen.latest is None:
                raise LoadError(f"{self.pipeline.name} has no checkpoint to load from")
            start = self.seen.latest.checkpoint
        self.objects.say(
            f"creating the replication task {self.objects.identifier} ({migration_type})"
        )
        create = partial(
            self.objects.dms.create_task,
            self.objects.identifier,
            instance=self._instance(),
            source=source,
            target=target,
            migration_type=migration_type,
            table_mappings=self.pipeline.table_mappings,
            task_settings=settings_for(self.pipeline.task_settings, migration_type),
            cdc_start_position=start,
            tags=self._tags(),
        )
        return self.objects.with_role(create)

    def _source_end(self, source: MySQLSource) -> BinlogPosition:
        """Where the source ended when this run first started its task, in whichever try."""
        if not self.lease.source_end:
            self.lease.note_source_end(str(source.end()))
        return parse_checkpoint(self.lease.source_end)

    def _record(self, task: ReplicationTask, source: MySQLSource) -> CheckpointRecord:
        instance = self._instance()
        now = self._now()
        behind = self._missed(task)
        return CheckpointRecord(
            pipeline=self.pipeline.name,
            sequence=0,
            checkpoint=task.recovery_checkpoint,
            run_id=self.objects.run_id,
            task_arn=task.arn,
            stop_reason=stop_reason(task),
            source_server=source.server().identity,
            instance_class=instance.instance_class,
            instance_created_at=instance.created_at,
            started_at=task.created_at or now,
            stopped_at=task.stopped_at or now,
            active_s=(task.stopped_at - task.started_at).total_seconds()
            if task.stopped_at and task.started_at
            else 0.0,
            behind=str(behind or ""),
            behind_bytes=source.log_bytes(parse_checkpoint(task.recovery_checkpoint), behind)
            if behind
            else 0,
        )

    def _missed(self, task: ReplicationTask) -> BinlogPosition | None:
        """The position that the load should have reached, if it did not."""
        if not self.lease.source_end:
            return None
        end = parse_checkpoint(self.lease.source_end)
        return end if is_behind(task, end) else None

    def _run_record(self, record: CheckpointRecord) -> RunRecord:
        # A warm instance is billed on: the next load accounts for the time from here on.
        ended = record.stopped_at if self.pipeline.instance.mode == WARM else self._now()
        began = self._billed_since(record)
        return RunRecord(
            pipeline=self.pipeline.name,
            load_date=record.started_at,
            run_id=record.run_id,
            instance_class=record.instance_class,
            billed_s=max((ended - began).total_seconds(), 0.0),
            active_s=record.active_s,
            price_per_hour_usd=price_of(self.pipeline.instance, record.instance_class),
        )

    def _billed_since(self, record: CheckpointRecord) -> datetime:
        """The end of the load before on the same instance; else the instance's beginning."""
        began = record.instance_created_at or record.started_at
        if self.seen.instance_is_new:
            return began
        before = (
            old.stopped_at
            for old in self.checkpoints.history(self.pipeline.name, newest_first=True)
            if old.sequence < record.sequence
            and old.instance_created_at == record.instance_created_at
        )
        return next(before, began)

    def _endpoints(self) -> tuple[Endpoint, Endpoint]:
        if self.seen.endpoints is None:
            source, target = self.pipeline.source.endpoint, self.pipeline.target.endpoint
            found = self.objects.dms.find_endpoints(source, target)
            self.seen.endpoints = (
                required(found, source, "source"),
                required(found, target, "target"),
            )
        return self.seen.endpoints

    def _tags(self) -> Mapping[str, str]:
        return {
            "pipeline": self.pipeline.name,
            "run_id": self.objects.run_id,
            **expiry(self._now(), hours=self.pipeline.keep_hours),
        }

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.objects.pacing.clock(), UTC)


def _counts(row: TableStatistics) -> TableLoad:
    return TableLoad(
        table=row.table,
        inserts=row.inserts,
        updates=row.updates,
        deletes=row.deletes,
        ddls=row.ddls,
        applied_inserts=row.applied_inserts,
        applied_updates=row.applied_updates,
        applied_deletes=row.applied_deletes,
        full_load_rows=row.full_load_rows,
    )
