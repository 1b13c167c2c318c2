"""The checkpoint table: the newest checkpoint of each pipeline, and all before it.

Key: ``pipeline`` and ``version``. The item ``latest`` is moved, and the history item of the same
sequence number added, in one transaction conditioned on the sequence that was read: two writers
cannot both win, and a checkpoint is never moved backwards or to nothing.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from dms_pipeline.aws.dynamodb import KeyedTable
from dms_pipeline.binlog.position import parse_checkpoint
from dms_pipeline.errors import BinlogError, LoadError, PreflightError
from dms_pipeline.records import CheckpointRecord
from dms_pipeline.resources.aws_session import AwsSession
from dms_pipeline.resources.leases import VERSION as LEASE
from dms_pipeline.resources.leases import Lease, LeaseRecord

_LATEST = "latest"
_BEGUN = "begun"


@dataclass(frozen=True, slots=True)
class PipelineState:
    """How a pipeline stands: its newest checkpoint, the run that began last, and its lease."""

    latest: CheckpointRecord | None
    begun: str
    lease: LeaseRecord | None


class CheckpointStore:
    """The checkpoints of all pipelines. Raises `AwsError` when DynamoDB does not answer."""

    def __init__(self, table: KeyedTable) -> None:
        self._table = table

    def create_table(self) -> None:
        self._table.create()

    def latest(self, pipeline: str) -> CheckpointRecord | None:
        item = self._table.get(pipeline, _LATEST)
        return _record(item) if item else None

    def note_begun(self, pipeline: str, run_id: str) -> None:
        """Before a run's load changes the target: until it is recorded, the target may be ahead."""
        self._table.put_all([{"pipeline": pipeline, "version": _BEGUN, "run_id": run_id}])

    def state(self, pipeline: str) -> PipelineState:
        """All that is not history, as of one moment and in one call."""
        # History has digits for its sort keys, which come before all letters.
        items = {item["version"]: item for item in self._table.query(pipeline, sort_from="a")}
        latest, begun, lease = (items.get(version) for version in (_LATEST, _BEGUN, LEASE))
        return PipelineState(
            latest=_record(latest) if latest else None,
            begun=str(begun["run_id"]) if begun else "",
            lease=LeaseRecord.from_item(lease) if lease else None,
        )

    def history(self, pipeline: str, *, newest_first: bool = False) -> Iterator[CheckpointRecord]:
        """All checkpoints of a pipeline, the oldest first unless told otherwise."""
        items = self._table.query(pipeline, sort_prefix="0", newest_first=newest_first)
        return map(_record, items)

    def advance(
        self, new: CheckpointRecord, *, seen: CheckpointRecord | None, may_go_back: bool = False
    ) -> CheckpointRecord:
        """Makes ``new`` the latest checkpoint, as the successor of ``seen``.

        Repeating a call that already succeeded for the same run changes nothing.

        Args:
            new: the record; its sequence is set here.
            seen: the latest record when the load began; None if there was none.
            may_go_back: a repeated full load may begin before the old checkpoint.

        Returns:
            The record as stored.

        Raises:
            LoadError: if the new checkpoint is empty or lies before the one it would replace.
            ConditionFailedError: if the latest record is not ``seen`` any more.
        """
        if not new.checkpoint.strip():
            raise LoadError(
                f"DMS gave no recovery checkpoint for {new.pipeline}; the old one is kept"
            )
        if seen is not None and seen.run_id == new.run_id:
            return seen
        if seen is not None and not may_go_back:
            _refuse_backwards(seen, new)
        record = replace(new, sequence=seen.sequence + 1 if seen else 1)
        previous = f"{seen.sequence:010d}" if seen else ""
        self._table.put_pair(
            _item(record, version=f"{record.sequence:010d}", previous=previous),
            _item(record, version=_LATEST, previous=previous),
            unless_changed=("sequence", seen.sequence) if seen else None,
        )
        return record


class CheckpointsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The DynamoDB table that holds the checkpoints."""

    aws: dg.ResourceDependency[AwsSession]
    table_name: str = Field(default="dms_load_checkpoints", description="DynamoDB table")
    lease_ttl_s: float = Field(
        default=300, gt=0, description="seconds a lease outlives its last renewal"
    )

    def store(self) -> CheckpointStore:
        return CheckpointStore(self._table())

    def last_load(self, pipeline: str) -> CheckpointRecord:
        """What checks look at; raises `PreflightError` if there was no load yet."""
        return self.last_load_and_doubt(pipeline)[0]

    def last_load_and_doubt(self, pipeline: str) -> tuple[CheckpointRecord, str]:
        """The same, and why the target may not be as it was at its checkpoint, in words."""
        state = self.store().state(pipeline)
        if state.latest is None:
            raise PreflightError(
                f"{pipeline} has not been loaded yet, so there is nothing to check or repair; do a "
                f"full load first, with the job {pipeline}_full_load"
            )
        return state.latest, _why_not_at(state.latest, state)

    def why_not_at(self, record: CheckpointRecord) -> str:
        """Why the target may not be as it was at this checkpoint, in words; empty if it is."""
        return _why_not_at(record, self.store().state(record.pipeline))

    def lease(self, pipeline: str, run_id: str) -> Lease:
        return Lease(
            self._table(),
            pipeline=pipeline,
            run_id=run_id,
            ttl_s=self.lease_ttl_s,
            clock=time.time,
        )

    def _table(self) -> KeyedTable:
        client = self.aws.client("dynamodb")
        return KeyedTable(client, self.table_name, partition_key="pipeline", sort_key="version")


def _why_not_at(record: CheckpointRecord, state: PipelineState) -> str:
    if state.latest is None or state.latest.sequence != record.sequence:
        return f"{record.pipeline} has been loaded meanwhile"
    if not record.task_arn:
        return "the checkpoint was set by hand: only the next load brings the target to it"
    if state.begun and state.begun != record.run_id:
        return (
            f"the load of run {state.begun} has begun and is not recorded: the target may be ahead "
            "of the checkpoint"
        )
    return ""


def _refuse_backwards(old: CheckpointRecord, new: CheckpointRecord) -> None:
    """Compares only what can be read and compared: positions of the same server."""
    if old.source_server != new.source_server:
        return
    try:
        before, after = parse_checkpoint(old.checkpoint), parse_checkpoint(new.checkpoint)
    except BinlogError:
        return
    if after < before:
        raise LoadError(
            f"the new checkpoint of {new.pipeline} lies at {after}, before the stored one at "
            f"{before}; the stored one is kept"
        )


def _item(record: CheckpointRecord, *, version: str, previous: str) -> dict[str, Any]:
    return {
        "pipeline": record.pipeline,
        "version": version,
        "sequence": record.sequence,
        "previous_version": previous,
        "checkpoint": record.checkpoint,
        **_readable_position(record.checkpoint),
        "run_id": record.run_id,
        "task_arn": record.task_arn,
        "stop_reason": record.stop_reason,
        "source_server": record.source_server,
        "instance_class": record.instance_class,
        "instance_created_at": record.instance_created_at.isoformat()
        if record.instance_created_at
        else "",
        "started_at": record.started_at.isoformat(),
        "stopped_at": record.stopped_at.isoformat(),
        "active_s": str(record.active_s),
        "behind": record.behind,
        "behind_bytes": record.behind_bytes,
        "reason": record.reason,
    }


def _readable_position(checkpoint: str) -> dict[str, Any]:
    """For people who look into the table; the checkpoint itself stays an opaque text."""
    try:
        position = parse_checkpoint(checkpoint)
    except BinlogError:
        return {}
    return {"binlog_file": position.file, "binlog_offset": position.offset}


def _record(item: dict[str, Any]) -> CheckpointRecord:
    return CheckpointRecord(
        pipeline=item["pipeline"],
        sequence=int(item["sequence"]),
        checkpoint=item["checkpoint"],
        run_id=item["run_id"],
        task_arn=item["task_arn"],
        stop_reason=item["stop_reason"],
        source_server=item["source_server"],
        instance_class=item["instance_class"],
        instance_created_at=_time(item["instance_created_at"])
        if item["instance_created_at"]
        else None,
        started_at=_time(item["started_at"]),
        stopped_at=_time(item["stopped_at"]),
        active_s=float(item["active_s"]),
        behind=item["behind"],
        behind_bytes=int(item.get("behind_bytes", 0)),
        reason=item["reason"],
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
