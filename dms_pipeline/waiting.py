"""Waiting for AWS: look, say what was seen when it changes, look again, and give up in time.

botocore's own waiters are not used: they end after 15 minutes and fail on states a load passes
through.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dms_pipeline.errors import AwsError, RoleError

T = TypeVar("T")

# A wait that sees nothing new still says so now and then.
_SAY_EVERY_S = 60.0
# On AWS two minutes of polling: IAM shows a new role to other services within seconds, mostly.
_ROLE_TRIES = 8


@dataclass(frozen=True, slots=True)
class Pacing:
    """How a load waits; seconds. Clock, sleep and chance are fields so that tests have none.

    ``poll_interval_s`` is the measure of all intervals between two looks at a state. An account has
    few calls a second for all of its tasks, and what is noticed late is billed: what takes minutes
    is looked at less often, what may take seconds more often, until it turns out to take long.
    """

    poll_interval_s: float
    drain_window_s: int
    instance_timeout_s: float
    task_timeout_s: float
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def pause(self, interval_s: float | None = None) -> None:
        """One interval, give or take a quarter: pipelines that start together drift apart."""
        interval_s = self.poll_interval_s if interval_s is None else interval_s
        self.sleep(interval_s * (0.75 + self.chance() / 2))

    def for_minutes(self, waited_s: float, *, is_billed: bool) -> float:
        """The interval between two looks at what takes minutes whatever happens.

        What is billed is noticed late by a small part of the wait, once it may be there.
        """
        is_early = waited_s < 20 * self.poll_interval_s
        if is_early or not is_billed:
            return 4 * self.poll_interval_s
        return max(self.poll_interval_s, waited_s / 30)

    def for_any_time(self, waited_s: float, *, expected_s: float = 0.0) -> float:
        """The interval between two looks at what may take seconds or hours.

        Until it is expected most of the time that is left; after that a quarter of the time since,
        so that the end of a long wait is noticed late by a small part of the wait.
        """
        expected_s = max(expected_s, self.poll_interval_s)
        left_s = expected_s - waited_s
        interval = left_s * 0.75 if left_s > 0 else -left_s / 4
        shortest = max(self.poll_interval_s / 2, expected_s / 20)
        return min(max(interval, shortest), _SAY_EVERY_S)


def wait_until(
    what: str,
    look: Callable[[], str],
    done: Callable[[str], bool],
    *,
    pacing: Pacing,
    interval: Callable[[float], float],
    timeout_s: float | None,
    say: Callable[[str], None],
) -> str:
    """Looks until ``done`` holds for what ``look`` answers, and returns that answer.

    ``interval`` is the time to the next look, by the time waited so far; both in seconds.

    Raises:
        AwsError: after ``timeout_s`` seconds; None waits for ever.
    """
    began = said_at = pacing.clock()
    seen = said = look()
    while not done(seen):
        now = pacing.clock()
        if timeout_s is not None and now - began >= timeout_s:
            raise AwsError(
                f"{what} is still {seen} after {timeout_s:.0f} s; look at it in the DMS console"
            )
        pacing.pause(interval(now - began))
        seen, now = look(), pacing.clock()
        if seen != said or now - said_at >= _SAY_EVERY_S:
            waited = f" after {now - began:.0f} s" if now - began >= 1 else ""
            say(f"{what} is {seen}{waited}")
            said, said_at = seen, now
    return seen


def until_role_is_known(act: Callable[[], T], *, pacing: Pacing, say: Callable[[str], None]) -> T:
    """Carries out a call for which DMS takes on a role, again while the role may be too new.

    Raises:
        RoleError: if DMS still refuses the role after some tries.
    """
    for tried in range(1, _ROLE_TRIES):
        try:
            return act()
        except RoleError as error:
            if tried == 1:
                say(f"{error}. Trying on, as a new role is not seen at once")
        pacing.pause()
    return act()
