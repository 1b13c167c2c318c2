"""DATE, DATETIME, TIMESTAMP and TIME.

Zero dates and dates that are not in the calendar (MySQL stores both if told to) become NULL, as
AWS documents for zero dates. TIMESTAMP arrives in UTC on both paths. TIME spans more than a day, so
it stays text.
"""

from datetime import date
from functools import lru_cache

from dms_pipeline.binlog.column_sizes import DATE, DATETIME, TIMESTAMP, ColumnFormat
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import (
    date_form,
    datetime_form,
    timestamp_form,
)
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import Conversion
from dms_pipeline.local_dms.engine.type_mapping.sent_fields import (
    sent_clock_form,
    sent_date_form,
    sent_moment_form,
)

_DAYS_OF_EVERY_MONTH = 28
# Looking one up is quicker than looking at it.
_REMEMBERED_DAYS = 100_000


def map_date(column: Column) -> Conversion:
    form, sent_form = date_form(), sent_date_form()
    return Conversion(
        "date",
        "date",
        _date_from_text,
        _date,
        printed=_printed,
        binary=lambda stored: form if stored.type_code == DATE else None,
        sent=lambda sent: sent_form if sent.is_date else None,
    )


def map_datetime(column: Column) -> Conversion:
    digits, sent_form = column.fraction_digits, sent_moment_form()
    if column.data_type == "timestamp":
        layout, form = ColumnFormat(TIMESTAMP, bytes((digits,))), timestamp_form(digits)
    else:
        layout, form = ColumnFormat(DATETIME, bytes((digits,))), datetime_form(digits)
    return Conversion(
        "timestamp",
        f"timestamp({digits})",
        _date_from_text,
        _date,
        printed=_printed,
        binary=lambda stored: form if stored == layout else None,
        sent=lambda sent: sent_form if sent.is_moment else None,
    )


def map_time(column: Column) -> Conversion:
    form = sent_clock_form(column.fraction_digits)
    return Conversion(
        "time",
        "varchar(17)",
        bytes,
        str.encode,
        sent=lambda sent: form if sent.is_clock else None,
    )


def _date_from_text(value: bytes) -> bytes | None:
    return _date(value.decode())


def _printed(value: bytes) -> bytes | None:
    return value if _is_day(value[:10]) else None


@lru_cache(_REMEMBERED_DAYS)
def _is_day(printed: bytes) -> bool:
    return is_calendar_date(printed.decode())


def _date(value: str) -> bytes | None:
    return value.encode() if is_calendar_date(value) else None


def is_calendar_date(text: str) -> bool:
    """Whether text that begins with YYYY-MM-DD names a day that exists."""
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    if year and 1 <= month <= 12 and 1 <= day <= _DAYS_OF_EVERY_MONTH:
        return True
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
