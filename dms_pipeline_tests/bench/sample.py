"""What one measurement yields."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """How long the work took, and the peak memory of those who did it, if that was looked at."""

    seconds: float
    peak_mb: float | None = None
