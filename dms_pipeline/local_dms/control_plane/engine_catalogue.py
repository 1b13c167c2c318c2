"""The engine versions and instance classes of AWS DMS, as its user guide lists them.

Versions and their dates: AWS DMS release notes. Classes: "Choosing the right AWS DMS replication
instance". Neither has an effect here, where every instance is this machine.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

DEFAULT_ENGINE_VERSION = "3.5.4"

Lifecycle = Literal["ACTIVE", "DEFAULT_VERSION", "DEPRECATED"]


@dataclass(frozen=True, slots=True)
class EngineVersion:
    """A version; its dates are days in UTC, None where AWS has announced none."""

    version: str
    lifecycle: Lifecycle
    launched: str
    no_new_instances_from: str | None = None
    forced_upgrade: str | None = None

    @property
    def order(self) -> tuple[int, ...]:
        return version_order(self.version)


ENGINE_VERSIONS = (
    EngineVersion("3.6.1", "ACTIVE", "2025-05-15"),
    EngineVersion("3.6.0", "ACTIVE", "2024-12-27", "2026-04-27", "2026-07-27"),
    EngineVersion("3.5.4", "DEFAULT_VERSION", "2024-11-15", "2027-01-31", "2027-03-31"),
    EngineVersion("3.5.3", "DEPRECATED", "2024-05-17", "2026-02-28", "2026-06-30"),
)

# Python refuses to read numbers of thousands of digits.
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,9}", re.ASCII)
_SIZES: Mapping[str, str] = {
    "t3": "micro small medium large",
    "c5": "large xlarge 2xlarge 4xlarge 9xlarge 12xlarge 18xlarge 24xlarge",
    "c6i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "c7i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "r5": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge",
    "r6i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "r7i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
}
SMALLEST_STORAGE_GB, LARGEST_STORAGE_GB = 5, 6144


def instance_classes() -> Iterator[str]:
    for family, sizes in _SIZES.items():
        for size in sizes.split():
            yield f"dms.{family}.{size}"


def included_storage_gb(instance_class: str) -> int:
    """How much storage the class comes with."""
    return 50 if instance_class.startswith("dms.t3.") else 100


def version_order(version: str) -> tuple[int, ...]:
    """By this versions compare; a text that is no version comes before all."""
    is_one = _VERSION.fullmatch(version)
    return tuple(map(int, version.split("."))) if is_one else ()


def upgrades_of(version: str) -> list[str]:
    """The versions to which an instance of this one can be upgraded, the oldest first."""
    newer = [v for v in ENGINE_VERSIONS if v.order > version_order(version)]
    return sorted((v.version for v in newer if v.lifecycle != "DEPRECATED"), key=version_order)


def seconds_of(day: str | None) -> float | None:
    return None if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
