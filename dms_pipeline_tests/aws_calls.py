"""Which AWS operations the code can call, read from the code itself.

The clients in ``dms_pipeline.aws`` are the only users of boto3 (an import contract). Each method of
their classes names the operations it calls: as an attribute of ``self._client``, or as the name of
an operation, a paginator or a waiter in a string.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel

import dms_pipeline

_ROOT = Path(dms_pipeline.__file__).parent
_SERVICE_OF = {
    "DatabaseMigrationServiceClient": "dms",
    "DynamoDBClient": "dynamodb",
    "SNSClient": "sns",
    "SecretsManagerClient": "secretsmanager",
}
_NO_OPERATIONS = frozenset({"meta", "get_paginator", "get_waiter"})


def imported_modules(first: Iterable[str]) -> frozenset[str]:
    """These modules of the package, and all that they import of it, at whatever remove."""
    found: set[str] = set()
    pending = list(first)
    while pending:
        module = pending.pop()
        path = _path(module)
        if module in found or path is None:
            continue
        found.add(module)
        pending += _imports(ast.parse(path.read_text()))
    return frozenset(found)


def operations_by_method(modules: Iterable[str]) -> dict[str, frozenset[str]]:
    """``Class.method`` -> operations such as ``dms:StopReplicationTask``, of all AWS clients."""
    return {
        f"{owner.name}.{method.name}": frozenset(_operations(method, service))
        for module in modules
        if module.startswith("dms_pipeline.aws.") and (path := _path(module))
        for owner in ast.parse(path.read_text()).body
        if isinstance(owner, ast.ClassDef) and (service := _service(owner))
        for method in owner.body
        if isinstance(method, ast.FunctionDef)
    }


def callers(modules: Iterable[str], method: str) -> set[str]:
    """The modules in which an attribute of this name is called, whatever it is an attribute of."""
    return {
        module
        for module in modules
        if (path := _path(module))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
    }


def _path(module: str) -> Path | None:
    place = _ROOT.parent.joinpath(*module.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _service(owner: ast.ClassDef) -> str:
    """By the type that the class declares for the client it is made with."""
    declared = {node.value for node in ast.walk(owner) if isinstance(node, ast.Constant)}
    return next((service for name, service in _SERVICE_OF.items() if name in declared), "")


def _operations(method: ast.FunctionDef, service: str) -> Iterator[str]:
    names = _client_methods(service)
    for node in ast.walk(method):
        if isinstance(node, ast.Constant) and (named := names.get(str(node.value))):
            yield f"{service}:{named}"
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "_client"
            and node.attr not in _NO_OPERATIONS
        ):
            yield f"{service}:{names[node.attr]}"


def _client_methods(service: str) -> Mapping[str, str]:
    """The names of operations and waiters as boto3 spells them -> the operation."""
    loader = Loader()
    operations = ServiceModel(loader.load_service_model(service, "service-2")).operation_names
    names = {xform_name(operation): operation for operation in operations}
    has_waiters = service in loader.list_available_services("waiters-2")
    model = loader.load_service_model(service, "waiters-2") if has_waiters else {"waiters": {}}
    waiters = {xform_name(name): row["operation"] for name, row in model["waiters"].items()}
    return names | waiters
