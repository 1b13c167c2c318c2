"""A figure: a piece of work that several contenders do in turn, and how they compare.

The first contender is the product, `ours`; the others are what it is compared with, before all the
`limit`. Each round runs all of them, so that a ratio is of neighbours in time.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Literal

from dms_pipeline_tests.bench.errors import PeerError
from dms_pipeline_tests.bench.sample import Sample

OURS, LIMIT = "ours", "limit"

Kind = Literal["speed", "time", "memory", "calls"]
"""Whether the ratio of ours to the limit is of speeds, durations, peak memory or calls."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What is measured, of how much work, and what is aimed at.

    `target` is the smallest ratio of speeds, or the largest one of durations or memory.
    """

    title: str
    contenders: Mapping[str, Callable[[], Sample]]
    target: float
    kind: Kind = "speed"
    rows: int = 0
    size_bytes: int = 0
    peak_target_mb: float | None = None
    most_rounds: int | None = None

    def measure(self, rounds: int, *, progress: Callable[[str], None]) -> "Result":
        samples: dict[str, list[Sample]] = {name: [] for name in self.contenders}
        names = list(self.contenders)
        left_out: dict[str, str] = {}
        count = min(rounds, self.most_rounds or rounds)
        for number in range(count):
            # Whoever is first may find the machine in another state than the others.
            for name in names if number % 2 == 0 else reversed(names):
                progress(f"{self.title}: round {number + 1} of {count}, {name}")
                try:
                    samples[name].append(self.contenders[name]())
                except PeerError as error:
                    left_out[name] = str(error)
                    progress(f"{name} is left out: {error}")
            names = [name for name in names if name not in left_out]
        measured = {name: those for name, those in samples.items() if name not in left_out}
        return Result(self, measured, left_out)


@dataclass(frozen=True, slots=True)
class Result:
    """All rounds of a figure, and why a peer was left out."""

    figure: Figure
    samples: Mapping[str, list[Sample]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    def ratios(self, contender: str = OURS) -> list[float]:
        """One for each round."""
        pairs = zip(self.samples[contender], self.samples[LIMIT], strict=True)
        return [self._ratio(sample, limit) for sample, limit in pairs]

    def _ratio(self, sample: Sample, limit: Sample) -> float:
        match self.figure.kind:
            case "speed":
                return limit.seconds / sample.seconds
            case "time":
                return sample.seconds / limit.seconds
            case "memory":
                return (sample.peak_mb or 0.0) / (limit.peak_mb or 1.0)
            case "calls":
                return (sample.calls or 0.0) / (limit.calls or 1.0)

    @property
    def peers(self) -> list[str]:
        return [name for name in self.samples if name not in (OURS, LIMIT)]

    @property
    def ratio(self) -> float:
        return median(self.ratios())

    def seconds(self, contender: str) -> float:
        return median(sample.seconds for sample in self.samples[contender])

    def rows_per_s(self, contender: str) -> float:
        return self.figure.rows / self.seconds(contender)

    def megabytes_per_s(self, contender: str) -> float:
        return self.figure.size_bytes / 1e6 / self.seconds(contender)

    def peak_mb(self, contender: str) -> float | None:
        peaks = [sample.peak_mb for sample in self.samples[contender] if sample.peak_mb is not None]
        return max(peaks) if peaks else None

    def calls(self, contender: str) -> float | None:
        calls = [sample.calls for sample in self.samples[contender] if sample.calls is not None]
        return median(calls) if calls else None

    @property
    def target_is_met(self) -> bool:
        target, peak_target = self.figure.target, self.figure.peak_target_mb
        meets = self.ratio >= target if self.figure.kind == "speed" else self.ratio <= target
        peak = self.peak_mb(OURS)
        return meets and (peak_target is None or peak is None or peak <= peak_target)

    def as_json(self) -> dict[str, Any]:
        figure = self.figure
        return {
            "title": figure.title,
            "kind": figure.kind,
            "rows": figure.rows,
            "bytes": figure.size_bytes,
            "ratio": self.ratio,
            "ratios": self.ratios(),
            "target": figure.target,
            "peak_target_mb": figure.peak_target_mb,
            "target_is_met": self.target_is_met,
            "left_out": dict(self.left_out),
            "contenders": {
                name: {
                    "median_s": self.seconds(name),
                    "rows_per_s": self.rows_per_s(name) if figure.rows else None,
                    "mb_per_s": self.megabytes_per_s(name) if figure.size_bytes else None,
                    "peak_mb": self.peak_mb(name),
                    "ratios": self.ratios(name),
                    "calls": self.calls(name),
                    "rounds": [asdict(sample) for sample in samples],
                }
                for name, samples in self.samples.items()
            },
        }
