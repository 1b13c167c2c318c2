"""The DMS type of each MySQL type, by which transformation rules can pick columns."""

_SIGNED = {"tinyint": "int1", "smallint": "int2", "mediumint": "int4", "int": "int4"}
_OTHERS = {
    "bigint": "int8", "decimal": "numeric", "float": "real8", "double": "real8", "bit": "bytes",
    "date": "date", "datetime": "datetime", "timestamp": "datetime", "time": "string",
    "year": "int2", "char": "wstring", "varchar": "wstring", "tinytext": "wstring",
    "text": "wstring", "mediumtext": "nclob", "longtext": "nclob", "json": "clob",
    "enum": "wstring", "set": "wstring", "binary": "bytes", "varbinary": "bytes",
    "tinyblob": "bytes", "blob": "bytes", "mediumblob": "blob", "longblob": "blob",
}  # fmt: skip


def dms_type(data_type: str, is_unsigned: bool) -> str:
    """The name DMS has for it; for types it does not know, MySQL's own name."""
    name = _SIGNED.get(data_type) or _OTHERS.get(data_type, data_type)
    return f"u{name}" if is_unsigned and name.startswith("int") else name
