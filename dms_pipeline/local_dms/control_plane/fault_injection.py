"""The faults in force, and how often each has struck. In memory: a new process has none.

Whoever carries out something that can go wrong asks here first. Of several faults that apply, the
first in the list that is not used up strikes, so a list is also a sequence of bad days.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from dms_pipeline.local_dms.control_plane.faults import Fault
from dms_pipeline.local_dms.control_plane.injected_faults import (
    FailedConnectionTest,
    FailedProvisioning,
    InjectedFault,
    RefusedRequest,
    SlowState,
)
from dms_pipeline.local_dms.control_plane.lifecycle import REALISTIC_S, ObjectKind

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=InjectedFault)


@dataclass(slots=True)
class _InForce:
    fault: Any
    chance: random.Random
    struck: int = 0

    def applies_to(self, kind: type[InjectedFault], names: list[str]) -> bool:
        fault = self.fault
        if not isinstance(fault, kind) or self.struck == fault.times:
            return False
        # Identifiers of DMS differ by more than their case.
        pattern = fault.identifier.lower()
        return pattern == "*" or any(fnmatchcase(name.lower(), pattern) for name in names)

    def document(self) -> dict[str, Any]:
        given = self.fault.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return {**given, "struck": self.struck}


class FaultInjection:
    """Usable from any thread; costs one look at an empty list when nothing is injected."""

    def __init__(self) -> None:
        """Begin without faults."""
        self._lock = threading.Lock()
        self._in_force: list[_InForce] = []

    def replace(self, faults: Iterable[InjectedFault]) -> None:
        """Let these be the faults in force, none of which has struck yet."""
        in_force = [
            _InForce(fault, random.Random(fault.seed if isinstance(fault, RefusedRequest) else 0))
            for fault in faults
        ]
        with self._lock:
            self._in_force = in_force
        logger.info("%d faults are injected", len(in_force))

    def document(self) -> list[dict[str, Any]]:
        """The faults as they were given, also those used up, with how often each has struck."""
        with self._lock:
            return [active.document() for active in self._in_force]

    @property
    def is_active(self) -> bool:
        return bool(self._in_force)

    def take(
        self, kind: type[F], names: Iterable[str], *, where: Callable[[F], bool] | None = None
    ) -> F | None:
        """The fault that strikes an object with these names now, if there is one."""
        if not self.is_active:
            return None
        found = self._take(kind, list(names), where=where, most=1)
        return found[0] if found else None

    def take_all(self, kind: type[F], names: Iterable[str]) -> list[F]:
        """All faults of a kind that strike at once."""
        return self._take(kind, list(names), where=None, most=None) if self.is_active else []

    def _take(
        self,
        kind: type[F],
        names: list[str],
        *,
        where: Callable[[F], bool] | None,
        most: int | None,
    ) -> list[F]:
        taken: list[F] = []
        with self._lock:
            for active in self._in_force:
                if len(taken) == most:
                    break
                if not active.applies_to(kind, names) or (where and not where(active.fault)):
                    continue
                share = getattr(active.fault, "share", 1.0)
                if share < 1.0 and active.chance.random() >= share:
                    continue
                active.struck += 1
                taken.append(active.fault)
        for fault in taken:
            logger.info("injected fault %s strikes %s", fault.kind, ", ".join(names))  # type: ignore[attr-defined]
        return taken

    def refusal(self, service: str, operation: str, names: Iterable[str]) -> Fault | None:
        """The error with which a call must be answered, if it is to be refused."""
        refused = self.take(
            RefusedRequest,
            names,
            where=lambda f: fnmatchcase(service, f.service) and fnmatchcase(operation, f.operation),
        )
        if refused is None:
            return None
        return Fault(refused.code, refused.message_for(f"{service}:{operation}"))

    def provisioned_status(self, identifier: str) -> str:
        """What a replication instance becomes after `creating`."""
        failed = self.take(FailedProvisioning, [identifier])
        return failed.status if failed else "available"

    def connection_failure(self, *names: str) -> str | None:
        """The error of a connection test that must not be tried."""
        failed = self.take(FailedConnectionTest, names)
        return failed.message if failed else None

    def hold_s(self, kind: ObjectKind, status: str, *names: str) -> float | None:
        """For how long a state lasts, None for as long as usual."""
        slow = self.take(
            SlowState,
            names,
            where=lambda f: f.state == status and f.resource in (None, kind),
        )
        if slow is None:
            return None
        return REALISTIC_S[kind, status] if slow.seconds == "realistic" else float(slow.seconds)
