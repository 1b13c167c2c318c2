"""What reached the target with less than it had on the source, counted per column.

The first loss of a column is logged when it happens, the totals at the end. Contents never are.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from dms_pipeline.binlog.table_id import TableId

logger = logging.getLogger(__name__)

Loss = Literal["zero or impossible dates became NULL", "large objects were cut off at LobMaxSize"]
ZERO_DATE: Loss = "zero or impossible dates became NULL"
TRUNCATED: Loss = "large objects were cut off at LobMaxSize"


@dataclass(frozen=True, slots=True)
class Losses:
    """The losses of one table. A value that is seen twice, as in a replay, counts twice."""

    table: TableId
    counts: Counter[tuple[str, Loss]] = field(default_factory=Counter)

    def noting(self, column: str, loss: Loss) -> Callable[[], None]:
        """A function to call for each lost value of the column."""
        counts, place = self.counts, (column, loss)

        def note() -> None:
            if not counts[place]:
                logger.warning("table %s, column %s: %s", self.table, column, loss)
            counts[place] += 1

        return note

    def log_totals(self) -> None:
        for (column, loss), count in sorted(self.counts.items()):
            logger.warning("table %s, column %s: %s, %d in all", self.table, column, loss, count)
