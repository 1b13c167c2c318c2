"""Event subscriptions are durable objects with states and AWS's refusals."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dms_pipeline.local_dms.control_plane.resources import EventSubscription
from dms_pipeline_tests.dms_objects import create_instance
from dms_pipeline_tests.wsgi_bridge import client, local_aws

TOPIC = "arn:aws:sns:us-east-1:123456789012:dms"


@pytest.fixture
def dms(tmp_path: Path) -> Iterator[Any]:
    with local_aws(tmp_path) as app:
        yield client(app, "dms")


def create(dms: Any, name: str = "failures", **params: Any) -> dict[str, Any]:
    answer = dms.create_event_subscription(
        SubscriptionName=name, **{"SnsTopicArn": TOPIC, **params}
    )
    subscription: dict[str, Any] = answer["EventSubscription"]
    return subscription


def shown(dms: Any, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dms.describe_event_subscriptions(**params)[
        "EventSubscriptionsList"
    ]
    return found


def test_subscription_is_creating_once_and_then_active(dms):
    created = create(dms)
    assert (created["Status"], created["Enabled"]) == ("creating", True)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", created["SubscriptionCreationTime"]
    )
    assert [shown(dms)[0]["Status"] for _ in range(2)] == ["creating", "active"]


def test_subscription_is_modified_and_deleted_with_its_states_shown(dms):
    create_instance(dms)
    create(dms, SourceType="replication-instance", SourceIds=["ri"])
    for _ in range(2):
        shown(dms)
    changed = dms.modify_event_subscription(
        SubscriptionName="failures", EventCategories=["failure"], Enabled=False
    )["EventSubscription"]
    assert changed["Status"] == "modifying"
    assert (changed["EventCategoriesList"], changed["Enabled"]) == (["failure"], False)
    assert changed["SourceIdsList"] == ["ri"]
    assert [shown(dms)[0]["Status"] for _ in range(2)] == ["modifying", "active"]
    dms.delete_event_subscription(SubscriptionName="failures")
    assert shown(dms)[0]["Status"] == "deleting"
    assert shown(dms) == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"SnsTopicArn": "dms"}, "SNSInvalidTopicFault"),
        ({"SourceType": "endpoint"}, "InvalidParameterValueException"),
        ({"EventCategories": ["weather"]}, "InvalidParameterValueException"),
        (
            {"SourceType": "replication-task", "EventCategories": ["low storage"]},
            "InvalidParameterValueException",
        ),
        ({"SourceIds": ["ri"]}, "InvalidParameterCombinationException"),
        (
            {"SourceType": "replication-task", "SourceIds": ["gone"]},
            "ResourceNotFoundFault",
        ),
    ],
)
def test_wrong_subscription_is_refused_and_not_kept(dms, params, code):
    with pytest.raises(ClientError, match=code):
        create(dms, **params)
    assert shown(dms) == []


def test_name_is_taken_once(dms):
    create(dms)
    with pytest.raises(ClientError, match="ResourceAlreadyExistsFault"):
        create(dms)


def test_unknown_subscription_is_not_found(dms):
    unknown = {"SubscriptionName": "gone"}
    calls = (
        dms.describe_event_subscriptions,
        dms.modify_event_subscription,
        dms.delete_event_subscription,
    )
    for call in calls:
        with pytest.raises(ClientError, match="ResourceNotFoundFault"):
            call(**unknown)


def test_subscription_that_is_still_creating_is_not_changed(dms):
    create(dms)
    with pytest.raises(ClientError, match="cannot be deleted, it is creating"):
        dms.delete_event_subscription(SubscriptionName="failures")


def test_subscription_survives_a_restart_with_its_tags(tmp_path):
    create(client(local_aws(tmp_path), "dms"), Tags=[{"Key": "team", "Value": "data"}])
    with local_aws(tmp_path) as app:
        dms = client(app, "dms")
        assert shown(dms, SubscriptionName="failures")[0]["Status"] == "active"
        (subscription,) = app.dms.registry.all(EventSubscription)
        tags = dms.list_tags_for_resource(ResourceArn=subscription.arn)["TagList"]
        assert [tag["Value"] for tag in tags] == ["data"]
        by_arn = [{"Name": "event-subscription-arn", "Values": [subscription.arn]}]
        assert len(shown(dms, Filters=by_arn)) == 1
