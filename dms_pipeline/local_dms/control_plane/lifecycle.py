"""How the state of an emulated object moves on: a queue of phases, read lazily from the clock.

A phase that has a follower is held until a Describe has shown it and its time is up, so that a
poller never misses a state: botocore's waiter for running tasks fails for good when a task is
stopped at its second look. An object at which nobody looks moves on all the same, after
`FORGOTTEN_S`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

GONE = "gone"
FORGOTTEN_S = 300.0

Speed = Literal["fast", "realistic"]
ObjectKind = Literal[
    "instance",
    "endpoint",
    "connection",
    "task",
    "subscription",
    "schemas",
    "assessment",
    "config",
]

FAST_S = 0.01
# Roughly what people report for AWS; the instance dominates.
REALISTIC_S: Mapping[tuple[ObjectKind, str], float] = {
    ("instance", "creating"): 480.0,
    ("instance", "deleting"): 240.0,
    ("instance", "modifying"): 300.0,
    ("instance", "rebooting"): 180.0,
    ("instance", "upgrading"): 600.0,
    ("endpoint", "deleting"): 5.0,
    ("connection", "testing"): 30.0,
    ("connection", "deleting"): 5.0,
    ("task", "creating"): 30.0,
    ("task", "starting"): 60.0,
    ("task", "modifying"): 15.0,
    ("task", "moving"): 60.0,
    ("task", "testing"): 120.0,
    ("task", "stopping"): 20.0,
    ("task", "deleting"): 30.0,
    ("schemas", "refreshing"): 60.0,
    ("assessment", "starting"): 10.0,
    ("assessment", "provisioning"): 60.0,
    ("assessment", "running"): 50.0,
    ("assessment", "deleting"): 5.0,
    ("config", "deleting"): 30.0,
    ("subscription", "creating"): 5.0,
    ("subscription", "modifying"): 5.0,
    ("subscription", "deleting"): 5.0,
}


@dataclass(frozen=True, slots=True)
class Phase:
    """A status and the least time for which it lasts when another phase follows."""

    status: str
    hold_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Life:
    """The current phase, first, and those that are known to follow."""

    phases: tuple[Phase, ...]
    entered_at: float
    shown: bool = False

    @property
    def status(self) -> str:
        return self.phases[0].status

    @property
    def final_status(self) -> str:
        return self.phases[-1].status

    def then(self, *phases: Phase) -> "Life":
        return replace(self, phases=(*self.phases, *phases))

    def seen(self) -> "Life":
        return self if self.shown else replace(self, shown=True)

    def advanced(self, now: float) -> "Life":
        """The life as it is at `now`."""
        life = self
        while len(life.phases) > 1 and life._is_over(now):
            life = Life(life.phases[1:], entered_at=now)
        return life

    def _is_over(self, now: float) -> bool:
        age = now - self.entered_at
        hold = self.phases[0].hold_s
        return age >= hold and (self.shown or age >= hold + FORGOTTEN_S)
