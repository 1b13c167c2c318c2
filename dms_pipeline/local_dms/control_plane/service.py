"""The emulated DMS as one object: its operations over one registry, behind the protocol.

Operations run one at a time; none of them waits for an engine or a database.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dms_pipeline.local_dms.control_plane.account_attributes import AccountAttributes
from dms_pipeline.local_dms.control_plane.assessment_runs import AssessmentRuns
from dms_pipeline.local_dms.control_plane.assessments import Assessments
from dms_pipeline.local_dms.control_plane.catalogues import Catalogues
from dms_pipeline.local_dms.control_plane.connections import (
    Background,
    ConnectionCheck,
    Connections,
)
from dms_pipeline.local_dms.control_plane.empty_pages import EmptyPages
from dms_pipeline.local_dms.control_plane.endpoint_login import SecretReader
from dms_pipeline.local_dms.control_plane.endpoints import Endpoints
from dms_pipeline.local_dms.control_plane.event_listing import EventListing
from dms_pipeline.local_dms.control_plane.event_subscriptions import EventSubscriptions
from dms_pipeline.local_dms.control_plane.fault_injection import FaultInjection
from dms_pipeline.local_dms.control_plane.faulty_runs import FaultyRunner
from dms_pipeline.local_dms.control_plane.instance_changes import InstanceChanges
from dms_pipeline.local_dms.control_plane.lifecycle import Speed
from dms_pipeline.local_dms.control_plane.pending_maintenance import PendingMaintenance
from dms_pipeline.local_dms.control_plane.persistence import ResourceStore
from dms_pipeline.local_dms.control_plane.protocol import Operation, Protocol, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.replication_configs import ReplicationConfigs
from dms_pipeline.local_dms.control_plane.replication_instances import ReplicationInstances
from dms_pipeline.local_dms.control_plane.replication_tasks import ReplicationTasks
from dms_pipeline.local_dms.control_plane.replications import Replications
from dms_pipeline.local_dms.control_plane.schemas import SchemaNames, Schemas
from dms_pipeline.local_dms.control_plane.subnet_groups import SubnetGroups
from dms_pipeline.local_dms.control_plane.table_reloads import TableReloads
from dms_pipeline.local_dms.control_plane.tags import Tags
from dms_pipeline.local_dms.control_plane.task_execution import TaskExecution
from dms_pipeline.local_dms.control_plane.task_logs import LogSize, TaskLogs
from dms_pipeline.local_dms.control_plane.task_moves import TaskMoves
from dms_pipeline.local_dms.control_plane.task_runner import TaskRunner
from dms_pipeline.local_dms.control_plane.task_starts import TaskStarts
from dms_pipeline.local_dms.control_plane.timing import Timing
from dms_pipeline.local_dms.control_plane.unexpected_end import StoredCheckpoint


def run_in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="background", daemon=True).start()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the service uses of the world outside, so that tests can replace it."""

    runner: TaskRunner
    check: ConnectionCheck
    schema_names: SchemaNames
    log_size: LogSize
    read_secret: SecretReader
    stored_checkpoint: StoredCheckpoint
    clock: Callable[[], float] = time.time
    background: Background = run_in_thread


class DmsService:
    """A local DMS whose objects live in one file."""

    def __init__(self, database: Path, *, speed: Speed, surroundings: Surroundings) -> None:
        """Open the file; what a former process left in transition is brought to its end."""
        self.injection = FaultInjection()
        timing = Timing(speed, self.injection)
        self._store = ResourceStore(database)
        self.registry = Registry(self._store, surroundings.clock)
        registry, read_secret = self.registry, surroundings.read_secret
        self._execution = TaskExecution(
            registry,
            timing,
            runner=FaultyRunner(surroundings.runner, self.injection),
            read_secret=read_secret,
            stored_checkpoint=surroundings.stored_checkpoint,
            background=surroundings.background,
        )
        connections = Connections(
            registry,
            timing,
            check=surroundings.check,
            read_secret=read_secret,
            background=surroundings.background,
            injection=self.injection,
        )
        groups = (
            ReplicationInstances(registry, timing, self.injection, self._execution.keep_ready),
            InstanceChanges(registry, timing),
            PendingMaintenance(registry),
            SubnetGroups(registry),
            Endpoints(registry, timing),
            connections,
            Schemas(
                registry,
                timing,
                names=surroundings.schema_names,
                read_secret=read_secret,
                background=surroundings.background,
            ),
            ReplicationTasks(registry, timing, self._execution.keep_ready),
            TaskMoves(registry, timing),
            TaskStarts(registry, self._execution),
            TableReloads(registry, self._execution),
            TaskLogs(registry, surroundings.log_size),
            Assessments(registry, timing),
            AssessmentRuns(registry, timing),
            ReplicationConfigs(registry, timing),
            Replications(registry),
            EmptyPages(),
            Tags(registry),
            Catalogues(),
            AccountAttributes(registry),
            EventListing(registry),
            EventSubscriptions(registry, timing),
        )
        self._protocol = Protocol(
            {
                name: self._one_at_a_time(name, operation)
                for group in groups
                for name, operation in group.operations().items()
            }
        )

    def _one_at_a_time(self, name: str, operation: Operation) -> Operation:
        def settled(request: Request) -> Mapping[str, Any]:
            with self.registry.lock:
                self.registry.settle()
                refusal = self.injection.refusal("dms", name, self._named_in(request))
                if refusal is not None:
                    raise refusal
                return operation(request)

        return settled

    def _named_in(self, request: Request) -> Iterator[str]:
        """The identifiers of the objects that a request is about, as far as it names them."""
        members = request.params.items()
        texts = [text for name, text in members if name.endswith(("Identifier", "Arn"))]
        for condition in request.params.get("Filters", []):
            texts += condition["Values"]
        for text in texts:
            yield self.registry.identifier_of(text) or text

    @property
    def operation_names(self) -> tuple[str, ...]:
        """What is emulated; everything else of DMS is answered with a fault."""
        return self._protocol.operation_names

    def answer(self, target: str, body: bytes, region: str) -> tuple[int, bytes]:
        return self._protocol.answer(target, body, region)

    def close(self) -> None:
        """Stop all engines, note how they ended, and close the file."""
        self._execution.stop_all()
        with self.registry.lock:
            self._store.close()
