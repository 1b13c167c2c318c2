"""docs/when-it-fails.md against the code: no message that is not there, none that is missing."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dms_pipeline
from dms_pipeline import errors, task_outcome

PACKAGE = Path(dms_pipeline.__file__).parent
PAGE = (PACKAGE.parent / "docs" / "when-it-fails.md").read_text()
MESSAGES = re.findall(r"^\| `(.+?)` \|", PAGE, re.MULTILINE)
CLASSES = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}
# In these every text of this length is for users, wherever it is raised.
_TOLD = ("preflight", "task_outcome", "failures", "aws/remedies")
_LONG = 40
# What only DMS's stop reasons and states are called, what passes preflight, and what others say.
_NO_TROUBLE = re.compile(
    r"once the changes made meanwhile|at the first change committed|at the end of its window"
    r"|marked as failed from outside|not authorized to perform|NotCoverEnoughAZs"
)


def _text(node: ast.AST) -> str:
    """A string of the code as users see it, with "…" for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("`", "")
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return "…"


def _strings(tree: ast.AST) -> Iterator[str]:
    parts = {
        id(value)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for value in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp) and id(node) not in parts:
            yield _text(node)


def _trees() -> Iterator[tuple[str, ast.Module]]:
    """The modules of the orchestration, by their paths without suffix."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = str(path.relative_to(PACKAGE).with_suffix(""))
        if not name.startswith("local_dms"):
            yield name, ast.parse(path.read_text())


def _raised(tree: ast.Module) -> Iterator[str]:
    """What is raised with the errors for users; texts made elsewhere are only "…"."""
    for node in ast.walk(tree):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=name), args=[text, *_])) if (
                name in CLASSES
            ):
                yield _text(text)


def _undocumented(text: str) -> bool:
    return not any(message in text.strip() for message in MESSAGES)


def test_every_message_of_the_page_is_one_of_the_code():
    strings = {text for _, tree in _trees() for text in _strings(tree)}
    unknown = [
        message
        for message in MESSAGES
        if message not in CLASSES and not any(message in text for text in strings)
    ]
    assert unknown == []


def test_no_message_is_there_twice():
    assert len(MESSAGES) == len(set(MESSAGES))


def test_every_class_of_errors_is_in_the_page():
    assert set(re.findall(r"`(\w+Error)`", PAGE)) | {"DmsPipelineError"} == CLASSES


def test_everything_that_is_raised_is_in_the_page():
    for name, tree in _trees():
        missing = [
            text
            for text in _raised(tree)
            if len(re.sub(r"[…:.\s]", "", text)) > 10 and _undocumented(text)
        ]
        assert missing == [], name


@pytest.mark.parametrize("module", _TOLD)
def test_everything_that_these_modules_tell_is_in_the_page(module: str):
    tree = dict(_trees())[module]
    documented = {
        ast.get_docstring(node, clean=False)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    }
    missing = [
        text
        for text in _strings(tree)
        if len(text.replace("…", "")) >= _LONG
        and text not in {each.replace("`", "") for each in documented if each}
        and not _NO_TROUBLE.search(text)
        and _undocumented(text)
    ]
    assert missing == []


def test_every_reason_for_which_a_task_stops_in_the_wrong_place_is_in_the_page():
    assert [words for words in task_outcome._IN_WORDS.values() if _undocumented(words)] == []
