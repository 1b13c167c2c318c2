"""What the texts of computed values look numbers up in, for arrays of numbers."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dms_pipeline.local_dms.engine.type_mapping.binary_fields import (
    DAY_US,
    SECOND_US,
    NoValueError,
)

Array = NDArray[np.int64]

_YEARS = 9999
_FIRST_DAYS: NDArray[np.int64] = (
    np.arange("0001-01", "10000-02", dtype="datetime64[M]").astype("datetime64[D]")
    - np.datetime64("2000-01-01")
).astype(np.int64)
"""Of each month from January of the year 1 on, since 2000-01-01; and of the one after the last."""
_LENGTHS = np.diff(_FIRST_DAYS)


class _Computed:
    """What a function makes of all numbers that are looked up at once."""

    def __init__(self, of: Callable[[Array], Array]) -> None:
        self._of = of

    def __getitem__(self, numbers: Array) -> Array:
        return self._of(numbers)


def _given(numbers: Array) -> None:
    if not numbers.all():
        raise NoValueError


def _days_since_2000(year: Array, month: Array, day: Array) -> Array:
    place = year * 12 + month - 13
    is_month = (year >= 1) & (year <= _YEARS) & (month >= 1) & (month <= 12)
    if not (is_month.all() and ((day >= 1) & (day <= _LENGTHS[place])).all()):
        raise NoValueError
    days: Array = _FIRST_DAYS[place] + day - 1
    return days


def _date_days(packed: Array) -> Array:
    raw = packed >> 16 | packed & 0xFF00 | (packed & 0xFF) << 16
    return _days_since_2000(raw >> 9, raw >> 5 & 15, raw & 31)


def _datetime_days_us(packed: Array) -> Array:
    # Without the bit of the sign, which stands for all higher ones where the number has 64.
    packed = packed & 0x3FFFFF
    months = packed >> 5
    return _days_since_2000(months // 13, months % 13, packed & 31) * DAY_US


def _minutes_us(packed: Array) -> Array:
    hour, minute = packed >> 6, packed & 63
    if hour.max() > 23 or minute.max() > 59:
        # For the function that says which.
        raise NoValueError
    return (hour * 60 + minute) * (60 * SECOND_US)


def _sent_days(packed: Array) -> Array:
    return _days_since_2000(packed & 0xFFFF, packed >> 16 & 0xFF, packed >> 24)


def _sent_days_us(packed: Array) -> Array:
    return _sent_days(packed) * DAY_US


def _sent_minutes_us(packed: Array) -> Array:
    return ((packed & 0xFF) * 60 + (packed >> 8)) * (60 * SECOND_US)


TABLES: Mapping[str, Any] = {
    "date_days": _Computed(_date_days),
    "datetime_days_us": _Computed(_datetime_days_us),
    "minutes_us": _Computed(_minutes_us),
    "seconds_us": np.arange(60) * SECOND_US,
    "given": _given,
    "sent_days": _Computed(_sent_days),
    "sent_days_us": _Computed(_sent_days_us),
    "sent_minutes_us": _Computed(_sent_minutes_us),
}
