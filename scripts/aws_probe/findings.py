"""What was asked and found, as JSON for programs and as Markdown for people."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["answered", "open", "failed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What AWS does, in words, and what shows it. ``is_open``: it did not come to an answer."""

    found: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One question with its answer, or with why there is none."""

    key: str
    question: str
    expected: str
    status: Status
    found: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """One run of the probe."""

    probe: str
    where: str
    began: str
    instance_seconds: float
    cost_usd: float
    findings: tuple[Finding, ...]

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Both files, named for the probe."""
        folder.mkdir(parents=True, exist_ok=True)
        as_json, as_markdown = folder / f"{self.probe}.json", folder / f"{self.probe}.md"
        as_json.write_text(json.dumps(asdict(self), indent=2, default=str) + "\n")
        as_markdown.write_text("\n".join(self._lines()) + "\n")
        return as_json, as_markdown

    def _lines(self) -> Iterable[str]:
        answered = sum(finding.status == "answered" for finding in self.findings)
        yield f"# What {self.where} does ({self.probe})"
        yield ""
        yield (
            f"Begun {self.began}. {answered} of {len(self.findings)} questions answered. The "
            f"instance lived {self.instance_seconds:.0f} s, reckoned as {self.cost_usd:.2f} USD."
        )
        for finding in self.findings:
            yield ""
            yield f"## {finding.key}: {finding.question}"
            yield ""
            yield f"* expected: {finding.expected}"
            yield f"* {finding.status}: {finding.found}"
            for name, value in finding.evidence.items():
                yield f"* {name}: `{json.dumps(value, default=str)}`"
