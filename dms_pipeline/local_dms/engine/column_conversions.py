"""Which conversions of a column's values PostgreSQL makes as MySQL made them. Pure."""

from dms_pipeline.local_dms.engine.model import Column

_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year"})
_TEXTS = frozenset({
    "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set",
})  # fmt: skip
_BYTES = frozenset({"varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_EXACT = _INTEGERS | {"decimal"}
_MOMENTS = (frozenset({"datetime"}), frozenset({"timestamp"}))
_ASSUMED: dict[str, frozenset[str]] = {
    "smallint": _EXACT, "integer": _EXACT, "bigint": _EXACT, "numeric": _EXACT,
    "character varying": _TEXTS, "text": _TEXTS, "bytea": _BYTES,
    "timestamp without time zone": frozenset({"datetime", "timestamp"}),
    "date": frozenset({"date"}), "boolean": frozenset({"bit"}),
}  # fmt: skip
"""What a column of the target was on the source, as far as its type tells."""


def conversion(before: Column | None, after: Column, target_type: str) -> str | None:
    """The SQL around the column's name, ``{}``; None if the outcome cannot be promised.

    Args:
        before: None if only the target's type says what the column was.
        after: the new definition.
        target_type: of the target's column as it is.
    """
    if before is None:
        return _convert(after) if after.data_type in _ASSUMED.get(target_type, ()) else None
    if before.column_type == after.column_type and before.data_type == after.data_type:
        return "{}"
    one, other = before.data_type, after.data_type
    same = one == other
    keeps = (
        (one in _EXACT and other in _EXACT - {"year"})
        or (one in _TEXTS and other in _TEXTS)
        or (one in _INTEGERS - {"year"} and other in _TEXTS - {"enum", "set"})
        or (one in _BYTES | {"binary"} and other in _BYTES)
        or any(one in group and other in group for group in _MOMENTS)
        or (one == "date" and other == "datetime")
        or (same and one in ("float", "double", "date", "year"))
    )
    zerofill = "zerofill" in before.column_type
    if not keeps or (zerofill and other in _TEXTS):
        return None
    if one in _INTEGERS and other in _TEXTS:
        return "{}::text"
    return _convert(after)


def _convert(after: Column) -> str:
    # MySQL gives back CHAR without the blanks at its end.
    return "rtrim({}, ' ')" if after.data_type == "char" else "{}"
