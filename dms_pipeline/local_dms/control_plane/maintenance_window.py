"""The weekly time in which an instance takes on pending changes, as ``ddd:hh24:mi-ddd:hh24:mi``."""

import re
from datetime import UTC, datetime

from dms_pipeline.local_dms.control_plane.faults import invalid_value

DEFAULT_WINDOW = "sun:06:00-sun:14:00"

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOMENT = rf"({'|'.join(_DAYS)}):([01]\d|2[0-3]):([0-5]\d)"
_WINDOW = re.compile(f"{_MOMENT}-{_MOMENT}", re.ASCII | re.IGNORECASE)
_DAY_MIN = 24 * 60
_WEEK_MIN = 7 * _DAY_MIN
_SHORTEST_MIN = 30


def checked_window(text: str) -> str:
    """The text in lower case; refused when it is not a window of at least 30 minutes."""
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise invalid_value(
            f"PreferredMaintenanceWindow must have the form ddd:hh24:mi-ddd:hh24:mi, not {text!r}."
        )
    first, last = _bounds(text)
    if (last - first) % _WEEK_MIN < _SHORTEST_MIN:
        raise invalid_value("PreferredMaintenanceWindow must be at least 30 minutes long.")
    return text.lower()


def seconds_until(window: str, now: float) -> float:
    """How long it takes from `now` until the window is open; 0 while it is."""
    first, last = _bounds(window)
    moment = datetime.fromtimestamp(now, UTC)
    minute = moment.weekday() * _DAY_MIN + moment.hour * 60 + moment.minute
    if (minute - first) % _WEEK_MIN < (last - first) % _WEEK_MIN:
        return 0.0
    return 60.0 * ((first - minute) % _WEEK_MIN) - moment.second


def _bounds(window: str) -> tuple[int, int]:
    """The minutes of the week at which the window opens and closes."""
    match = _WINDOW.fullmatch(window)
    assert match is not None
    day, hour, minute, last_day, last_hour, last_minute = match.groups()
    return _minute(day, hour, minute), _minute(last_day, last_hour, last_minute)


def _minute(day: str, hour: str, minute: str) -> int:
    return _DAYS.index(day.lower()) * _DAY_MIN + int(hour) * 60 + int(minute)
