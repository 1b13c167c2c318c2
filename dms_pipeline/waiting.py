"""Waiting for AWS: look, say what was seen when it changes, look again, and give up in time.

botocore's own waiters are not used: they end after 15 minutes and fail on states a load passes
through.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from dms_pipeline.errors import AwsError

# A wait that sees nothing new still says so now and then.
_SAY_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Pacing:
    """How a load waits; seconds. Clock and sleep are fields so that tests do neither."""

    poll_interval_s: float
    drain_window_s: int
    instance_timeout_s: float
    task_timeout_s: float
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


def wait_until(
    what: str,
    look: Callable[[], str],
    done: Callable[[str], bool],
    *,
    pacing: Pacing,
    timeout_s: float | None,
    say: Callable[[str], None],
) -> str:
    """Looks until ``done`` holds for what ``look`` answers, and returns that answer.

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
        pacing.sleep(pacing.poll_interval_s)
        seen, now = look(), pacing.clock()
        if seen != said or now - said_at >= _SAY_EVERY_S:
            waited = f" after {now - began:.0f} s" if now - began >= 1 else ""
            say(f"{what} is {seen}{waited}")
            said, said_at = seen, now
    return seen
