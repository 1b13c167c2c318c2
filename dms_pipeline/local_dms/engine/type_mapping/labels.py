"""The labels of ENUM and SET, out of and into a column's type as the server writes it."""

import re
from collections.abc import Iterable

_ESCAPES = {"n": "\n", "r": "\r", "0": "\0", "t": "\t", "Z": "\x1a"}


def parse_labels(column_type: str) -> list[str]:
    """The labels out of ``enum('a','it''s')``, where quotes are doubled and controls escaped."""
    labels = re.findall(r"'((?:''|\\.|[^'\\])*)'", column_type, re.DOTALL)
    return [
        re.sub(
            r"''|\\(.)",
            lambda found: "'" if found[1] is None else _ESCAPES.get(found[1], found[1]),
            label,
            flags=re.DOTALL,
        )
        for label in labels
    ]


def label_type(data_type: str, labels: Iterable[str]) -> str:
    """The type that ``parse_labels`` reads these labels from."""
    escaped = (label.replace("\\", "\\\\").replace("'", "''") for label in labels)
    written = ",".join(f"'{label}'" for label in escaped)
    return f"{data_type}({written})"


def is_text(label: str) -> bool:
    """Whether PostgreSQL can hold it: bytes that are no UTF-8 stand in it as lone surrogates."""
    return "\0" not in label and not any("\ud800" <= character <= "\udfff" for character in label)
