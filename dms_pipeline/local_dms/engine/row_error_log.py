"""Rows that went wrong, in the task's log: the first of each table whole, then how many.

A million rows that do not fit would otherwise fill the disk and hide everything else. All of them
stand in awsdms_apply_exceptions, which a task that only loads does not have.
"""

import logging
from collections import Counter
from typing import Literal

from dms_pipeline.binlog.table_id import TableId

logger = logging.getLogger(__name__)

Outcome = Literal["logged", "ignored"]
_LEVELS: dict[Outcome, int] = {"logged": logging.ERROR, "ignored": logging.INFO}
_SHOWN = 10


class RowErrorLog:
    """Counts per table over one run of a load or of change capture."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[TableId, Outcome]] = Counter()

    def add(self, table: TableId, outcome: Outcome, problem: str) -> None:
        self._counts[table, outcome] += 1
        count = self._counts[table, outcome]
        if count <= _SHOWN:
            logger.log(_LEVELS[outcome], "%s: %s", outcome, problem)
        elif _is_power_of_ten(count):
            self._log_count(table, outcome, "so far")

    def log_totals(self) -> None:
        """At the end: of the tables of which not all was shown."""
        for (table, outcome), count in sorted(self._counts.items()):
            if count > _SHOWN:
                self._log_count(table, outcome, "in all")

    def _log_count(self, table: TableId, outcome: Outcome, until: str) -> None:
        logger.log(
            _LEVELS[outcome],
            "table %s: %d row errors %s %s; the first %d are in this log",
            table,
            self._counts[table, outcome],
            outcome,
            until,
            _SHOWN,
        )


def _is_power_of_ten(count: int) -> bool:
    return str(count).rstrip("0") == "1"
