"""Event subscriptions: kept and shown; nothing is sent to their topics."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from dms_pipeline.local_dms.control_plane.event_listing import checked_source_type
from dms_pipeline.local_dms.control_plane.events import CATEGORIES, INSTANCE, TASK
from dms_pipeline.local_dms.control_plane.faults import (
    Fault,
    already_exists,
    invalid_combination,
    invalid_state,
    invalid_value,
    not_found,
)
from dms_pipeline.local_dms.control_plane.identifiers import checked_identifier, tags_of
from dms_pipeline.local_dms.control_plane.lifecycle import GONE, Phase
from dms_pipeline.local_dms.control_plane.listing import filtered, page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.resources import (
    ACCOUNT_ID,
    EventSubscription,
    ReplicationInstance,
    ReplicationTask,
    new_arn,
)
from dms_pipeline.local_dms.control_plane.timing import Timing

WHAT = "Event subscription"
_SOURCES: Mapping[str, type[Any]] = {INSTANCE: ReplicationInstance, TASK: ReplicationTask}


class EventSubscriptions:
    """The operations on event subscriptions."""

    def __init__(self, registry: Registry, timing: Timing) -> None:
        """Work on the subscriptions of `registry`."""
        self._registry = registry
        self._timing = timing

    def operations(self) -> Mapping[str, Operation]:
        return {
            "CreateEventSubscription": self.create,
            "DescribeEventSubscriptions": self.describe,
            "ModifyEventSubscription": self.modify,
            "DeleteEventSubscription": self.delete,
        }

    def create(self, request: Request) -> dict[str, Any]:
        params = request.params
        name = checked_identifier(
            params["SubscriptionName"], member="SubscriptionName", longest=254
        )
        for other in self._registry.all(EventSubscription, request.region):
            if other.identifier == name:
                raise already_exists(f"{WHAT} {name} already exists.", other.arn)
        subscription = EventSubscription(
            arn=new_arn("es", request.region),
            region=request.region,
            identifier=name,
            created_at=self._registry.clock(),
            life=self._registry.begin(
                self._timing.phase("subscription", "creating", name), Phase("active")
            ),
            topic_arn=params["SnsTopicArn"],
            source_type=params.get("SourceType"),
            source_ids=params.get("SourceIds", []),
            categories=params.get("EventCategories", []),
            enabled=params.get("Enabled", True),
            tags=tags_of(params),
        )
        self._check(params, subscription)
        return {"EventSubscription": _described(self._registry.add(subscription))}

    def _check(self, params: Mapping[str, Any], wanted: EventSubscription) -> None:
        source_type = checked_source_type(params)
        if not wanted.topic_arn.startswith("arn:aws:sns:"):
            raise Fault("SNSInvalidTopicFault", f"{wanted.topic_arn} is not the ARN of a topic.")
        if wanted.source_ids and wanted.source_type is None:
            raise invalid_combination("SourceIds can be given only together with SourceType.")
        types = [wanted.source_type] if wanted.source_type else list(CATEGORIES)
        known = {category for name in types for category in CATEGORIES[name]}
        for category in wanted.categories:
            if category not in known:
                raise invalid_value(f"There are no events of category {category}.")
        if source_type is None:
            return
        present = self._registry.all(_SOURCES[source_type], wanted.region)
        missing = set(wanted.source_ids) - {source.identifier for source in present}
        if missing:
            raise not_found(f"No {source_type} is named {', '.join(sorted(missing))}.")

    def describe(self, request: Request) -> dict[str, Any]:
        subscriptions = self._registry.all(EventSubscription, request.region)
        if "SubscriptionName" in request.params:
            subscriptions = [self._find(request)]
        found = filtered(
            subscriptions,
            request.params,
            by={
                "event-subscription-arn": lambda s: [s.arn],
                "event-subscription-id": lambda s: [s.identifier],
            },
            what=WHAT,
        )
        shown, marker = page(found, request.params, key=lambda s: s.identifier)
        self._registry.show(shown)
        return {"EventSubscriptionsList": [_described(s) for s in shown], "Marker": marker}

    def modify(self, request: Request) -> dict[str, Any]:
        subscription, params = self._settled(request, "modified"), request.params
        modifying = self._timing.phase("subscription", "modifying", subscription.identifier)
        changed = replace(
            subscription,
            topic_arn=params.get("SnsTopicArn", subscription.topic_arn),
            source_type=params.get("SourceType", subscription.source_type),
            categories=params.get("EventCategories", subscription.categories),
            enabled=params.get("Enabled", subscription.enabled),
            life=self._registry.begin(modifying, Phase("active")),
        )
        self._check(params, changed)
        return {"EventSubscription": _described(self._registry.save(changed))}

    def delete(self, request: Request) -> dict[str, Any]:
        subscription = self._settled(request, "deleted")
        phase = self._timing.phase("subscription", "deleting", subscription.identifier)
        deleting = replace(subscription, life=self._registry.begin(phase, Phase(GONE)))
        return {"EventSubscription": _described(self._registry.save(deleting))}

    def _settled(self, request: Request, action: str) -> EventSubscription:
        subscription = self._find(request)
        if subscription.life.status != "active":
            raise invalid_state(
                f"{WHAT} {subscription.identifier} cannot be {action}, it is "
                f"{subscription.life.status}."
            )
        return subscription

    def _find(self, request: Request) -> EventSubscription:
        name = request.params["SubscriptionName"]
        for subscription in self._registry.all(EventSubscription, request.region):
            if subscription.identifier == name:
                return subscription
        raise not_found(f"{WHAT} {name} not found.")


def _described(subscription: EventSubscription) -> dict[str, Any]:
    created = datetime.fromtimestamp(subscription.created_at, UTC)
    return {
        "CustomerAwsId": ACCOUNT_ID,
        "CustSubscriptionId": subscription.identifier,
        "SnsTopicArn": subscription.topic_arn,
        "Status": subscription.life.status,
        # A text, and so spelled in AWS's examples.
        "SubscriptionCreationTime": created.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        "SourceType": subscription.source_type,
        "SourceIdsList": subscription.source_ids or None,
        "EventCategoriesList": subscription.categories or None,
        "Enabled": subscription.enabled,
    }
