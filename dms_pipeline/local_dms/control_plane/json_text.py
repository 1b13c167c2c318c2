"""JSON that others wrote, by the standard: Python alone takes NaN, and overflows to infinity."""

import json
import math
from typing import Any


def parsed_json(text: str | bytes) -> Any:
    """The document; a ValueError says what is wrong with it."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON value")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is out of range")
    return number
