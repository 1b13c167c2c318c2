"""BINARY, VARBINARY and the BLOB family, all to bytea."""

from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import ColumnMapping


def bytea_field(value: bytes) -> bytes:
    return b"\\\\x" + value.hex().encode()


def map_bytes(column: Column) -> ColumnMapping:
    return ColumnMapping("bytea", bytea_field, bytea_field)


def map_fixed_binary(column: Column) -> ColumnMapping:
    """The binary log strips the zero bytes at the end of a BINARY(n); they are put back."""
    size = column.octet_length or 0

    def field(value: bytes) -> bytes:
        return bytea_field(value.ljust(size, b"\0"))

    return ColumnMapping("bytea", field, field)
