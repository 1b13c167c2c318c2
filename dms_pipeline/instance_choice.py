"""Which instance class a run gets, and what an hour of it costs. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from croniter import croniter

from dms_pipeline.pipeline_config import InstanceSection


def choose_instance(config: InstanceSection, moment: datetime, *, timezone: str) -> str:
    """The class of the first window that a run starting at ``moment`` falls into, or the usual one.

    Windows are read in ``timezone``.
    """
    local = moment.astimezone(ZoneInfo(timezone)).replace(second=0, microsecond=0)
    for window in config.windows:
        if croniter.match(window.cron, local):
            return window.instance_class
    return config.instance_class


def price_of(config: InstanceSection, instance_class: str) -> float | None:
    """USD an hour as configured for the class; None if it is not."""
    for window in config.windows:
        if window.instance_class == instance_class and window.price_per_hour_usd is not None:
            return window.price_per_hour_usd
    return config.price_per_hour_usd if config.instance_class == instance_class else None
