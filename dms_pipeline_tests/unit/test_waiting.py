"""Waiting: ends at the wanted state, gives up in time, and says what changed."""

import pytest

from dms_pipeline.errors import AwsError, RoleError
from dms_pipeline.waiting import Pacing, until_role_is_known, wait_until


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def wait(states, *, timeout_s=100.0, interval_s=1.0):
    time, seen = Time(), iter(states)
    said: list[str] = []
    pacing = Pacing(interval_s, 1, 1, 1, clock=time, sleep=time.sleep, chance=lambda: 0.5)
    last = wait_until(
        "the task",
        lambda: next(seen),
        lambda state: state == "ready",
        pacing=pacing,
        interval=lambda _: interval_s,
        timeout_s=timeout_s,
        say=said.append,
    )
    return last, said, time.now


def test_state_that_is_there_is_not_waited_for():
    assert wait(["ready"]) == ("ready", [], 0)


def test_only_changes_are_said():
    _, said, _ = wait(["creating", "creating", "testing", "ready"])
    assert said == ["the task is testing after 2 s", "the task is ready after 3 s"]


def test_long_wait_says_every_minute_that_it_goes_on():
    _, said, _ = wait(["creating"] * 13 + ["ready"], interval_s=10, timeout_s=1000)
    assert said == [
        "the task is creating after 60 s",
        "the task is creating after 120 s",
        "the task is ready after 130 s",
    ]


def test_wait_gives_up_after_its_time_naming_the_state():
    with pytest.raises(AwsError, match="the task is still creating after 5 s"):
        wait(["creating"] * 10, timeout_s=5)


def test_wait_without_limit_goes_on():
    assert wait(["running"] * 10_000 + ["ready"], timeout_s=None)[2] == 10_000


@pytest.mark.parametrize(("chance", "slept"), [(0.0, 7.5), (0.5, 10.0), (1.0, 12.5)])
def test_pause_differs_from_the_poll_interval_by_a_quarter_at_most(chance, slept):
    time = Time()
    Pacing(10, 1, 1, 1, clock=time, sleep=time.sleep, chance=lambda: chance).pause()
    assert time.now == slept


@pytest.mark.parametrize(
    ("waited_s", "expected_s", "interval_s"),
    [
        pytest.param(0, 0, 11.25, id="begins-short"),
        pytest.param(75, 0, 15, id="a-quarter-of-the-wait"),
        pytest.param(3600, 0, 60, id="not-longer-than-a-minute"),
        pytest.param(0, 40, 30, id="most-of-the-time-that-is-left"),
        pytest.param(0, 3600, 60, id="says-that-it-goes-on"),
        pytest.param(89, 90, 7.5, id="about-the-end"),
        pytest.param(100, 90, 7.5, id="soon-after-the-end"),
        pytest.param(150, 90, 15, id="late"),
    ],
)
def test_interval_grows_from_when_the_end_is_expected(waited_s, expected_s, interval_s):
    pacing = Pacing(15, 1, 1, 1)
    assert pacing.for_any_time(waited_s, expected_s=expected_s) == interval_s


@pytest.mark.parametrize(
    ("waited_s", "is_billed", "interval_s"),
    [(0, True, 60), (299, True, 60), (300, True, 15), (720, True, 24), (720, False, 60)],
)
def test_what_takes_minutes_is_looked_at_more_often_once_it_may_be_there(
    waited_s, is_billed, interval_s
):
    assert Pacing(15, 1, 1, 1).for_minutes(waited_s, is_billed=is_billed) == interval_s


@pytest.mark.parametrize(("refusals", "slept_s"), [(0, 0), (2, 30), (7, 105), (8, None)])
def test_role_is_waited_for_as_long_as_it_may_be_new(refusals, slept_s):
    time, left = Time(), iter([RoleError("no role")] * refusals)

    def act():
        for error in left:
            raise error

    said: list[str] = []
    pacing = Pacing(15, 1, 1, 1, clock=time, sleep=time.sleep, chance=lambda: 0.5)
    if slept_s is None:
        with pytest.raises(RoleError, match="no role"):
            until_role_is_known(act, pacing=pacing, say=said.append)
    else:
        until_role_is_known(act, pacing=pacing, say=said.append)
        assert time.now == slept_s
    assert said == ["no role. Trying on, as a new role is not seen at once"] * bool(refusals)
