"""The individual premigration assessments that AWS has for all endpoint types, by their API keys.

User guide, "Assessments for all endpoint types"; which needs a migration with changes stands in the
table of "Specifying individual assessments". Those for OpenSearch and DynamoDB targets are left
out, as the local DMS has no such targets.
"""

from collections.abc import Mapping

_EVERYWHERE = ("full-load", "cdc", "full-load-and-cdc")
_WITH_CHANGES = ("cdc", "full-load-and-cdc")
_TYPES: Mapping[str, tuple[str, ...]] = {
    "full-lob-not-nullable-at-target": _EVERYWHERE,
    "table-with-lob-but-without-primary-key-or-unique-constraint": _EVERYWHERE,
    "table-with-no-primary-key-or-unique-constraint": _WITH_CHANGES,
    "target-table-has-unique-key-or-primary-key-for-cdc": ("cdc",),
    "unsupported-data-types-in-source": _EVERYWHERE,
}


def applicable_assessments(migration_type: str) -> list[str]:
    """The names of those that a task of this type can have, in order."""
    return [name for name, types in _TYPES.items() if migration_type in types]
