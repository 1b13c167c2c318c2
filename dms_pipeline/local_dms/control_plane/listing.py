"""Filters and pages of the Describe operations.

A filter that matches nothing is a fault, as in AWS; botocore's waiters for deleted objects rely on
it. A marker names the last element shown, so objects that come or go between two pages shift
nothing.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from dms_pipeline.local_dms.control_plane.faults import invalid_value, not_found

T = TypeVar("T")
Attributes = Callable[[T], Iterable[str]]


def filtered(
    items: Sequence[T],
    params: Mapping[str, Any],
    *,
    by: Mapping[str, Attributes[T]],
    what: str,
    must_match: bool = True,
) -> list[T]:
    """Items that match every filter; within a filter any of its values.

    Args:
        items: what is there.
        params: the request.
        by: the filters' names, each with what it looks at.
        what: what the items are called in a fault.
        must_match: whether no match is a fault. It is not for operations that the service model
            gives no ResourceNotFoundFault.
    """
    found = list(items)
    for condition in params.get("Filters", []):
        attributes = by.get(condition["Name"])
        if attributes is None:
            allowed = ", ".join(by)
            raise invalid_value(f"Filter {condition['Name']} is unknown, use one of: {allowed}")
        wanted = set(condition["Values"])
        found = [item for item in found if not wanted.isdisjoint(attributes(item))]
    if must_match and params.get("Filters") and not found:
        raise not_found(f"No {what} matches the filters.")
    return found


def page(
    items: Sequence[T],
    params: Mapping[str, Any],
    *,
    key: Callable[[T], str],
    smallest: int = 20,
    largest: int = 100,
) -> tuple[list[T], str | None]:
    """One page in the order of `key` and the marker of the next, None on the last page."""
    size = params.get("MaxRecords", 100)
    if not smallest <= size <= largest:
        raise invalid_value(f"MaxRecords must be between {smallest} and {largest}, not {size}.")
    ordered = sorted(items, key=key)
    if marker := params.get("Marker"):
        last = _decode(marker)
        ordered = [item for item in ordered if key(item) > last]
    shown = ordered[:size]
    return shown, _encode(key(shown[-1])) if len(ordered) > size else None


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _decode(marker: str) -> str:
    try:
        return base64.b64decode(marker, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid_value("The marker is not one that this operation has returned.") from None
