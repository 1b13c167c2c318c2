import pytest

from dms_pipeline.errors import BinlogError, ConfigError, SourceError, TargetError
from dms_pipeline.local_dms.engine.connection_loss import is_connection_loss
from dms_pipeline.local_dms.engine.error_policies import ErrorPolicies, Retries


def test_defaults_are_those_of_aws():
    policies = ErrorPolicies.from_settings({})
    assert (policies.insert, policies.update, policies.delete) == (
        "LOG_ERROR",
        "LOG_ERROR",
        "IGNORE_RECORD",
    )
    assert (policies.data, policies.truncation, policies.table) == (
        "LOG_ERROR",
        "LOG_ERROR",
        "SUSPEND_TABLE",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ApplyErrorInsertPolicy", "UPDATE_RECORD"),
        ("ApplyErrorDeletePolicy", "INSERT_RECORD"),
        ("TableErrorPolicy", "LOG_ERROR"),
    ],
)
def test_action_that_aws_does_not_know_for_an_error_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"ErrorBehavior.{name} '{value}' is not one of"):
        ErrorPolicies.from_settings({name: value})


@pytest.mark.parametrize(
    ("retries", "delays"),
    [
        (Retries(), [5, 10, 20, 40]),
        (Retries(throttling=False), [5, 5, 5, 5]),
        (Retries(interval_s=1, throttling_max_s=3), [1, 2, 3, 3]),
        (Retries(interval_s=9, throttling_max_s=3), [9, 9, 9, 9]),
    ],
)
def test_delays_grow_up_to_the_limit(retries, delays):
    assert [retries.delay_s(attempt) for attempt in (1, 2, 3, 4)] == delays


def test_running_task_is_tried_nine_times_by_default():
    assert Retries().attempts == 9
    assert Retries(count=2).attempts == 2


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (SourceError("the source closed the connection"), True),
        (BinlogError("the source stopped sending: (1053) Server shutdown in progress"), True),
        (BinlogError("(1236) Could not find first log file name"), False),
        (TargetError("cannot connect"), True),
    ],
)
def test_lost_connections_are_told_from_other_errors(error, lost):
    assert is_connection_loss(error) is lost
