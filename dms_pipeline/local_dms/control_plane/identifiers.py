"""Rules for the names and ids that users choose."""

import re
from collections.abc import Mapping
from typing import Any

from dms_pipeline.local_dms.control_plane.faults import invalid_value

_NAME = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9])*", re.ASCII)
_RESOURCE_ID = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9]){0,30}", re.ASCII)


def checked_identifier(text: str, *, member: str, longest: int) -> str:
    """The identifier as it is; refused when AWS would refuse it."""
    if len(text) > longest or not _NAME.fullmatch(text):
        raise invalid_value(
            f"The parameter {member} must be 1 to {longest} letters, digits and hyphens, begin "
            "with a letter, "
            f"not end with a hyphen and not contain two in a row; it is {text!r}."
        )
    return text


def chosen_resource_id(params: Mapping[str, Any]) -> str | None:
    """The `ResourceIdentifier` that becomes the end of the ARN, if one is given."""
    text: str | None = params.get("ResourceIdentifier")
    if text is not None and (len(text) > 31 or not _RESOURCE_ID.fullmatch(text)):
        raise invalid_value(
            "The parameter ResourceIdentifier must be 1 to 31 letters, digits and hyphens and "
            "begin with a "
            f"letter; it is {text!r}."
        )
    return text


def tags_of(params: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in params.get("Tags", []) if "Key" in tag}
