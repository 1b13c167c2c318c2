"""The comparison with published examples sees what is missing, other, or not modelled."""

import pytest
from botocore.model import StructureShape

from dms_pipeline_tests.answer_shapes import differences, documented_words, not_modelled
from dms_pipeline_tests.published_examples import completed
from dms_pipeline_tests.random_requests import MODEL

TASKS = MODEL.shape_for("DescribeReplicationTasksResponse")
ARN = "arn:aws:dms:us-east-1:123456789012:task:"
PUBLISHED = {
    "ReplicationTasks": [
        {
            "ReplicationTaskArn": f"{ARN}K55IUCGBASJS5VHZJIINA45FII",
            "ReplicationTaskCreationDate": 1590524772.505,
            "ReplicationTaskSettings": '{"Logging": {"EnableLogging": false}}',
            "ReplicationTaskStats": {"TablesLoaded": 0},
            "Status": "stopped",
        }
    ]
}
[TASK] = PUBLISHED["ReplicationTasks"]


def answer(**changes):
    return {"ReplicationTasks": [{**TASK, **changes}]}


def test_the_same_shape_has_no_differences():
    same = answer(
        ReplicationTaskArn=f"{ARN}AAAAAAAAAAAAAAAAAAAAAAAAAA",
        ReplicationTaskCreationDate=1.0,
        ReplicationTaskSettings='{"Logging": {"EnableLogging": true, "LogComponents": []}}',
        MigrationType="cdc",
    )
    assert list(differences(PUBLISHED, same, TASKS)) == []


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"ReplicationTaskArn": "arn:aws:dms:us-east-1:123456789012:rep:A"}, "ReplicationTaskArn"),
        ({"ReplicationTaskArn": "K55IUCGBASJS5VHZJIINA45FII"}, "ReplicationTaskArn"),
        ({"ReplicationTaskCreationDate": "today"}, "ReplicationTaskCreationDate"),
        (
            {"ReplicationTaskSettings": '{"Logging": {}}'},
            "ReplicationTaskSettings.Logging.EnableLogging",
        ),
        ({"ReplicationTaskSettings": "none"}, "ReplicationTaskSettings"),
        ({"ReplicationTaskStats": {}}, "ReplicationTaskStats.TablesLoaded"),
        ({"ReplicationTaskStats": {"TablesLoaded": "0"}}, "ReplicationTaskStats.TablesLoaded"),
        ({"ReplicationTaskStats": {"TablesLoaded": False}}, "ReplicationTaskStats.TablesLoaded"),
        ({"Status": "running"}, "Status"),
    ],
)
def test_what_differs_is_told_with_its_place(changes, where):
    [(found, _)] = differences(PUBLISHED, answer(**changes), TASKS)
    assert found == f"ReplicationTasks[].{where}"


def test_lists_that_are_empty_and_members_that_no_model_has_are_differences():
    assert list(differences(PUBLISHED, {"ReplicationTasks": []}, TASKS)) == [
        ("ReplicationTasks", "is empty")
    ]
    assert list(differences({"Tasks": 1}, {"Tasks": 1}, TASKS)) == [
        ("Tasks", "is not in the service model")
    ]


def test_answers_are_checked_against_the_model_and_what_it_documents():
    found = dict(not_modelled(answer(Status="idle", Color="red", MigrationType="full"), TASKS))
    assert {where.removeprefix("ReplicationTasks[].") for where in found} == {
        "Status",
        "Color",
        "MigrationType",
    }


def test_documented_words_are_those_of_the_enumeration_and_of_the_text():
    event, subscription = MODEL.shape_for("Event"), MODEL.shape_for("EventSubscription")
    assert isinstance(event, StructureShape)
    assert isinstance(subscription, StructureShape)
    assert documented_words(event.members["SourceType"]) >= {"replication-task", "endpoint"}
    assert documented_words(subscription.members["Status"]) >= {"creating", "topic-not-exist"}


def test_omissions_in_a_page_are_closed():
    page = """
    {
        "A": ...output omitted... ,
        "B": [
            {"C": "}]"},

            ...remaining output omitted...
        }
    """
    assert completed(page) == {"A": "...", "B": [{"C": "}]"}]}
