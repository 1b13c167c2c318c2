"""Which conversions of a column's values PostgreSQL makes as MySQL made them. Pure."""

from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping.labels import is_text, parse_labels
from dms_pipeline.local_dms.engine.type_mapping.numbers import INTEGER_BITS, SHORT_YEAR

_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year"})
_STRINGS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
_VARYING = _STRINGS - {"char"}
_TEXTS = _STRINGS | {"enum", "set"}
_BYTES = frozenset({"varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_WHOLE = _INTEGERS - {"year"}
_EXACT = _INTEGERS | {"decimal"}
_COUNTED_IN_BYTES = frozenset({"tinytext", "text", "mediumtext", "longtext"})
_UNICODE = frozenset({"utf8mb4", "utf16", "utf16le", "utf32", "gb18030"})
_PLANE_0 = frozenset({"utf8mb3", "utf8", "ucs2"})
_ASCII_AND_MORE = frozenset({"ascii", "latin1"})
_MOMENTS = (frozenset({"datetime"}), frozenset({"timestamp"}))
_ASSUMED: dict[str, frozenset[str]] = {
    "smallint": _EXACT, "integer": _EXACT, "bigint": _EXACT, "numeric": _EXACT,
    "character varying": _STRINGS, "text": _STRINGS, "bytea": _BYTES,
    "date": frozenset({"date"}), "boolean": frozenset({"bit"}),
}  # fmt: skip
"""What a column of the target was on the source, as far as its type tells.

It does not tell DATETIME from TIMESTAMP, which the session's time zone lies between.
"""


def conversion(
    before: Column | None, after: Column, target_type: str, *, is_strict: bool
) -> str | None:
    """The SQL around the column's name, ``{}``; None if the outcome cannot be promised.

    Args:
        before: None if only the target's type says what the column was.
        after: the new definition.
        target_type: of the target's column as it is.
        is_strict: whether the source refuses to convert values that do not fit. Else it cuts them
            off, or takes the nearest value there is.
    """
    if before is None:
        known = after.data_type in _ASSUMED.get(target_type, ())
        return _convert(after) if known and is_strict else None
    if before.column_type == after.column_type and before.charset == after.charset:
        return "{}"
    if not _keeps(before, after) or not (is_strict or _holds(after, before)):
        return None
    if before.data_type in _INTEGERS and after.data_type in _TEXTS:
        return "{}::text"
    if before.data_type == "bit" and after.data_type in _WHOLE:
        return "{}::integer"
    return _ordered(after) if after.data_type == "set" else _convert(after)


def _ordered(column: Column) -> str:
    """The labels of a SET are shown in the order of its definition.

    One that is no text, for PostgreSQL, is in no value on the target.
    """
    cases = []
    for label in filter(is_text, parse_labels(column.column_type)):
        text = "'" + label.replace("'", "''").replace("{", "{{").replace("}", "}}") + "'"
        cases.append(f"CASE WHEN {text} = ANY(string_to_array({{0}}, ',')) THEN {text} END")
    if not cases:
        return "{}"
    return f"CASE WHEN {{0}} IS NOT NULL THEN concat_ws(',', {', '.join(cases)}) END"


def _keeps(before: Column, after: Column) -> bool:
    """Whether values that fit mean the same in both types, and PostgreSQL rounds as MySQL does."""
    one, other = before.data_type, after.data_type
    if "zerofill" in before.column_type and other in _TEXTS:
        return False
    if after.fraction_digits < before.fraction_digits or "(" in _precise(after):
        # Servers and modes differ in whether they round.
        return False
    if SHORT_YEAR in (before.column_type, after.column_type):
        # It gives a number without the century, and 2000 becomes 0.
        return before.column_type == after.column_type
    if other in ("enum", "set"):
        # Labels of a text would be found by the collation, so that 'A' may become 'a'.
        labels = parse_labels(after.column_type)
        return one == other and set(labels) >= set(parse_labels(before.column_type))
    return (
        (one in _EXACT and other in _EXACT - {"year"})
        or (one in _TEXTS and other in _TEXTS)
        or (one in _WHOLE and other in _TEXTS - {"enum", "set"})
        or (one in _BYTES | {"binary"} and other in _BYTES)
        or any(one in group and other in group for group in _MOMENTS)
        or (one == "date" and other == "datetime")
        or (before.column_type == "bit(1)" and other in _WHOLE)
        or (one == other and one in ("float", "double", "date", "year"))
    )


def _precise(column: Column) -> str:
    return column.column_type if column.data_type in ("float", "double") else ""


def _holds(after: Column, before: Column) -> bool:
    """Whether every value of the one type fits into the other."""
    one, other = before.data_type, after.data_type
    if one in _EXACT:
        low, high, scale = number_range(before)
        if other in _TEXTS:
            return (after.char_length or 0) >= max(len(str(low)), len(str(high)))
        lowest, highest, places = number_range(after)
        return lowest <= low and high <= highest and places >= scale
    if one in _TEXTS and other not in ("enum", "set"):
        fits = _holds_length(before, after)
        return fits and (after.charset == before.charset or after.charset in _UNICODE)
    if one in _BYTES | {"binary"}:
        return (after.octet_length or 0) >= (before.octet_length or 0)
    if one == "bit":
        return True
    return not ("unsigned" in after.column_type and "unsigned" not in before.column_type)


def misfits(before: Column, after: Column) -> str | None:
    """The SQL condition for rows of the target whose values the new type does not hold.

    A source that is not strict changes those. The column's name is ``{0}``. None if the target
    cannot tell.
    """
    one, other = before.data_type, after.data_type
    if one in _EXACT - {"year"} and other in _EXACT - {"year"}:
        low, high, places = number_range(after)
        nines = f".{'9' * places}" if places else ""
        outside = f"{{0}} NOT BETWEEN {low}{nines if low else ''} AND {high}{nines}"
        if places >= number_range(before)[2]:
            return outside
        return f"{outside} OR {{0}} <> round({{0}}::numeric, {places})"
    if one in _TEXTS and other in _STRINGS and after.charset is not None:
        return _misfitting_text(before, after)
    if one in _BYTES | {"binary"} and other in _BYTES:
        return f"octet_length({{0}}) > {after.octet_length or 0}"
    return None


def cut_blanks(before: Column | None, after: Column) -> str | None:
    """The SQL condition for rows of the target that end in white space and may have no room for it.

    Even a strict source cuts that off. None if there are no such rows.
    """
    is_text = after.data_type in _STRINGS
    if not is_text or (before is not None and _holds_length(before, after)):
        return None
    return rf"{_too_long(after)} AND {{0}} ~ '[\t-\r \u00A0]$'"


def keeps_blanks(before: Column | None, after: Column) -> bool:
    """Whether CHAR may become a type whose blanks at the end are no padding."""
    was_char = before is None or before.data_type == "char"
    return was_char and after.data_type in _TEXTS - {"char"}


def _holds_length(before: Column, after: Column) -> bool:
    if before.data_type not in _TEXTS:
        return True
    if after.data_type in _COUNTED_IN_BYTES:
        return (after.octet_length or 0) >= 4 * (before.char_length or 0)
    return (after.char_length or 0) >= (before.char_length or 0)


def _too_long(after: Column) -> str:
    size = after.char_length or 0
    if after.data_type in _COUNTED_IN_BYTES:
        # At most so many characters are as many bytes in every character set.
        size = (after.octet_length or 0) // 4
    return f"char_length({{0}}) > {size}"


def _misfitting_text(before: Column, after: Column) -> str | None:
    too_long = _too_long(after)
    if after.charset == before.charset or after.charset in _UNICODE:
        return too_long
    if after.charset in _PLANE_0:
        return rf"{too_long} OR {{0}} ~ '[\U00010000-\U0010FFFF]'"
    if after.charset in _ASCII_AND_MORE:
        return rf"{too_long} OR {{0}} ~ '[^\u0001-\u007F]'"
    return None


def is_same_in_expressions(before: Column, after: Column) -> bool:
    """Whether every expression has the same result over a value that both types hold."""
    one, other = before.data_type, after.data_type
    is_kept = before.column_type == after.column_type
    if "zerofill" in before.column_type or "zerofill" in after.column_type:
        return is_kept
    if before.charset is None and after.charset is None:
        return is_kept or _is_same_number(before, after) or (one in _BYTES and other in _BYTES)
    # What a statement says does not always tell the collation.
    if before.collation is None or before.collation != after.collation:
        return False
    return is_kept or (one in _VARYING and other in _VARYING) or _adds_labels(before, after)


def _is_same_number(before: Column, after: Column) -> bool:
    one, other = before.data_type, after.data_type
    is_alike = (one in _WHOLE and other in _WHOLE) or (
        one == other == "decimal" and before.scale == after.scale
    )
    return is_alike and before.is_unsigned == after.is_unsigned


def _adds_labels(before: Column, after: Column) -> bool:
    """Whether labels come behind those there are, so that none gets another number."""
    if not before.data_type == after.data_type == "enum":
        return False
    known = parse_labels(before.column_type)
    return parse_labels(after.column_type)[: len(known)] == known


def number_range(column: Column) -> tuple[int, int, int]:
    """The whole numbers that a type can hold, and its decimal places."""
    if column.data_type == "decimal":
        scale = column.scale or 0
        limit = 10 ** ((column.precision or 0) - scale) - 1
        return (0 if column.is_unsigned else -limit), limit, scale
    if column.data_type == "year":
        return 0, 2155, 0
    bits = INTEGER_BITS[column.data_type]
    if column.is_unsigned:
        return 0, (1 << bits) - 1, 0
    return -(1 << bits - 1), (1 << bits - 1) - 1, 0


def _convert(after: Column) -> str:
    # MySQL gives back CHAR without the blanks at its end.
    return "rtrim({}, ' ')" if after.data_type == "char" else "{}"
