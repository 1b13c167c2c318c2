"""DescribeEvents and the categories of events.

The default of AWS for a request without times is not documented; here it is everything kept.
`Duration` is in minutes, as in Amazon RDS, from which the operation has its form.
"""

from collections.abc import Mapping
from typing import Any

from dms_pipeline.local_dms.control_plane.events import CATEGORIES, TASK, Event
from dms_pipeline.local_dms.control_plane.faults import invalid_value
from dms_pipeline.local_dms.control_plane.listing import filtered, page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.resources import ReplicationInstance, ReplicationTask


class EventListing:
    """The operations that show events; whoever reads what an object went through has seen it."""

    def __init__(self, registry: Registry) -> None:
        """Show the events of `registry`."""
        self._registry = registry

    def operations(self) -> Mapping[str, Operation]:
        return {
            "DescribeEvents": self.describe,
            "DescribeEventCategories": self.describe_categories,
        }

    def describe(self, request: Request) -> dict[str, Any]:
        params = request.params
        checked_source_type(params)
        first, last = self._times(params)
        wanted = set(params.get("EventCategories", []))
        events = [
            event
            for event in self._registry.events.all(request.region)
            if first <= event.date <= last
            and params.get("SourceType", event.source_type) == event.source_type
            and params.get("SourceIdentifier", event.source_identifier) == event.source_identifier
            and (not wanted or event.category in wanted)
        ]
        found = filtered(
            events,
            params,
            by={"replication-instance-id": self._instance_names},
            what="Event",
            must_match=False,
        )
        shown, marker = page(found, params, key=lambda event: f"{event.number:012d}")
        self._note_shown(shown)
        return {"Events": [_described(event) for event in shown], "Marker": marker}

    def _times(self, params: Mapping[str, Any]) -> tuple[float, float]:
        start, end = params.get("StartTime"), params.get("EndTime")
        minutes = params.get("Duration")
        if minutes is not None and minutes < 1:
            raise invalid_value(f"Duration must be at least 1 minute, not {minutes}.")
        if start is not None and end is not None and end < start:
            raise invalid_value("EndTime must not be before StartTime.")
        if minutes is not None and start is None:
            start = (self._registry.clock() if end is None else end) - 60.0 * minutes
        elif minutes is not None and end is None:
            end = start + 60.0 * minutes
        return (float("-inf") if start is None else start, float("inf") if end is None else end)

    def _instance_names(self, event: Event) -> list[str]:
        name = self._registry.identifier_of(event.instance_arn)
        if event.source_type == TASK:
            return [name] if name else []
        return [event.source_identifier]

    def _note_shown(self, events: list[Event]) -> None:
        for event in events:
            kind = ReplicationTask if event.source_type == TASK else ReplicationInstance
            source = self._registry.find(kind, event.source_arn)
            if source:
                self._registry.show([source])

    def describe_categories(self, request: Request) -> dict[str, Any]:
        wanted = checked_source_type(request.params)
        groups = filtered(
            [source_type for source_type in CATEGORIES if wanted in (None, source_type)],
            request.params,
            by={"source-type": lambda source_type: [source_type]},
            what="Event category",
            must_match=False,
        )
        return {
            "EventCategoryGroupList": [
                {"SourceType": source_type, "EventCategories": list(CATEGORIES[source_type])}
                for source_type in groups
            ]
        }


def checked_source_type(params: Mapping[str, Any]) -> str | None:
    source_type: str | None = params.get("SourceType")
    if source_type is not None and source_type not in CATEGORIES:
        raise invalid_value(f"SourceType must be one of {', '.join(CATEGORIES)}.")
    return source_type


def _described(event: Event) -> dict[str, Any]:
    return {
        "SourceIdentifier": event.source_identifier,
        "SourceType": event.source_type,
        "Message": event.message,
        "EventCategories": [event.category] if event.category else [],
        "Date": event.date,
    }
