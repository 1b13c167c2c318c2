"""One load of one pipeline: from nothing running to everything recorded and gone.

Each step looks first, adopts what an earlier try of the same run already made, and only then acts,
so a step may be repeated after a crash at any point. Objects are found by identifiers that depend
on the pipeline alone; the tag ``run_id`` tells whose they are. No step hands a value to the next:
what has to outlive a step lies in DMS until it is recorded, and in DynamoDB after that.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dms_pipeline.aws.dms import (
    DmsClient,
    Endpoint,
    MigrationType,
    ReplicationInstance,
    ReplicationTask,
    TableStatistics,
)
from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.errors import BinlogError, LoadError
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.records import CheckpointRecord, LoadRecord, TableLoad
from dms_pipeline.resources.checkpoints import CheckpointStore
from dms_pipeline.resources.load_metrics import LoadMetrics
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.task_outcome import (
    FINAL_STATES,
    refuse_table_errors,
    refuse_unexpected_stop,
    stop_reason,
)
from dms_pipeline.waiting import Pacing, wait_until

_GONE = "gone"
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


def identifier(pipeline: str) -> str:
    """The DMS identifier of a pipeline's instance, and of its task."""
    return f"dms-pipeline-{pipeline.replace('_', '-')}"


@dataclass(frozen=True, slots=True)
class Load:
    """One run's hold on DMS.

    ``run_id`` is the same for a run and its re-executions; ``force`` lets cleanup delete what
    others left.
    """

    pipeline: PipelineConfig
    run_id: str
    dms: DmsClient
    pacing: Pacing
    say: Callable[[str], None]
    force: bool = False

    @property
    def identifier(self) -> str:
        return identifier(self.pipeline.name)

    def create_instance(self) -> ReplicationInstance:
        """Leaves an instance of this run that is available."""
        instance = self.dms.find_instance(self.identifier)
        if instance is None:
            wanted = self.pipeline.instance
            self.say(f"creating the replication instance {self.identifier}")
            self.dms.create_instance(
                self.identifier,
                instance_class=wanted.instance_class,
                allocated_storage_gb=wanted.allocated_storage_gb,
                engine_version=wanted.engine_version,
                multi_az=wanted.multi_az,
                subnet_group=wanted.subnet_group,
                security_groups=wanted.security_groups,
                tags=self._tags(),
            )
        else:
            self._refuse_foreign("instance", instance.arn)
        status = self._wait_for_instance(
            lambda seen: seen == "available" or seen in _BROKEN_INSTANCE
        )
        if status != "available":
            raise LoadError(
                f"the replication instance {self.identifier} is {status}, not available"
            )
        return self._instance()

    def test_connections(self) -> None:
        """Leaves both endpoints tested from this run's instance: DMS starts no task without that.

        An instance that cannot connect holds nothing to look into, so it is deleted.
        """
        instance = self._instance()
        for endpoint in self._endpoints():
            failure = self._test_connection(instance, endpoint)
            if failure:
                self.delete_instance()
                raise LoadError(
                    f"DMS cannot connect to the {endpoint.kind} endpoint {endpoint.identifier}: "
                    f"{failure}. Correct the endpoint and run again; the instance was deleted."
                )

    def create_task(
        self, migration_type: MigrationType, checkpoint: CheckpointRecord | None
    ) -> ReplicationTask:
        """Leaves a task of this run, ready to load from ``checkpoint`` on, or already started."""
        task = self.dms.find_task(self.identifier)
        if task is None:
            source, target = self._endpoints()
            self.say(f"creating the replication task {self.identifier} ({migration_type})")
            self.dms.create_task(
                self.identifier,
                instance=self._instance(),
                source=source,
                target=target,
                migration_type=migration_type,
                table_mappings=self.pipeline.table_mappings,
                task_settings=_settings_for(self.pipeline.task_settings, migration_type),
                cdc_start_position=checkpoint.checkpoint if checkpoint else None,
                tags=self._tags(),
            )
        else:
            self._refuse_foreign("task", task.arn)
        self._wait_for_task(lambda seen: seen not in ("creating", "modifying", "testing"))
        return self._task()

    def run_task(self, source: MySQLSource) -> None:
        """Leaves the task stopped where it was told to, all read that was there at its start."""
        task = self._task()
        end = source.end()
        extensions = 0
        if task.status == "ready":
            self._start(task, resume=False)
        while True:
            self._wait_for_task(FINAL_STATES.__contains__, for_ever=True)
            task = self._task()
            refuse_unexpected_stop(task)
            if task.migration_type != "cdc" or _reached(task, end) is not False:
                return
            if extensions == self.pacing.max_extensions:
                self.say(f"the load ends before {end}; the next load carries on from there")
                return
            extensions += 1
            self.say(f"not yet at {end}, where the source was at the start: extending the load")
            self._start(task, resume=True)

    def record_load(
        self, source: MySQLSource, checkpoints: CheckpointStore, metrics: LoadMetrics
    ) -> CheckpointRecord:
        """Stores the counters of every table, then the checkpoint that they lead to."""
        latest = checkpoints.latest(self.pipeline.name)
        if latest is not None and latest.run_id == self.run_id:
            return latest
        task = self._task()
        statistics = self.dms.table_statistics(task)
        refuse_table_errors(task, statistics, (table.source for table in self.pipeline.tables))
        is_cdc = task.migration_type == "cdc"
        if is_cdc and (latest is None or latest.checkpoint != task.cdc_start_position):
            raise LoadError(
                f"the checkpoint of {self.pipeline.name} was moved while this load ran; "
                "nothing was recorded. Clean up and run again."
            )
        record = self._record(task, source)
        metrics.put(
            LoadRecord(self.pipeline.name, record.started_at, self.run_id, _counts(row))
            for row in statistics
        )
        return checkpoints.advance(record, seen=latest, may_go_back=not is_cdc)

    def delete_task(self) -> None:
        """Leaves no task, stopping it first where it still runs."""
        task = self.dms.find_task(self.identifier)
        if task is not None and task.status != "deleting":
            self._refuse_foreign("task", task.arn)
            if task.status == "starting":
                self._wait_for_task(lambda seen: seen != "starting")
                task = self._task()
            if task.status == "running":
                self.dms.stop_task(task)
            self._wait_for_task(lambda seen: seen not in ("creating", "stopping", "running"))
            self.dms.delete_task(task)
        self._wait_for_task(lambda seen: seen == _GONE)

    def delete_instance(self) -> None:
        """Leaves no instance; from here on nothing is billed."""
        instance = self.dms.find_instance(self.identifier)
        if instance is not None and instance.status != "deleting":
            self._refuse_foreign("instance", instance.arn)
            self._wait_for_instance(lambda seen: seen not in ("creating", "modifying"))
            self.dms.delete_instance(instance)
        self._wait_for_instance(lambda seen: seen == _GONE)

    def _start(self, task: ReplicationTask, *, resume: bool) -> None:
        stop = None
        if task.migration_type == "cdc":
            window = self.pipeline.drain_window_s or self.pacing.drain_window_s
            moment = datetime.fromtimestamp(math.ceil(self.pacing.clock() + window), UTC)
            stop = f"server_time:{moment:%Y-%m-%dT%H:%M:%S}"
        self.say(f"starting the task{f', which stops at {stop} (UTC)' if stop else ''}")
        self.dms.start_task(
            task,
            "resume-processing" if resume else "start-replication",
            cdc_stop_position=stop,
        )

    def _record(self, task: ReplicationTask, source: MySQLSource) -> CheckpointRecord:
        server = source.server()
        instance = self._instance()
        now = datetime.fromtimestamp(self.pacing.clock(), UTC)
        return CheckpointRecord(
            pipeline=self.pipeline.name,
            sequence=0,
            checkpoint=task.recovery_checkpoint,
            run_id=self.run_id,
            task_arn=task.arn,
            stop_reason=stop_reason(task),
            source_server=server.identity,
            instance_class=instance.instance_class,
            instance_created_at=instance.created_at,
            started_at=task.created_at or now,
            stopped_at=task.stopped_at or now,
        )

    def _test_connection(self, instance: ReplicationInstance, endpoint: Endpoint) -> str:
        """Why the endpoint cannot be reached; empty when it can."""

        def look() -> str:
            connection = self.dms.connections(instance).get(endpoint.arn)
            return connection.status if connection else "untested"

        if look() not in ("testing", "successful"):
            self.dms.test_connection(instance, endpoint)
        status = wait_until(
            f"the connection to {endpoint.identifier}",
            look,
            lambda seen: seen in ("successful", "failed"),
            pacing=self.pacing,
            timeout_s=self.pacing.task_timeout_s,
            say=self.say,
        )
        if status == "successful":
            return ""
        return self.dms.connections(instance)[endpoint.arn].last_failure or "DMS gives no reason"

    def _wait_for_instance(self, done: Callable[[str], bool]) -> str:
        def look() -> str:
            instance = self.dms.find_instance(self.identifier)
            return instance.status if instance else _GONE

        return wait_until(
            f"the instance {self.identifier}",
            look,
            lambda seen: seen == _GONE or done(seen),
            pacing=self.pacing,
            timeout_s=self.pacing.instance_timeout_s,
            say=self.say,
        )

    def _wait_for_task(self, done: Callable[[str], bool], *, for_ever: bool = False) -> str:
        def look() -> str:
            task = self.dms.find_task(self.identifier)
            return task.status if task else _GONE

        return wait_until(
            f"the task {self.identifier}",
            look,
            lambda seen: seen == _GONE or done(seen),
            pacing=self.pacing,
            timeout_s=None if for_ever else self.pacing.task_timeout_s,
            say=self.say,
        )

    def _instance(self) -> ReplicationInstance:
        instance = self.dms.find_instance(self.identifier)
        if instance is None:
            raise LoadError(
                f"the replication instance {self.identifier} was deleted while this run needed it"
            )
        return instance

    def _task(self) -> ReplicationTask:
        task = self.dms.find_task(self.identifier)
        if task is None:
            raise LoadError(
                f"the replication task {self.identifier} was deleted while this run needed it"
            )
        return task

    def _endpoints(self) -> tuple[Endpoint, Endpoint]:
        return (
            find_endpoint(self.dms, self.pipeline.source.endpoint, "source"),
            find_endpoint(self.dms, self.pipeline.target.endpoint, "target"),
        )

    def _refuse_foreign(self, kind: str, arn: str) -> None:
        if self.force:
            return
        owner = self.dms.tags(arn).get("run_id", "")
        if owner != self.run_id:
            raise LoadError(leftover(self.pipeline.name, kind, owner))

    def _tags(self) -> Mapping[str, str]:
        return {"pipeline": self.pipeline.name, "run_id": self.run_id}


def find_endpoint(dms: DmsClient, name: str, kind: str) -> Endpoint:
    """The endpoint of that name.

    Raises:
        LoadError: if there is none, or it is of the other kind.
    """
    endpoint = dms.find_endpoint(name)
    if endpoint is None:
        raise LoadError(f"there is no DMS endpoint {name}; create it, or correct pipeline.yaml")
    if endpoint.kind != kind:
        raise LoadError(f"the DMS endpoint {name} is a {endpoint.kind}, needed as {kind}")
    return endpoint


def leftover(pipeline: str, kind: str, owner: str) -> str:
    """What to say of an instance or task that another run left."""
    return (
        f"the replication {kind} {identifier(pipeline)} is left over from run {owner or 'unknown'} "
        f"and is billed; look into it, then remove it with `dms-pipeline cleanup {pipeline}`"
    )


def _settings_for(task_settings: str, migration_type: MigrationType) -> str:
    """The pipeline's settings with the two that depend on what the task is for.

    A full load stops once the changes made meanwhile are applied too: only then has the task a
    checkpoint that the next load can begin at.
    """
    settings: dict[str, Any] = json.loads(task_settings)
    full_load = dict(settings.get("FullLoadSettings", {}))
    if migration_type == "cdc":
        full_load["TargetTablePrepMode"] = "DO_NOTHING"
        full_load["StopTaskCachedChangesApplied"] = False
    else:
        full_load["StopTaskCachedChangesApplied"] = True
    return json.dumps({**settings, "FullLoadSettings": full_load})


def _reached(task: ReplicationTask, end: BinlogPosition) -> bool | None:
    """Whether the task's checkpoint lies at ``end`` or after; None if it cannot be read."""
    try:
        return parse_checkpoint(task.recovery_checkpoint) >= end
    except BinlogError:
        return None


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
