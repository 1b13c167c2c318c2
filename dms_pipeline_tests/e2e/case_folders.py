"""Case folders: SQL before, SQL after, and what must hold on the target. Data only.

A folder under ``cases`` has ``source.sql`` and ``changes.sql``, run on the source with the case's
own schema as default database, and may have

* ``mapping.json``: rules beside the one that includes the schema,
* ``settings.json``: task settings,
* ``endpoint.json``: what the source endpoint says beside the login,
* ``expected.sql``: statements for the target, each of which must give one row with one true value;
  ``{schema}`` stands for the case's schema,
* ``expect_error``: lines that the task's failure message must hold,
* ``expect_suspended``: names of tables that must end as suspended, and are not compared,
* ``diverges``, an empty file: the settings make the target differ; only ``expected.sql`` counts,
* ``loses``, an empty file: rows that do not fit are missing on the target, by policy,
* ``requires``: ``mariadb`` or ``mysql``.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

CASES = Path(__file__).parent / "cases"

Mode = Literal["ahead", "live", "arrays"]


@dataclass(frozen=True)
class Case:
    """One folder."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def source_sql(self) -> str:
        return (self.folder / "source.sql").read_text()

    @cached_property
    def changes_sql(self) -> str:
        return (self.folder / "changes.sql").read_text()

    @property
    def expected(self) -> list[str]:
        return [text for text in self._text("expected.sql").split(";\n") if text.strip()]

    @property
    def rules(self) -> list[dict[str, Any]]:
        return list(json.loads(self._text("mapping.json") or "[]"))

    @property
    def settings(self) -> dict[str, Any]:
        return dict(json.loads(self._text("settings.json") or "{}"))

    @property
    def endpoint(self) -> dict[str, Any]:
        return dict(json.loads(self._text("endpoint.json") or "{}"))

    @property
    def expected_error(self) -> list[str]:
        return self._text("expect_error").splitlines()

    @property
    def is_compared(self) -> bool:
        return not (self.rules or (self.folder / "diverges").exists())

    @property
    def has_losses(self) -> bool:
        return (self.folder / "loses").exists()

    @property
    def suspended(self) -> set[str]:
        return set(self._text("expect_suspended").split())

    def runs_on(self, product: str) -> bool:
        return self._text("requires").strip() in ("", product)

    @property
    def runs_alone(self) -> bool:
        """Whether the case needs a task of its own."""
        return bool(self.rules or self.settings or self.endpoint or self.expected_error)

    def schema(self, mode: Mode) -> str:
        return f"c_{self.name.replace('-', '_')}_{mode}"

    def _text(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""


def all_cases() -> list[Case]:
    return [Case(folder) for folder in sorted(CASES.iterdir()) if folder.is_dir()]
