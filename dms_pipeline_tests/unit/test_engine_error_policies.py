import psycopg
import pymysql
import pytest

from dms_pipeline.binlog.connection import source_error
from dms_pipeline.errors import ConfigError, SourceUnavailableError, TargetUnavailableError
from dms_pipeline.local_dms.engine.error_policies import ErrorPolicies, RecoveryAttempts, Retries
from dms_pipeline.local_dms.engine.target_errors import connection_error, target_error
from dms_pipeline.local_dms.engine.task_spec import TargetSettings

TARGET = TargetSettings("pg", 5432, "loader", "secret", "shop")


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


@pytest.mark.parametrize("checkpoint", [None, "checkpoint:V1#1"])
def test_attempts_are_used_up_where_nothing_goes_on(checkpoint):
    attempts = RecoveryAttempts(Retries(count=2, interval_s=1))
    assert [attempts.lost_at(checkpoint) for _ in range(4)] == [1, 2, None, None]
    assert attempts.count == 2


def test_progress_between_two_losses_gives_all_attempts_again():
    attempts = RecoveryAttempts(Retries(count=2, interval_s=1))
    checkpoints = [None, "one", "one", "two", "two", "two"]
    assert [attempts.lost_at(checkpoint) for checkpoint in checkpoints] == [1, 1, 2, 1, 2, None]


@pytest.mark.parametrize(
    ("error", "passes", "words"),
    [
        (pymysql.OperationalError(2013, "Lost connection"), True, "(2013)"),
        (pymysql.OperationalError(1040, "Too many connections"), True, "max_connections"),
        (pymysql.InterfaceError(0, ""), True, ""),
        (pymysql.OperationalError(1045, "Access denied"), False, "password"),
        (pymysql.OperationalError(4151, "this account is locked"), False, "ACCOUNT UNLOCK"),
        (pymysql.ProgrammingError(1146, "no such table"), False, "(1146)"),
    ],
)
def test_errors_of_the_source_that_pass_are_told_from_others(error, passes, words):
    described = source_error("reading", error)
    assert isinstance(described, SourceUnavailableError) is passes
    assert words in str(described)


@pytest.mark.parametrize(
    ("error", "passes", "words"),
    [
        (psycopg.OperationalError("the connection is lost"), True, ""),
        (psycopg.errors.AdminShutdown("terminating connection"), True, "57P01"),
        (psycopg.errors.DeadlockDetected("deadlock"), True, "40P01"),
        (psycopg.errors.LockNotAvailable("lock timeout"), True, "55P03"),
        (psycopg.errors.DiskFull("no space left"), False, "make space"),
        (psycopg.errors.ReadOnlySqlTransaction("read-only"), False, "standby"),
        (
            psycopg.errors.InsufficientPrivilege("permission denied for table t"),
            False,
            "TABLE t TO loader",
        ),
    ],
)
def test_errors_of_the_target_that_pass_are_told_from_others(error, passes, words):
    described = target_error("applying", error, TARGET)
    assert isinstance(described, TargetUnavailableError) is passes
    assert words in str(described)


@pytest.mark.parametrize(
    ("words", "passes", "remedy"),
    [
        ("Connection refused", True, ""),
        ("FATAL:  the database system is starting up", True, ""),
        ("FATAL:  sorry, too many clients already", True, "max_connections"),
        ('FATAL:  password authentication failed for user "x"', False, "of the endpoint"),
        ('FATAL:  role "x" is not permitted to log in', False, "LOGIN"),
        ('FATAL:  database "x" does not exist', False, "correct the endpoint"),
    ],
)
def test_refused_connections_to_the_target_are_told_from_others(words, passes, remedy):
    described = connection_error(TARGET, psycopg.OperationalError(words))
    assert isinstance(described, TargetUnavailableError) is passes
    assert remedy in str(described)
