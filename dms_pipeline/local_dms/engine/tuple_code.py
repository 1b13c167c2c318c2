"""Python text of functions that make tuples of COPY's binary format, for the columns of a table.

Such a function is straight Python without a loop over the columns: its statements give the values
names, and one expression puts the fields together. Numbers that stand beside each other in the
tuple are packed at once.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from types import CodeType
from typing import Any

from dms_pipeline.local_dms.engine.type_mapping.binary_fields import (
    NULL,
    BinaryForm,
    Computed,
    FieldOf,
    NoValueError,
    Packed,
    Verbatim,
)

_NULL_LENGTH = -1
_REMEMBERED = 256


@dataclass(slots=True)
class TupleCode:
    """One function while it is written.

    A value is named ``v`` and the column's number; of a computed one the numbers that were read
    are named so, with ``_0`` and so on behind.

    Attributes:
        takes_null: whether a value without a field becomes NULL; else it is a ``NoValueError``.
            A function that takes none is the quicker one.
    """

    takes_null: bool = False
    statements: list[str] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)
    _fields: list[str] = field(default_factory=list)
    _codes: list[str] = field(default_factory=list)
    _values: list[str] = field(default_factory=list)

    def struct_method(self, method: str, codes: str) -> str:
        """The name of a method of the struct of these codes."""
        name = f"{method}_{len(self.names)}"
        self.names[name] = getattr(struct.Struct(codes), method)
        return name

    def number(self, code: str, value: str) -> None:
        self._codes.append(code)
        self._values.append(value)

    def bytes(self, expression: str) -> None:
        self._end_numbers()
        self._fields.append(expression)

    def null(self) -> None:
        self.number("i", str(_NULL_LENGTH))

    def field(self, form: BinaryForm, index: int) -> None:
        """The field of a column whose value has its name."""
        value = f"v{index}"
        if isinstance(form, Packed):
            self.number("i", str(struct.calcsize(">" + form.write)))
            self.number(form.write, value)
        elif isinstance(form, Verbatim):
            self.number("i", f"len({value})")
            self.bytes(value)
        elif isinstance(form, Computed):
            self._computed(form, index)
        else:
            self.names[f"field_{index}"] = form
            self.bytes(f"field_{index}({value})")

    def expression(self) -> str:
        """The fields, in the order in which they came."""
        self._end_numbers()
        # A sum of more than a few would copy what it has again and again.
        if len(self._fields) < 4:
            return " + ".join(self._fields)
        self.names["join"] = b"".join
        return f"join(({', '.join(self._fields)}))"

    def function(self, arguments: str, result: str) -> Any:
        body = [*self.statements, f"return {result}"]
        source = f"def made({arguments}):\n" + "".join(f"    {line}\n" for line in body)
        # Nothing of it comes from outside but numbers.
        exec(_compiled(source), self.names)
        return self.names["made"]

    def _computed(self, form: Computed, index: int) -> None:
        before, values = texts_of(form, index)
        self.names |= form.names or {}
        size = struct.calcsize(">" + form.write)
        if not self.takes_null:
            self.statements += before
            self.number("i", str(size))
            for code, value in zip(form.write, values, strict=True):
                self.number(code, value)
            return
        pack = self.struct_method("pack", ">i" + form.write)
        self.names |= {"NULL": NULL, "NoValueError": NoValueError}
        self.names[f"on_null_{index}"] = form.on_null
        self.statements += [
            "try:",
            *(f"    {line}" for line in before),
            f"    v{index} = {pack}({size}, {', '.join(values)})",
            "except NoValueError:",
            f"    v{index} = NULL; on_null_{index}()",
        ]
        self.bytes(f"v{index}")

    def _end_numbers(self) -> None:
        if self._codes:
            codes, values = _constants_joined(self._codes, self._values)
            pack = self.struct_method("pack", f">{''.join(codes)}")
            self._fields.append(f"{pack}({', '.join(values)})")
            self._codes, self._values = [], []


def texts_of(form: Computed, index: int) -> tuple[list[str], list[str]]:
    """The statements and the expressions of the column of this number."""
    names = [name for _, name in numbers_read(form, index)]
    before, values = (
        [text.format(*names, v=f"v{index}") for text in texts]
        for texts in (form.before, form.values)
    )
    return before, values


def field_of(form: BinaryForm) -> FieldOf:
    """What makes the field of one value, which is one number or one text."""
    if not isinstance(form, Packed | Verbatim | Computed):
        return form
    code = TupleCode(takes_null=True)
    code.field(form, 0)
    value = "v0_0" if isinstance(form, Computed) else "v0"
    function: FieldOf = code.function(value, code.expression())
    return function


def values_of(form: Computed, tables: Mapping[str, Any]) -> Callable[..., tuple[Any, ...]]:
    """What makes the numbers of a field of those in the log, by these tables instead of its own.

    With tables that take arrays it takes arrays, and makes one of each number that is not the same
    in all rows.
    """
    code = TupleCode()
    code.names |= {name: tables[name] for name in form.names or {}}
    before, values = texts_of(form, 0)
    code.statements += before
    numbers = "".join(f"{name}, " for _, name in numbers_read(form, 0))
    function: Callable[..., tuple[Any, ...]] = code.function(numbers, f"({', '.join(values)},)")
    return function


@lru_cache(_REMEMBERED)
def _compiled(source: str) -> CodeType:
    """Tables with columns of the same types have the same text; it takes longest to compile it."""
    return compile(source, "<tuple code>", "exec")


def _constants_joined(codes: list[str], values: list[str]) -> tuple[list[str], list[str]]:
    """Constants beside each other as the bytes that they are: ``struct`` takes time for each."""
    joined_codes, joined_values = list[str](), list[str]()
    numbers = zip(codes, values, strict=True)
    for is_constant, group in groupby(numbers, key=lambda number: _is_constant(number[1])):
        of_group, constants = zip(*group, strict=True)
        if is_constant and len(constants) > 1:
            packed = struct.pack(">" + "".join(of_group), *map(int, constants))
            of_group, constants = (f"{len(packed)}s",), (repr(packed),)
        joined_codes += of_group
        joined_values += constants
    return joined_codes, joined_values


def _is_constant(value: str) -> bool:
    return value.removeprefix("-").isdecimal()


def numbers_read(form: Computed, index: int) -> Iterable[tuple[str, str]]:
    """What ``struct`` calls the numbers of a computed value, and their names."""
    return ((code, f"v{index}_{place}") for place, code in enumerate(form.read))
