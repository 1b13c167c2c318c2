"""What one measurement yields."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """How long the work took; the peak memory of those who did it, and how often AWS was called.

    What was not looked at is None. Calls are no whole number where they are how many there may be.
    """

    seconds: float
    peak_mb: float | None = None
    calls: float | None = None
