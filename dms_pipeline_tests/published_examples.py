"""The examples that botocore and the AWS CLI come with, read from where they are installed.

Not all of them are whole: the pages of the AWS CLI leave out parts of the output, and botocore has
templates whose values nobody filled in. What is left out is not compared; a text that is left out
counts as a text.
"""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.loaders import Loader

from dms_pipeline_tests.random_requests import MODEL

CLIENTS = Path(sys.prefix) / "clients"
"""A virtual environment of its own, which `make test` makes: their versions are not ours."""

_OPERATIONS = {xform_name(name, "-"): name for name in MODEL.operation_names}
_OMITTED = r"\.\.\. ?[\w ]+ ?\.\.\."
_CLOSERS = {"{": "}", "[": "]"}
_STRINGS = re.compile(r'("(?:[^"\\]|\\.)*")', re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A request and its answer; `command` and `files` are those of the AWS CLI."""

    name: str
    operation: str
    request: dict[str, Any]
    output: dict[str, Any]
    command: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)


def botocore_examples() -> list[Example]:
    published = Loader().load_service_model("dms", "examples-1")["examples"]
    return [
        Example(_numbered(operation, number), operation, example["input"], example["output"])
        for operation, examples in sorted(published.items())
        for number, example in enumerate(examples, 1)
    ]


@cache
def aws_cli_pages() -> dict[str, str]:
    """The pages of examples by command, none where the AWS CLI is not installed."""
    paths = CLIENTS.glob("lib/python3*/site-packages/awscli/examples/dms/**/*.rst")
    return {path.stem: path.read_text() for path in sorted(paths)}


def aws_cli_examples() -> list[Example]:
    return [
        example
        for command, page in aws_cli_pages().items()
        for example in _examples_of(command, page)
    ]


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name} {number}"


def _examples_of(name: str, page: str) -> Iterator[Example]:
    command: list[str] = []
    output: dict[str, Any] = {}
    files: dict[str, str] = {}
    found = []
    answers = page.count("This command produces no output")
    for label, text in _blocks(page):
        if text.startswith("aws dms "):
            command = shlex.split(text.replace("\\\n", " "))[1:]
            output, files = {}, {}
            found.append((command, output, files))
        elif of_file := re.match(r"Contents of ``(.+)``", label):
            files[of_file[1]] = text
        elif label.startswith("Output"):
            answers += 1
            output.update(completed(text) if text != "(none)" else {})
        else:
            raise ValueError(f"{name}: neither command, file nor output: {label} {text}")
    if answers != len(found):
        raise ValueError(f"{name}: {len(found)} commands and {answers} answers")
    for number, (command, output, files) in enumerate(found, 1):
        operation = _OPERATIONS[command[1]]
        yield Example(
            _numbered(name, number), operation, _request_of(command), output, command, files
        )


def _blocks(page: str) -> Iterator[tuple[str, str]]:
    """The indented blocks of a page, each with the line before it."""
    for block in re.finditer(r"(?m)^(\S.*)\n\s*\n((?:    .*\n|[ \t]*\n)*    .*\n)", page + "\n"):
        yield block[1], block[2].strip()


def _request_of(command: list[str]) -> dict[str, Any]:
    """The options as members, with a text for one word and a list for several."""
    words: dict[str, list[str]] = {}
    for word in command[2:]:
        if word.startswith("--"):
            words[member_of(word)] = []
        else:
            words[list(words)[-1]].append(word)
    return {name: given[0] if len(given) == 1 else given for name, given in words.items()}


def member_of(option: str) -> str:
    return "".join(part.capitalize() for part in option.removeprefix("--").split("-"))


def completed(text: str) -> dict[str, Any]:
    """The JSON of a page, closed where something was left out."""
    text = re.sub(rf"(?<=: ){_OMITTED}", '"..."', text)
    text = re.sub(rf"(?m)^\s*{_OMITTED}\s*$", "", text)
    open_ones: list[str] = []
    closed = "".join(
        piece if piece.startswith('"') else _closed(piece, open_ones)
        for piece in _STRINGS.split(text)
    )
    document: dict[str, Any] = json.loads(re.sub(r",(\s*[]}])", r"\1", closed))
    return document


def _closed(piece: str, open_ones: list[str]) -> str:
    closed = ""
    for char in piece:
        if char in _CLOSERS:
            open_ones.append(_CLOSERS[char])
        while char in _CLOSERS.values() and (closer := open_ones.pop()) != char:
            closed += closer
        closed += char
    return closed
