"""Random calls of all operations of AWS DMS, from the service model: half sensible, half hostile.

The same seed makes the same calls, as long as the service model and the given names are the same.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from dms_pipeline_tests.dms_objects import TABLE_MAPPINGS

MODEL = ServiceModel(Loader().load_service_model("dms", "service-2"))

HOSTILE: tuple[str, ...] = (
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\U0010ffff" * 3,
    "a" * 70_000,
    "../../../../etc/passwd",
    "..\\..\\windows",
    "/dev/zero",
    "$(touch /tmp/x)",
    "`id`; rm -rf ~",
    "' OR '1'='1",
    '"; DROP TABLE resources; --',
    "%s%n%x",
    "{0.__class__}",
    "<script>alert(1)</script>",
    "\r\nX-Injected: 1",
    "arn:aws:dms:us-east-1:123456789012:rep:",
    "arn:::::::",
    "NaN",
    "null",
    "[]",
    "{}",
    "[" * 5000,
    '{"rules":' * 500,
    '{"rules":[null]}',
    '{"rules":[{"rule-type":"selection","rule-id":[],"object-locator":{}}]}',
    '{"Logging":null,"FullLoadSettings":7,"ValidationSettings":[]}',
    '{"Logging":{"EnableLogging":1e999}}',
    "9" * 5000,
    "2024-13-45T99:99:99",
    "server_time:9999-12-31T23:59:59",
    "commit_time:0001-01-01T00:00:00",
    "checkpoint:V1#27#mysql-bin.000001:4",
    "sun:99:99-xxx:00:00",
)
PLAUSIBLE: tuple[str, ...] = (
    "name",
    "other-name",
    "mysql",
    "postgres",
    "source",
    "target",
    "cdc",
    "full-load",
    "full-load-and-cdc",
    "start-replication",
    "reload-target",
    "resume-processing",
    "dms.t3.medium",
    "3.6.1",
    "replication-instance",
    "replication-task",
    "replication-task-arn",
    "replication-instance-id",
    "endpoint-arn",
    "status",
    "sun:06:00-sun:14:00",
    "arn:aws:sns:us-east-1:123456789012:t",
    "2024-01-01T00:00:00",
    "server_time:2030-01-01T00:00:00",
    "mysql-bin.000001:4",
    "skipTableSuspensionForPartitionDdl=true;=;;x",
    TABLE_MAPPINGS,
    '{"FullLoadSettings":{"MaxFullLoadSubTasks":2}}',
    '{"ValidationSettings":{"EnableValidation":true}}',
)
NUMBERS: tuple[Any, ...] = (
    0,
    1,
    -1,
    4,
    20,
    50,
    100,
    101,
    500,
    3306,
    2**31 - 1,
    2**31,
    -(2**31) - 1,
    2**63,
    10**300,
    1_700_000_000,
)
MOMENTS: tuple[Any, ...] = (*NUMBERS, 0.5, -1e18, 1e18, 1e308, float("nan"), float("inf"))
_SCALARS: dict[str, tuple[Any, ...]] = {
    "boolean": (True, False),
    "integer": NUMBERS,
    "long": NUMBERS,
    **dict.fromkeys(("timestamp", "double", "float"), MOMENTS),
}
ANYTHING: tuple[Any, ...] = (None, True, 0, 1.5, "x", [], {}, [[]], [None], {"": None}, {"x": []})
BODIES: tuple[bytes, ...] = (
    b"",
    b" ",
    b"null",
    b"[]",
    b"7",
    b'"',
    b"{",
    b'{"a":1,}',
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b'{"Marker":"\xff"}',
    b'{"MaxRecords":1e999}',
    b'{"MaxRecords":NaN}',
    b'{"MaxRecords":' + b"9" * 10_000 + b"}",
    b'{"Filters":' + b"[" * 200_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    b'{"__type":"x","__proto__":{}}',
)


class RandomRequests:
    """Calls as (operation, body); `known` are names of objects that exist, by member."""

    def __init__(self, seed: int, known: Mapping[str, Sequence[str]]) -> None:
        self._random = random.Random(seed)
        self._known = known
        self._names = [name for names in known.values() for name in names]

    def calls(self, count: int) -> Iterator[tuple[str, bytes]]:
        operations = (*MODEL.operation_names, "NoSuchOperation", "", "Describe Events", "../x")
        for _ in range(count):
            operation = self._random.choice(operations)
            yield operation, self._body(operation)

    def _body(self, operation: str) -> bytes:
        known = operation in MODEL.operation_names
        shape = MODEL.operation_model(operation).input_shape if known else None
        if shape is None or self._random.random() < 0.05:
            return self._random.choice(BODIES)
        # A call in which every member is sensible gets further than one with a wrong one.
        wildness = self._random.choice((0.0, 0.0, 0.1, 0.5))
        return json.dumps(self._value(shape, wildness)).encode()

    def _value(self, shape: Shape, wildness: float) -> Any:
        if self._random.random() < wildness / 3:
            return self._random.choice(ANYTHING)
        if isinstance(shape, StructureShape):
            return self._structure(shape, wildness)
        if isinstance(shape, ListShape):
            size = self._random.choice((0, 1, 1, 2, 12))
            return [self._value(shape.member, wildness) for _ in range(size)]
        if isinstance(shape, MapShape):
            return {self._text(wildness): self._value(shape.value, wildness)}
        return self._scalar(shape, wildness)

    def _scalar(self, shape: Shape, wildness: float) -> Any:
        choices = _SCALARS.get(shape.type_name, getattr(shape, "enum", None))
        return self._random.choice(choices) if choices else self._text(wildness)

    def _structure(self, shape: StructureShape, wildness: float) -> dict[str, Any]:
        wanted = self._random.choice((0.0, 0.2, 0.6))
        given = {
            name: self._member(name, member, wildness)
            for name, member in shape.members.items()
            if name in shape.required_members or self._random.random() < wanted
        }
        if given and self._random.random() < wildness / 3:
            del given[self._random.choice(list(given))]
        return given

    def _member(self, name: str, shape: Shape, wildness: float) -> Any:
        if name in self._known and self._random.random() > wildness:
            return self._random.choice(self._known[name])
        return self._value(shape, wildness)

    def _text(self, wildness: float) -> str:
        if self._random.random() < wildness:
            return self._random.choice(HOSTILE)
        return self._random.choice(self._random.choice((self._names, PLAUSIBLE)))
