"""AWS JSON 1.1 for DMS, driven by botocore's own service model.

What comes in is checked against the model (required members, types) and what goes out is shaped by
it: only modelled members, timestamps as epoch seconds, and no member that the model types as a
secret string. Enums are not checked here, as AWS accepts values that the model does not list.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from dms_pipeline.local_dms.control_plane.faults import Fault, invalid_value, not_emulated
from dms_pipeline.local_dms.control_plane.json_text import parsed_json

logger = logging.getLogger(__name__)

TARGET_PREFIX = "AmazonDMSv20160101."
CONTENT_TYPE = "application/x-amz-json-1.1"

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "float": (int, float),
    "timestamp": (int, float),
    "boolean": (bool,),
    "blob": (str,),
}
# The model's integers have 32 bits, its longs 64; time stamps are within the years 1 to 9999.
_RANGES: Mapping[str, tuple[float, float]] = {
    "integer": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
    "timestamp": (-62_135_596_800, 253_402_300_799),
}


@dataclass(frozen=True, slots=True)
class Request:
    """One validated call: the operation's input members and the region it was signed for."""

    region: str
    params: Mapping[str, Any]


Operation = Callable[[Request], Mapping[str, Any]]


class Protocol:
    """Answers `X-Amz-Target` calls with the given operations; always JSON, also when it fails."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        """Load the service model and refuse operations it does not know."""
        model = Loader().load_service_model("dms", "service-2")
        self._model = ServiceModel(model, service_name="dms")
        self._operations = operations
        unknown = set(operations) - set(self._model.operation_names)
        if unknown:
            raise ValueError(f"not operations of AWS DMS: {sorted(unknown)}")

    @property
    def operation_names(self) -> tuple[str, ...]:
        return tuple(self._operations)

    def answer(self, target: str, body: bytes, region: str) -> tuple[int, bytes]:
        name = target.removeprefix(TARGET_PREFIX)
        try:
            result: dict[str, Any] = self._call(name, body, region)
            status = 200
        except Fault as fault:
            logger.info("%s refused: %s: %s", name, fault.code, fault.message)
            result = {"__type": fault.code, "message": fault.message, **fault.members}
            status = 400
        except (
            Exception
        ):  # the outermost loop: the client must get JSON, or it retries an HTML page
            logger.exception("%s failed", name)
            message = f"The local DMS failed in {name}; its log has the details"
            result = {"__type": "InternalFailure", "message": message}
            status = 500
        return status, json.dumps(result).encode()

    def _call(self, name: str, body: bytes, region: str) -> dict[str, Any]:
        operation = self._operations.get(name)
        if operation is None:
            raise not_emulated(name)
        model = self._model.operation_model(name)
        answer = operation(Request(region=region, params=_parse_input(model, body)))
        output = model.output_shape
        return shape_output(output, answer, name) if output else {}


def _parse_input(model: OperationModel, body: bytes) -> dict[str, Any]:
    try:
        document = parsed_json(body or b"{}")
    except ValueError:
        raise Fault("SerializationException", "The request body is not JSON") from None
    if not isinstance(document, dict):
        raise Fault("SerializationException", "The request body is not a JSON object")
    shape = model.input_shape
    parsed = _parse(shape, document, "") if shape else {}
    assert isinstance(parsed, dict)
    return parsed


def _parse(shape: Shape, value: Any, path: str) -> Any:
    if isinstance(shape, StructureShape):
        return _parse_structure(shape, value, path)
    if isinstance(shape, ListShape):
        _require_type(value, (list,), path, "list")
        return [_parse(shape.member, item, f"{path}[{n}]") for n, item in enumerate(value)]
    if isinstance(shape, MapShape):
        _require_type(value, (dict,), path, "map")
        return {key: _parse(shape.value, item, f"{path}.{key}") for key, item in value.items()}
    kind = shape.type_name
    _require_type(value, _PYTHON_TYPES[kind], path, kind)
    _require_range(value, path, kind)
    return value


def _parse_structure(shape: StructureShape, value: Any, path: str) -> dict[str, Any]:
    _require_type(value, (dict,), path, "structure")
    present = {name: value[name] for name in shape.members if value.get(name) is not None}
    for name in shape.required_members:
        if name not in present:
            where = f"{path}.{name}".lstrip(".")
            raise invalid_value(f"The parameter {where} must be provided and must not be blank.")
    return {
        name: _parse(shape.members[name], item, f"{path}.{name}".lstrip("."))
        for name, item in present.items()
    }


def _require_type(value: Any, types: tuple[type, ...], path: str, kind: str) -> None:
    # bool is an int in Python, and True is not a port number.
    wrong_bool = isinstance(value, bool) and bool not in types
    if wrong_bool or not isinstance(value, types):
        message = f"{path or 'The request'} must be of type {kind}, not {type(value).__name__}"
        raise Fault("SerializationException", message)


def _require_range(value: Any, path: str, kind: str) -> None:
    if kind in _RANGES:
        smallest, largest = _RANGES[kind]
        if not smallest <= value <= largest:
            raise Fault("SerializationException", f"{path} is out of the range of type {kind}")
    # Half a pair of UTF-16: Python takes it from an escape, but no other encoding can write it.
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        raise Fault("SerializationException", f"{path} is not text")


def shape_output(shape: Shape, value: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Check `value` against the model; a member that AWS would not send is our bug."""
    shaped = _shape(shape, value, path)
    assert isinstance(shaped, dict)
    return shaped


def _shape(shape: Shape, value: Any, path: str) -> Any:
    if isinstance(shape, StructureShape):
        return _shape_structure(shape, value, path)
    if isinstance(shape, ListShape):
        return [_shape(shape.member, item, f"{path}[]") for item in value]
    if isinstance(shape, MapShape):
        return {key: _shape(shape.value, item, f"{path}.{key}") for key, item in value.items()}
    kind = shape.type_name
    if not isinstance(value, _PYTHON_TYPES[kind]):
        raise TypeError(f"{path} must be {kind}, is {type(value).__name__}")
    if kind == "timestamp" and isinstance(value, int | float):
        return float(value)
    return value


def _shape_structure(shape: StructureShape, value: Mapping[str, Any], path: str) -> dict[str, Any]:
    unknown = set(value) - set(shape.members)
    if unknown:
        raise TypeError(f"{path} has no members {sorted(unknown)}")
    return {
        name: _shape(shape.members[name], item, f"{path}.{name}")
        for name, item in value.items()
        if item is not None and shape.members[name].name != "SecretString"
    }
