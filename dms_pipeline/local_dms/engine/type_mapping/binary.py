"""BINARY, VARBINARY, the BLOB family, geometries and vectors, all to bytea."""

from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import Conversion

_LOBS = frozenset({"mediumblob", "longblob"})


def map_bytes(column: Column) -> Conversion:
    return Conversion("bytes", "bytea", bytes, bytes, is_lob=column.data_type in _LOBS)


def map_fixed_binary(column: Column) -> Conversion:
    """The binary log strips the zero bytes at the end of a BINARY(n); they are put back."""
    size = column.octet_length or 0

    def padded(value: bytes) -> bytes:
        return value.ljust(size, b"\0")

    return Conversion("bytes", "bytea", bytes, padded)


def map_geometry(column: Column) -> Conversion:
    """MySQL's own format on both paths: four bytes of SRID, then well-known binary."""
    return Conversion("bytes", "bytea", bytes, bytes, is_lob=True)
