"""All objects of the local DMS: in memory for reading, in the store before any answer goes out.

A change of state is written together with the events that tell of it. Whoever reads or changes
objects holds `lock`. States move on when somebody looks (`settle`), so there are no timers; an
object whose last phase is over is removed, and takes along what exists only with it.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from dms_pipeline.local_dms.control_plane.arrivals import arrived
from dms_pipeline.local_dms.control_plane.event_log import EventLog
from dms_pipeline.local_dms.control_plane.events import Event
from dms_pipeline.local_dms.control_plane.faults import already_exists, not_found
from dms_pipeline.local_dms.control_plane.lifecycle import GONE, Life, Phase
from dms_pipeline.local_dms.control_plane.persistence import ResourceStore
from dms_pipeline.local_dms.control_plane.resources import (
    AssessmentRun,
    Connection,
    Endpoint,
    ReplicationInstance,
    ReplicationTask,
    Resource,
    SchemaRefresh,
)

R = TypeVar("R", bound=Resource)


class Registry:
    """The objects by type and key, of all regions."""

    def __init__(self, store: ResourceStore, clock: Callable[[], float]) -> None:
        """Read everything that the store holds."""
        self.lock = threading.RLock()
        self.clock = clock
        self._store = store
        self.events = EventLog(store.load_events(), clock)
        self._resources: dict[type[Any], dict[str, Any]] = {}
        for resource in store.load():
            self._of(type(resource))[resource.key] = resource
        self._finish_transitions()

    def _finish_transitions(self) -> None:
        # Nobody can have seen what was due while the process was down. What is in its last status
        # already waits for the time of a change.
        for resources in list(self._resources.values()):
            for resource in list(resources.values()):
                last = resource.life.phases[-1]
                passed = [phase.status for phase in resource.life.phases]
                if last.status == GONE:
                    self.remove(resource)
                elif passed[0] != last.status:
                    after = arrived(resource, self.begin(last))
                    self._write(after, self.events.of_change(resource, after, passed))

    def _of(self, kind: type[R]) -> dict[str, R]:
        return self._resources.setdefault(kind, {})

    def settle(self) -> None:
        """Let every object reach the state it has by now."""
        now = self.clock()
        for resources in list(self._resources.values()):
            for resource in list(resources.values()):
                life = resource.life.advanced(now)
                if life.status == GONE:
                    self.remove(resource)
                elif life is not resource.life:
                    self._settle(resource, arrived(resource, life))

    def _settle(self, before: Resource, after: Resource) -> None:
        # Without an event there is nothing that a crash would lose: the state is found anew.
        if events := self.events.of_change(before, after):
            self._write(after, events)
        else:
            self.keep(after)

    def _write(self, resource: Resource, events: Sequence[Event]) -> None:
        self._store.save(resource, events, self.events.oldest)
        self.events.append(events)
        self.keep(resource)

    def remove(self, resource: Resource) -> None:
        """Forget an object for good, and what exists only with it."""
        events = self.events.of_change(resource, resource, (resource.life.status, GONE))
        self._store.remove(resource, events, self.events.oldest)
        self.events.append(events)
        self._of(type(resource)).pop(resource.key, None)
        if isinstance(resource, ReplicationInstance):
            for connection in list(self._of(Connection).values()):
                if connection.instance_arn == resource.arn:
                    self.remove(connection)
        if isinstance(resource, Endpoint) and (refresh := self.find(SchemaRefresh, resource.arn)):
            self.remove(refresh)
        if isinstance(resource, ReplicationTask):
            for run in list(self._of(AssessmentRun).values()):
                if run.task_arn == resource.arn:
                    self.remove(run)

    def save(self, resource: R) -> R:
        """Make the value durable and current."""
        before = self.find(type(resource), resource.key)
        self._write(resource, self.events.of_change(before, resource))
        return resource

    def add(self, resource: R) -> R:
        """Save a new object; a `ResourceIdentifier` that another one has is refused."""
        if resource.key in self._of(type(resource)):
            raise already_exists(f"Resource {resource.key} already exists.", resource.key)
        return self.save(resource)

    def keep(self, resource: R) -> R:
        """Make the value current without a disk write; a crash falls back to the one saved last."""
        self._of(type(resource))[resource.key] = resource
        return resource

    def show(self, resources: Iterable[Any]) -> None:
        """Note that a Describe has shown these."""
        for resource in resources:
            self.keep(replace(resource, life=resource.life.seen()))

    def all(self, kind: type[R], region: str | None = None) -> list[R]:
        """Objects by age, of one region or of all."""
        found = [r for r in self._of(kind).values() if region is None or r.region == region]
        return sorted(found, key=lambda resource: (resource.created_at, resource.key))

    def find(self, kind: type[R], key: str) -> R | None:
        return self._of(kind).get(key)

    def get(self, kind: type[R], key: str, what: str) -> R:
        resource = self._of(kind).get(key)
        if resource is None:
            raise not_found(f"{what} {key} not found.")
        return resource

    def identifier_of(self, arn: str) -> str | None:
        """The name that the user gave to the object with this ARN."""
        named = (
            self.find(ReplicationInstance, arn)
            or self.find(Endpoint, arn)
            or self.find(ReplicationTask, arn)
        )
        return named.identifier if named else None

    def begin(self, *phases: Phase) -> Life:
        """A life that enters its first phase now."""
        return Life(phases, entered_at=self.clock())
