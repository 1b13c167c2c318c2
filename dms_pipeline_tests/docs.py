"""Writes docs/configuration.md from the code: `python -m dms_pipeline_tests.docs`.

The keys come from the models that read pipeline.yaml, the variables from the docstring of the
module that reads the environment.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import indent
from typing import Any

import click

from dms_pipeline import deployments, pipeline_config

ROOT = Path(deployments.__file__).parents[1]
PAGE = ROOT / "docs" / "configuration.md"
_EXAMPLE = ROOT / "dms_pipeline" / "pipelines" / "studentdb" / "pipeline.yaml"
_BOUNDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "minItems": "{} or more",
}
_KINDS = {
    "array": "list of texts",
    "boolean": "`true`, `false`",
    "integer": "whole number",
    "number": "number",
    "string": "text",
}
_VARIABLE = re.compile(r"^((?:DMS|DAGSTER)_[A-Z_]+)\s{2,}(.+)$", re.MULTILINE)

_TEMPLATE = """\
# Configuration

<!-- Written by `python -m dms_pipeline_tests.docs`: edit the code that it is made from. -->

All that can be set: the keys of a pipeline's `pipeline.yaml`, and the variables of the environment.
A key that is not here is refused, with the file and the path in it.

## pipeline.yaml

The one that comes with the package:

{example}

{keys}

## table_mappings.json, task_settings.json

AWS DMS table mappings and task settings as AWS documents them; DMS gets them as they are. When
Dagster loads them it is checked that the mappings have rules with what each needs, that no rule-id
is used twice, and that they select every table of `pipeline.yaml`.

## Environment

Read once, when Dagster loads the pipelines; a value that cannot be used is refused by name.

{variables}

AWS is reached as by every AWS SDK: by `AWS_DEFAULT_REGION`, a role or `AWS_PROFILE`. The variables
of Dagster's own records in production stand in [production.md](production.md#variables).
"""

Schema = Mapping[str, Any]


def configuration_page() -> str:
    """The whole page."""
    schema = pipeline_config._PipelineFile.model_json_schema()
    return _TEMPLATE.format(
        example=indent(_EXAMPLE.read_text(), "    ").rstrip(),
        keys="\n".join(_keys(schema)).strip(),
        variables="\n".join(_variable_rows()),
    )


def variables() -> dict[str, str]:
    """What each variable of the environment is for, by its name."""
    return dict(_VARIABLE.findall(deployments.__doc__ or ""))


def _keys(schema: Schema) -> Iterator[str]:
    """A table of the top level, then one of each section in the order of its first mention."""
    sections: dict[str, Schema] = {"": schema}
    waiting = [""]
    while waiting:
        path = waiting.pop(0)
        yield from _section(path, sections[path])
        for key, field in sections[path]["properties"].items():
            if (named := _named(schema, field)) is not None:
                inner = f"{path}.{key}".removeprefix(".")
                sections[inner] = named
                waiting.append(inner)


def _section(path: str, schema: Schema) -> Iterator[str]:
    if path:
        yield from ("", f"### {path}", "", schema["description"])
    yield from ("", "| key | value | default | meaning |", "|---|---|---|---|")
    needed = schema.get("required", ())
    for key, field in schema["properties"].items():
        inner = f"{path}.{key}".removeprefix(".")
        cells = (f"`{key}`", _value(field, inner), _default(field, key in needed))
        yield f"| {' | '.join(cells)} | {field['description']} |"


def _shape(field: Schema) -> Schema:
    """The field without the null that an optional one may be."""
    choices = [each for each in field.get("anyOf", ()) if each.get("type") != "null"]
    return choices[0] if choices else field


def _named(schema: Schema, field: Schema) -> Schema | None:
    """The section that the field holds, or a list of which it holds."""
    shape = _shape(field)
    reference = shape.get("$ref") or shape.get("items", {}).get("$ref")
    found: Schema | None = schema["$defs"][reference.rpartition("/")[2]] if reference else None
    return found


def _value(field: Schema, path: str) -> str:
    shape = _shape(field)
    link = f"[{path}](#{path.replace('.', '').lower()})"
    if "$ref" in shape:
        return link
    if "$ref" in shape.get("items", {}):
        return f"list of {link}"
    if "enum" in shape:
        return ", ".join(f"`{each}`" for each in shape["enum"])
    name = _KINDS[shape["type"]]
    bounds = [text.format(_short(shape[key])) for key, text in _BOUNDS.items() if key in shape]
    return " ".join([name, *bounds])


def _short(number: float) -> str:
    return f"{number:.3g}" if number % 1 else str(int(number))


def _default(field: Schema, needed: bool) -> str:
    if needed:
        return "needed"
    default = field.get("default")
    if default in (None, []) or "$ref" in _shape(field):
        return ""
    return f"`{json.dumps(default)}`".replace('"', "")


def _variable_rows() -> Iterator[str]:
    yield from ("| variable | meaning |", "|---|---|")
    for name, meaning in variables().items():
        yield f"| `{name}` | {meaning.replace('|', 'or')} |"


@click.command(help="Writes docs/configuration.md anew.")
def main() -> None:
    PAGE.write_text(configuration_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
