"""Instance windows and prices."""

from datetime import UTC, datetime

import pytest

from dms_pipeline.instance_choice import choose_instance, price_of
from dms_pipeline.pipeline_config import InstanceSection

CONFIG = InstanceSection.model_validate(
    {
        "class": "small",
        "price_per_hour_usd": 0.1,
        "windows": [
            {"cron": "* 2-3 * * *", "class": "night", "price_per_hour_usd": 0.5},
            {"cron": "* * * * 1-5", "class": "large"},
        ],
    }
)


@pytest.mark.parametrize(
    ("moment", "zone", "wanted"),
    [
        (datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC), "UTC", "large"),
        (datetime(2026, 11, 22, 12, tzinfo=UTC), "UTC", "small"),
        (datetime(2026, 11, 23, 2, 59, tzinfo=UTC), "UTC", "night"),
        (datetime(2026, 11, 22, 23, 30, tzinfo=UTC), "Asia/Tokyo", "large"),
        (datetime(2026, 11, 23, 2, 0, tzinfo=UTC), "Europe/Berlin", "night"),
        (datetime(2026, 11, 23, 3, 0, tzinfo=UTC), "Europe/Berlin", "large"),
        # A Sunday: at 1:00 UTC it becomes 3:00 there; in autumn 2:00 comes twice.
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "Europe/Berlin", "small"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "Europe/Berlin", "night"),
        (datetime(2026, 3, 29, 2, 0, tzinfo=UTC), "Europe/Berlin", "small"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Europe/Berlin", "night"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "Europe/Berlin", "night"),
        (datetime(2026, 10, 25, 2, 59, tzinfo=UTC), "Europe/Berlin", "night"),
        (datetime(2026, 10, 25, 3, 0, tzinfo=UTC), "Europe/Berlin", "small"),
    ],
    ids=[
        "monday",
        "sunday",
        "first window wins",
        "monday in Tokyo",
        "3h in Berlin",
        "4h in Berlin",
        "before the spring change",
        "in the hour after it",
        "4h in spring",
        "first 2h in autumn",
        "second 2h in autumn",
        "3h in autumn",
        "4h in autumn",
    ],
)
def test_first_window_that_matches_in_the_pipelines_zone_counts(moment, zone, wanted):
    assert choose_instance(CONFIG, moment, timezone=zone) == wanted


def test_price_is_that_of_the_class():
    assert price_of(CONFIG, "small") == 0.1
    assert price_of(CONFIG, "night") == 0.5
    assert price_of(CONFIG, "large") is None
    assert price_of(CONFIG, "other") is None
