"""How long a source keeps its binary log, against how often it is loaded. Pure."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from croniter import croniter

from dms_pipeline.pipeline_config import ScheduleSection

LOADS_KEPT = 4
"""A load that fails needs the binary log of the one before; three more leave time to mend it."""


def missable_loads(
    retention_s: float | None, schedule: ScheduleSection, now: datetime
) -> int | None:
    """Loads in a row that may be missed before the source deletes what the next one needs.

    None if it is not known to delete binary logs.
    """
    if retention_s is None:
        return None
    pause_s = longest_pause(schedule, now).total_seconds()
    return max(0, int(retention_s // pause_s) - 1)


def longest_pause(schedule: ScheduleSection, moment: datetime) -> timedelta:
    """The longest time between two of the schedule's next hundred runs."""
    runs = croniter(schedule.cron, moment.astimezone(ZoneInfo(schedule.timezone)))
    moments = [runs.get_next(float) for _ in range(100)]
    return timedelta(seconds=max(later - earlier for earlier, later in pairwise(moments)))
