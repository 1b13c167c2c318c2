"""Which family maps a column; what is not listed is refused by name before anything is copied."""

from collections.abc import Callable

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import SourceError
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping import binary, network, numbers, temporal, text
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import ColumnMapping, Conversion

_FAMILIES: dict[str, Callable[[Column], Conversion]] = {
    "tinyint": numbers.map_integer,
    "smallint": numbers.map_integer,
    "mediumint": numbers.map_integer,
    "int": numbers.map_integer,
    "bigint": numbers.map_integer,
    "decimal": numbers.map_decimal,
    "float": numbers.map_float,
    "double": numbers.map_double,
    "year": numbers.map_year,
    "bit": numbers.map_bit,
    "date": temporal.map_date,
    "datetime": temporal.map_datetime,
    "timestamp": temporal.map_datetime,
    "time": temporal.map_time,
    "char": text.map_text,
    "varchar": text.map_text,
    "tinytext": text.map_text,
    "text": text.map_text,
    "mediumtext": text.map_text,
    "longtext": text.map_text,
    "json": text.map_json,
    "enum": text.map_enum,
    "set": text.map_set,
    "binary": binary.map_fixed_binary,
    "varbinary": binary.map_bytes,
    "tinyblob": binary.map_bytes,
    "blob": binary.map_bytes,
    "mediumblob": binary.map_bytes,
    "longblob": binary.map_bytes,
    "vector": binary.map_bytes,
    "inet4": network.map_inet4,
    "inet6": network.map_inet6,
    "uuid": network.map_uuid,
    **dict.fromkeys(
        (
            "geometry",
            "point",
            "linestring",
            "polygon",
            "multipoint",
            "multilinestring",
            "multipolygon",
            "geomcollection",
            "geometrycollection",
        ),
        binary.map_geometry,
    ),
}


def convert_column(table: TableId, column: Column) -> Conversion:
    """The column's conversion as AWS documents it for the type.

    Raises:
        SourceError: the type or its character set is not converted.
    """
    family = _FAMILIES.get(column.data_type)
    try:
        if family is None:
            raise SourceError(f"type {column.column_type} is not converted")
        return family(column)
    except SourceError as error:
        raise SourceError(
            f"column {column.name} of table {table}: {error} by the local DMS; leave the column out"
            " with a remove-column rule, or the table with an exclude rule"
        ) from None


def map_column(table: TableId, column: Column) -> ColumnMapping:
    return ColumnMapping.of(convert_column(table, column))
