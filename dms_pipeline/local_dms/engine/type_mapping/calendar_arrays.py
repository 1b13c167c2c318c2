"""Days of the calendar for many dates at once, by which arrays of dates and times are computed."""

import numpy as np
from numpy.typing import NDArray

from dms_pipeline.local_dms.engine.type_mapping.binary_fields import NoValueError

Array = NDArray[np.int64]

_YEARS = 9999
_FIRST_DAYS: NDArray[np.int32] = (
    np.arange("0001-01", "10000-02", dtype="datetime64[M]").astype("datetime64[D]")
    - np.datetime64("2000-01-01")
).astype(np.int32)
"""Of each month from January of the year 1 on, since 2000-01-01; and of the one after the last."""
_LENGTHS = np.diff(_FIRST_DAYS)


def days_since_2000(year: Array, month: Array, day: Array) -> Array:
    """Since 2000-01-01.

    Raises:
        NoValueError: one of them is no day of the calendar.
    """
    place = year * 12 + month - 13
    is_month = (year >= 1) & (year <= _YEARS) & (month >= 1) & (month <= 12)
    if not (is_month.all() and ((day >= 1) & (day <= _LENGTHS[place])).all()):
        raise NoValueError
    days: Array = _FIRST_DAYS[place] + day - 1
    return days
