"""Records of a fixed size, gathered from anywhere in a stream, as arrays of their numbers.

What becomes of all of them is computed at once, and written as records in the byte order of
PostgreSQL. This takes 13 MB, and time to load: it is for tables of many rows.
"""

from dataclasses import dataclass, field
from struct import calcsize
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dms_pipeline.local_dms.engine.type_mapping.binary_fields import (
    NULL,
    Computed,
    NoValueError,
    Packed,
)

Places = NDArray[np.int64]
Chosen = NDArray[np.bool_]

_LAST = "last"


class UnevenRowsError(Exception):
    """Some rows are not laid out as the others.

    Attributes:
        fitting: the ones that are laid out as is expected.
    """

    def __init__(self, fitting: Chosen) -> None:
        super().__init__("rows are laid out in more than one way")
        self.fitting = fitting


@dataclass(frozen=True, slots=True)
class _Computation:
    """Numbers that become those of a field, by their names in the records."""

    form: Packed | Computed
    read: tuple[str, ...]
    written: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Records:
    """One kind of record."""

    _read: np.dtype[Any]
    _template: NDArray[Any]
    _computations: tuple[_Computation, ...]
    _expected: dict[str, int]
    _most: int | None

    @property
    def size(self) -> int:
        """In the stream, in bytes."""
        return self._read.itemsize

    def gathered(self, data: bytes, places: Places, ends: Places) -> NDArray[Any]:
        """Those that begin at these places, each in a row that ends there.

        Raises:
            UnevenRowsError: in some rows something else lies there.
        """
        fitting = places + self.size <= ends
        if not fitting.all():
            raise UnevenRowsError(fitting)
        if not self.size:
            return np.empty(len(places), self._read)
        # As if a record lay at every byte. Only what is taken of these is copied.
        anywhere = np.ndarray((len(data) - self.size + 1,), f"V{self.size}", data, strides=(1,))
        records = anywhere[places].view(self._read)
        for name, value in self._expected.items():
            fitting &= records[name] == value
        if self._most is not None:
            fitting &= records[_LAST] <= self._most
        if not fitting.all():
            raise UnevenRowsError(fitting)
        return records

    def last(self, records: NDArray[Any]) -> NDArray[Any]:
        """The number that each ends with, and that is not written."""
        numbers: NDArray[Any] = records[_LAST]
        return numbers

    def made(self, records: NDArray[Any]) -> list[bytes]:
        """What is written of each.

        Raises:
            NoValueError: a value has no field, or does not fit.
        """
        made = np.repeat(self._template, len(records))
        for computation in self._computations:
            numbers = [records[name] for name in computation.read]
            values = _values(computation.form, numbers)
            for name, each in zip(computation.written, values, strict=True):
                made[name] = each
        pieces: list[bytes] = made.view(f"V{made.dtype.itemsize}").tolist()
        return pieces


def _values(form: Packed | Computed, numbers: list[NDArray[Any]]) -> tuple[Any, ...]:
    if isinstance(form, Computed):
        assert form.of_arrays is not None
        return form.of_arrays(*(number.astype(np.int64) for number in numbers))
    (number,) = numbers
    if not np.can_cast(number.dtype, form.write, "safe"):
        # An array takes a number that it cannot hold for another one.
        held = np.iinfo(form.write)
        if number.min() < held.min or number.max() > held.max:
            raise NoValueError
    return (number,)


@dataclass(slots=True)
class RecordLayout:
    """A kind of record, while it is put together from its beginning on."""

    _read: list[tuple[str, str]] = field(default_factory=list)
    _written: list[tuple[str, str]] = field(default_factory=list)
    _constants: dict[str, bytes | int] = field(default_factory=dict)
    _computations: list[_Computation] = field(default_factory=list)
    _expected: dict[str, int] = field(default_factory=dict)

    def expect(self, byte: int) -> None:
        """A byte that has this value in every row."""
        name = f"read_{len(self._read)}"
        self._read.append((name, "u1"))
        self._expected[name] = byte

    def constant(self, value: bytes) -> None:
        """What is written for every row."""
        self._constants[self._write(f"V{len(value)}")] = value

    def null(self) -> None:
        self.constant(NULL)

    def field(self, form: Packed | Computed, codes: str) -> None:
        """A field, of numbers that ``struct`` calls so, the lowest byte of each first."""
        read = tuple(f"read_{len(self._read) + place}" for place in range(len(codes)))
        self._read += zip(read, (f"<{code}" for code in codes), strict=True)
        self._constants[self._write(">i4")] = calcsize(">" + form.write)
        written = tuple(self._write(f">{code}") for code in form.write)
        self._computations.append(_Computation(form, read, written))

    def finished(self, last: str | None = None, most: int | None = None) -> Records:
        """``last`` is what ``struct`` calls a number that is only read, and not above ``most``."""
        if last:
            self._read.append((_LAST, f"<{last}"))
        template = np.zeros(1, np.dtype(self._written))
        for name, value in self._constants.items():
            template[name] = np.void(value) if isinstance(value, bytes) else value
        read = np.dtype(self._read)
        return Records(read, template, tuple(self._computations), self._expected, most)

    def _write(self, kind: str) -> str:
        name = f"written_{len(self._written)}"
        self._written.append((name, kind))
        return name


def is_of_arrays(form: Packed | Computed, codes: str) -> bool:
    """Whether an array of numbers that ``struct`` calls so can become a field of this form."""
    if isinstance(form, Packed):
        return np.can_cast(codes, form.write, "same_kind")
    return form.of_arrays is not None
