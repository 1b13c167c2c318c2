"""An IAM policy that answers whether it allows something, as far as ours need it.

The rules are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition_operators.html; what
is not known here is refused when the policy is read, not passed over.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

Values = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """May this action be done to this resource? ``context``: condition key -> its values."""

    action: str
    resource: str
    context: Mapping[str, Values] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.action} on resource: {self.resource}"


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator, key and its values; ``qualifier`` is ForAllValues or empty."""

    qualifier: str
    operator: str
    if_exists: bool
    key: str
    values: Values

    def holds(self, context: Mapping[str, Values]) -> bool:
        present = context.get(self.key)
        if self.qualifier == "ForAllValues":
            return all(self._fits(value) for value in present or ())
        if present is None:
            return self.if_exists
        [value] = present
        return self._fits(value)

    def _fits(self, value: str) -> bool:
        if self.operator == "StringEquals":
            return value in self.values
        return any(matches(pattern, value) for pattern in self.values)


@dataclass(frozen=True, slots=True)
class Statement:
    """One that allows."""

    sid: str
    actions: Values
    resources: Values
    conditions: tuple[Condition, ...]

    def allows(self, question: Question) -> bool:
        return (
            question.action in self.actions
            and any(matches(pattern, question.resource) for pattern in self.resources)
            and all(condition.holds(question.context) for condition in self.conditions)
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """What is not allowed by a statement is denied."""

    statements: tuple[Statement, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Policy":
        return cls(tuple(_statement(each) for each in document["Statement"]))

    @property
    def actions(self) -> frozenset[str]:
        return frozenset(action for each in self.statements for action in each.actions)

    def who_allows(self, question: Question) -> str:
        """The first statement that does, by its Sid; empty if none does."""
        return next((each.sid for each in self.statements if each.allows(question)), "")

    def without(self, sid: str) -> "Policy":
        return Policy(tuple(each for each in self.statements if each.sid != sid))


@cache
def _pattern(text: str) -> re.Pattern[str]:
    signs = {"*": ".*", "?": "."}
    return re.compile("".join(signs.get(sign, re.escape(sign)) for sign in text), re.DOTALL)


def matches(pattern: str, text: str) -> bool:
    """Whether the text is as the pattern of an ARN or of StringLike says: * any signs, ? one."""
    return _pattern(pattern).fullmatch(text) is not None


def _statement(document: Mapping[str, Any]) -> Statement:
    unknown = document.keys() - {"Sid", "Effect", "Action", "Resource", "Condition"}
    if unknown or document["Effect"] != "Allow":
        raise ValueError(f"{document['Sid']}: {unknown or document['Effect']} is not known here")
    actions = _values(document["Action"])
    if any("*" in action for action in actions):
        raise ValueError(f"{document['Sid']}: least privilege names each action")
    return Statement(
        sid=document["Sid"],
        actions=actions,
        resources=_values(document["Resource"]),
        conditions=tuple(_conditions(document.get("Condition", {}))),
    )


def _conditions(document: Mapping[str, Mapping[str, Any]]) -> Iterable[Condition]:
    for operator, keys in document.items():
        qualifier, _, bare = operator.rpartition(":")
        kind = bare.removesuffix("IfExists")
        if qualifier not in ("", "ForAllValues") or kind not in ("StringEquals", "StringLike"):
            raise ValueError(f"the condition operator {operator} is not known here")
        for key, values in keys.items():
            yield Condition(qualifier, kind, bare != kind, key, _values(values))


def _values(found: str | list[str]) -> Values:
    return (found,) if isinstance(found, str) else tuple(found)
