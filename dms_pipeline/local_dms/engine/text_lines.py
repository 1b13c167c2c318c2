r"""From rows of MySQL's text protocol straight to lines of COPY text, by a function for each table.

A value stands behind its length: one byte up to 250; 251 is NULL, and 252 to 254 announce a longer
length. The function is straight Python without a loop over the columns. Written out for an INT and
a VARCHAR:

    def line(row):
        length, start = row[0], 1
        if length < 251: end = start + length; v0 = row[start:end]
        elif length == 251: end = start; v0 = rb"\N"
        else: start, end = long_value(row, 0); v0 = row[start:end]
        length, start = row[end], end + 1
        if length < 251: end = start + length; v1 = text1(row[start:end])
        elif length == 251: end = start; v1 = rb"\N"
        else: start, end = long_value(row, start - 1); v1 = text1(row[start:end])
        return b"%b\t%b\n" % (v0, v1)
"""

from collections.abc import Callable
from typing import Any

from dms_pipeline.binlog.wire import read_length
from dms_pipeline.local_dms.engine.copy_format import NULL_FIELD, CopyRow
from dms_pipeline.local_dms.engine.table_plan import TablePlan

_NULL = 251

ToLine = Callable[[bytes], CopyRow]


def compile_line(plan: TablePlan) -> ToLine:
    """For a table whose columns all come from the source.

    What PostgreSQL itself refuses is left to it. Other values that it cannot hold are an
    UnfitValueError.
    """
    names: dict[str, Any] = {"long_value": _long_value}
    body, start = [], "0"
    for index, column in enumerate(plan.sourced):
        value = "row[start:end]"
        if (convert := column.mapping.from_printed) is not None:
            names[f"text{index}"] = convert
            value = f"text{index}({value})"
        body += [
            f"length, start = row[{start}], {start} + 1",
            f"if length < {_NULL}: end = start + length; v{index} = {value}",
            f"elif length == {_NULL}: end = start; v{index} = {NULL_FIELD!r}",
            f"else: start, end = long_value(row, start - 1); v{index} = {value}",
        ]
        start = "end"
    template = b"\t".join([b"%b"] * len(plan.sourced)) + b"\n"
    values = "".join(f"v{index}, " for index in range(len(plan.sourced)))
    body.append(f"return {template!r} % ({values})")
    # Nothing of it comes from outside but numbers.
    exec("def line(row):\n" + "".join(f"    {statement}\n" for statement in body), names)
    line: ToLine = names["line"]
    return line


def read_row(row: bytes) -> tuple[bytes | None, ...]:
    """All values of a row, None for NULL."""
    values: list[bytes | None] = []
    offset = 0
    while offset < len(row):
        if row[offset] == _NULL:
            values.append(None)
            offset += 1
        else:
            start, offset = _long_value(row, offset)
            values.append(row[start:offset])
    return tuple(values)


def _long_value(row: bytes, offset: int) -> tuple[int, int]:
    """Where the value begins and ends whose length is at ``offset``."""
    length, start = read_length(row, offset)
    return start, start + length
