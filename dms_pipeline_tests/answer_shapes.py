"""How an answer differs in its shape from a published one, and from the service model."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from botocore.model import ListShape, Shape, StructureShape
from botocore.utils import parse_timestamp

Difference = tuple[str, str]
"""Where, and what."""

_ARN = re.compile(r"arn:aws:(\w+):([\w-]*):(\d{12}):(?:([\w-]+)[:/])?(.+)$")
_ID_FORMS = {
    "26 letters and digits": r"[A-Z2-7]{26}",
    "a UUID": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}


def differences(
    published: Any, answer: Any, shape: Shape | None, where: str = ""
) -> Iterator[Difference]:
    """What `published` has and `answer` has not, or has otherwise; its values may differ.

    Members whose name ends with Status must have the same value. Texts that are JSON are compared
    as JSON; they have no shape. Texts that nobody filled in, or that are left out, may be any text.
    """
    if isinstance(published, dict):
        yield from _of_structures(published, answer, shape, where)
    elif isinstance(published, list):
        yield from _of_lists(published, answer, shape, where)
    elif shape is not None and shape.type_name == "timestamp":
        parse_timestamp(published)
        if not isinstance(answer, datetime | type(published)):
            yield where, f"is no time: {answer!r}"
    elif published in ("", "...") and isinstance(answer, str):
        return
    elif kind_of(published) != kind_of(answer):
        yield where, f"is {kind_of(answer)} and not {kind_of(published)}: {answer!r}"
    elif isinstance(published, str):
        yield from _of_texts(published, answer, where)


def kind_of(value: Any) -> str:
    """The JSON type; an ARN is told from other texts, and from ARNs of another form."""
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str() if found := _ARN.search(value):
            service, region, account, kind, name = found.groups()
            forms = (form for form, pattern in _ID_FORMS.items() if re.fullmatch(pattern, name))
            form = next(forms, "a name")
            return f"an ARN of {service}, {region}, {account}, {kind}, {form}"
        case str():
            return "a text"
    return type(value).__name__


def _document(text: str) -> Any:
    try:
        return json.loads(text) if text.startswith(("{", "[")) else None
    except ValueError:
        return None


def _of_structures(
    published: Mapping[str, Any], answer: Any, shape: Shape | None, where: str
) -> Iterator[Difference]:
    if not isinstance(answer, dict):
        yield where, f"is no structure: {answer!r}"
        return
    members: Mapping[str, Shape] | None = None
    if isinstance(shape, StructureShape):
        members = shape.members
    for name, value in published.items():
        path = f"{where}.{name}".lstrip(".")
        if members is not None and name not in members:
            yield path, "is not in the service model"
        elif name not in answer:
            yield path, "is missing"
        else:
            member = members[name] if members is not None else None
            yield from differences(value, answer[name], member, path)


def _of_lists(
    published: list[Any], answer: Any, shape: Shape | None, where: str
) -> Iterator[Difference]:
    if not isinstance(answer, list):
        yield where, f"is no list: {answer!r}"
    elif published and not answer:
        yield where, "is empty"
    else:
        member = shape.member if isinstance(shape, ListShape) else None
        for value in published:
            yield from differences(value, answer[0], member, f"{where}[]")


def _of_texts(published: str, answer: str, where: str) -> Iterator[Difference]:
    document = _document(published)
    if document is not None:
        yield from differences(document, _document(answer), None, where)
    elif where.endswith("Status") and published != answer:
        yield where, f"is {answer!r} and not {published!r}"


def not_modelled(answer: Any, shape: Shape, where: str = "") -> Iterator[Difference]:
    """The members and values of an answer, as it was sent, that the service model does not know."""
    if isinstance(shape, StructureShape):
        for name, value in answer.items():
            path = f"{where}.{name}".lstrip(".")
            if name in shape.members:
                yield from not_modelled(value, shape.members[name], path)
            else:
                yield path, "is not in the service model"
    elif isinstance(shape, ListShape):
        for value in answer:
            yield from not_modelled(value, shape.member, f"{where}[]")
    elif shape.type_name == "string" and where.endswith(("Status", "State", "Type")):
        words = documented_words(shape)
        # AWS answers SOURCE and TARGET where its model has them in small letters.
        if words and answer not in words and answer.lower() not in words:
            yield where, f"is {answer!r} and none of {sorted(words)}"


def documented_words(shape: Shape) -> set[str]:
    """The values of an enumeration and those that its documentation lists; none if it does not."""
    documentation = re.sub(r"</?(p|ul|li|note)>", "\n", shape.documentation)
    coded = re.findall(r'<code>"?([\w -]+?)"?</code>', documentation)
    plain = re.sub(r"<[^>]+>", "", documentation)
    word = r"[\w-]+(?: [\w-]+)*"
    barred = re.findall(rf"{word}(?= \|)|(?<=\| ){word}", plain)
    return {*getattr(shape, "enum", []), *coded, *barred}
