"""Whether the target still has the columns of the source, with room for its values. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.table_selection import ColumnRules

_INTEGER_BITS = {
    "tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64,
    "int2": 16, "int4": 32, "int8": 64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnSize:
    """A column of either side: what its values may be.

    Attributes:
        name: its name.
        kind: its type, as each side names it.
        characters: how long a text may be; None for other types, and without a limit.
        digits: how many digits a decimal has, and how many of them are behind the point.
        is_generated: whether it is computed from others: DMS may leave such a column out.
    """

    name: str
    kind: str
    characters: int | None = None
    digits: tuple[int, int] | None = None
    is_generated: bool = False


def drift(
    table: TableId,
    source: Sequence[ColumnSize],
    target: Sequence[ColumnSize],
    rules: ColumnRules,
) -> tuple[str, ...]:
    """What does not fit together, column by column, under the names that the mapping gives them.

    What rules do with a column beyond its name is left out.
    """
    there = {column.name.lower(): column for column in target}
    named = {column.name: rules.target_name(table, column.name) for column in source}
    here = {name.lower() for name in named.values() if name is not None}
    found = [
        problem
        for column in source
        if not (column.is_generated or rules.retype(table, column.name))
        if (name := named[column.name]) is not None
        for problem in _problems(column, name, there.get(name.lower()))
    ]
    # Rules of some kinds add columns, or rename those of one type.
    found += [
        f"{column.name}: only the target has it"
        for column in target
        if column.name.lower() not in here
        and not rules.add(table, column.name)
        and not rules.may_make_others(table)
    ]
    return tuple(found)


def _problems(source: ColumnSize, name: str, target: ColumnSize | None) -> Iterator[str]:
    if target is None:
        called = "" if name == source.name else f" as {name}"
        yield f"{source.name}: the target has no such column{called}"
        return
    bits, room = (_INTEGER_BITS.get(side.kind) for side in (source, target))
    if bits and room and bits > room:
        yield f"{source.name}: {source.kind} does not fit into {target.kind}"
    if source.characters and target.characters and source.characters > target.characters:
        yield (f"{source.name}: {source.characters} characters do not fit into {target.characters}")
    if source.digits and target.digits and _is_less(target.digits, source.digits):
        wide, narrow = source.digits, target.digits
        yield f"{source.name}: decimal{wide} does not fit into numeric{narrow}".replace(", ", ",")


def _is_less(room: tuple[int, int], needed: tuple[int, int]) -> bool:
    before, behind = needed[0] - needed[1], needed[1]
    return room[0] - room[1] < before or room[1] < behind
