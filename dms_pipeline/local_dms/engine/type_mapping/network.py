"""MariaDB's INET4, INET6 and UUID: text on the target, as a query prints them."""

import struct
import uuid
from itertools import groupby

from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import Conversion

_GROUPS = struct.Struct(">8H")


def map_inet4(column: Column) -> Conversion:
    return Conversion("text", "varchar(15)", bytes, lambda value: _inet4(value.ljust(4, b"\0")))


def map_inet6(column: Column) -> Conversion:
    return Conversion("text", "varchar(39)", bytes, lambda value: _inet6(value.ljust(16, b"\0")))


def map_uuid(column: Column) -> Conversion:
    return Conversion("text", "varchar(36)", bytes, _uuid)


def _inet4(stored: bytes) -> bytes:
    return ".".join(map(str, stored)).encode()


def _inet6(stored: bytes) -> bytes:
    """The longest run of zeros is left out, even one of a single group, unlike elsewhere."""
    groups = _GROUPS.unpack(stored)
    start, length = _longest_zeros(groups)
    if start == 0 and (length == 6 or (length == 5 and groups[5] == 0xFFFF)):
        # An address that embeds an IPv4 one ends in its dots.
        return (b"::" if length == 6 else b"::ffff:") + _inet4(stored[12:])
    if not length:
        return _joined(groups).encode()
    return f"{_joined(groups[:start])}::{_joined(groups[start + length :])}".encode()


def _longest_zeros(groups: tuple[int, ...]) -> tuple[int, int]:
    """Where the first of the longest runs of zeros begins, and its length."""
    best, place = (0, 0), 0
    for is_zero, run in groupby(groups, key=lambda group: group == 0):
        length = len(list(run))
        if is_zero and length > best[1]:
            best = place, length
        place += length
    return best


def _joined(groups: tuple[int, ...]) -> str:
    return ":".join(f"{group:x}" for group in groups)


def _uuid(stored: bytes) -> bytes:
    return str(uuid.UUID(bytes=stored.ljust(16, b"\0"))).encode()
