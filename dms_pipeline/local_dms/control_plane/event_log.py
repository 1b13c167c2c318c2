"""The events that are kept: those of the last 14 days, as on AWS, and not more than 10,000."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from dms_pipeline.local_dms.control_plane.events import INSTANCE, NEW, TASK, Event, told_of
from dms_pipeline.local_dms.control_plane.resources import (
    ReplicationInstance,
    ReplicationTask,
    Resource,
)

KEPT_S = 14 * 24 * 3600.0
MOST_EVENTS = 10_000


class EventLog:
    """All kept events, the oldest first; the store writes each with the change that it tells of."""

    def __init__(self, events: Iterable[Event], clock: Callable[[], float]) -> None:
        """Continue with the events that the store holds."""
        self._events = deque(events)
        self._clock = clock
        self._next = self._events[-1].number + 1 if self._events else 1

    def all(self, region: str) -> list[Event]:
        since = self._clock() - KEPT_S
        return [e for e in self._events if e.region == region and e.date >= since]

    @property
    def oldest(self) -> int:
        """The number of the oldest event that is kept."""
        return self._events[0].number if self._events else self._next

    def append(self, events: Sequence[Event]) -> None:
        self._events.extend(events)
        self._next += len(events)
        while self._events and self._is_past(self._events[0]):
            self._events.popleft()

    def _is_past(self, event: Event) -> bool:
        return len(self._events) > MOST_EVENTS or event.date < self._events[-1].date - KEPT_S

    def of_change(
        self, before: Resource | None, after: Resource, statuses: Sequence[str] = ()
    ) -> list[Event]:
        """The events of a change of an object, not yet appended.

        Args:
            before: the object as it was; None for a new one.
            after: the object as it is.
            statuses: what it went through, if that is more than from one status to the other.
        """
        path = statuses or (before.life.status if before else NEW, after.life.status)
        told = list(told_of(before or after, after, path))
        if not told or not isinstance(after, ReplicationInstance | ReplicationTask):
            return []
        if isinstance(after, ReplicationTask):
            source_type, instance_arn = TASK, after.instance_arn
        else:
            source_type, instance_arn = INSTANCE, after.arn
        now = self._clock()
        return [
            Event(
                number=self._next + offset,
                date=now,
                region=after.region,
                source_arn=after.arn,
                source_identifier=after.identifier,
                source_type=source_type,
                instance_arn=instance_arn,
                message=message,
                category=category,
            )
            for offset, (category, message) in enumerate(told)
        ]
