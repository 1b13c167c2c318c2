"""Many rows that are laid out alike, column by column, as tuples of binary COPY.

The numbers that lie between two texts are gathered from all rows as records, become arrays that are
computed at once, and are written as records in the byte order of PostgreSQL. What Python itself
does for each row is to cut its texts. This takes 13 MB, and time to load: it is for many rows.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from struct import calcsize
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dms_pipeline.local_dms.engine.tuple_code import field_of, values_of
from dms_pipeline.local_dms.engine.type_mapping.array_tables import TABLES
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import (
    NULL,
    BinaryForm,
    Computed,
    FieldOf,
    NoValueError,
    Packed,
    Verbatim,
)

Places = NDArray[np.int64]
Chosen = NDArray[np.bool_]
Records = NDArray[Any]
Values = Callable[..., tuple[Any, ...]]
"""Makes the numbers of fields of those in rows: each an array, or one number for all rows."""

_LAST = "last"
# What `struct` calls the numbers of which one of so many bytes is put together.
_LENGTH_CODES = {1: "B", 2: "H", 3: "HB", 4: "I"}


class UnevenRowsError(Exception):
    """Some rows are not laid out as the others.

    Attributes:
        fitting: the ones that may be laid out as is expected.
    """

    def __init__(self, fitting: Chosen) -> None:
        super().__init__("rows are laid out in more than one way")
        self.fitting = fitting


def by_content(data: bytes, places: Places, size: int) -> Iterator[tuple[bytes, Any]]:
    """Which of the places have the same so many bytes."""
    contents: list[bytes] = _records_at(data, places, np.dtype(f"V{size}")).tolist()
    if contents.count(contents[0]) == len(contents):
        yield contents[0], slice(None)
        return
    groups: dict[bytes, list[int]] = {}
    for number, content in enumerate(contents):
        groups.setdefault(content, []).append(number)
    yield from groups.items()


def _records_at(data: bytes, places: Places, kind: np.dtype[Any]) -> Records:
    size = kind.itemsize
    # As if one lay at every byte. Only what is taken of these is copied.
    anywhere = np.ndarray((len(data) - size + 1,), f"V{size}", data, strides=(1,))
    return anywhere[places].view(kind)


@dataclass(frozen=True, slots=True)
class _Computation:
    """Numbers of a record that become numbers of a field, by their names."""

    values: Values
    read: tuple[str, ...]
    written: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Columns beside each other that are computed as arrays.

    Attributes:
        read: a record of what lies in the row.
        template: a record of what is written, with what is the same for all rows.
        expected: what numbers have to be.
        longest: what numbers may be at most.
    """

    read: np.dtype[Any]
    template: Records
    computations: tuple[_Computation, ...]
    expected: dict[str, int]
    longest: dict[str, int]

    def gathered(self, data: bytes, places: Places, ends: Places | None) -> Records:
        """Those of all rows, of which none goes on behind its end.

        Raises:
            UnevenRowsError: in some rows something else lies there.
        """
        if ends is not None:
            _require(places + self.read.itemsize <= ends)
        if not self.read.itemsize:
            return np.empty(len(places), self.read)
        records = _records_at(data, places, self.read)
        for name, value in self.expected.items():
            _require(records[name] == value)
        for name, most in self.longest.items():
            _require(records[name] <= most)
        return records

    def made(self, records: Records) -> list[bytes]:
        """What is written of each.

        Raises:
            NoValueError: a value has no field, or does not fit.
        """
        made = np.repeat(self.template, len(records))
        for computation in self.computations:
            values = computation.values(*(records[name] for name in computation.read))
            for name, each in zip(computation.written, values, strict=True):
                made[name] = each
        pieces: list[bytes] = made.view(f"V{made.dtype.itemsize}").tolist()
        return pieces


def _require(fitting: Chosen) -> None:
    if not fitting.all():
        raise UnevenRowsError(fitting)


@dataclass(frozen=True, slots=True)
class _Number:
    """A column whose values are made one by one of the last number of the records."""

    form: FieldOf

    def cut(self, data: bytes, places: Places, records: Records) -> tuple[Iterable[bytes], Places]:
        return map(self.form, records[_LAST].tolist()), places


@dataclass(frozen=True, slots=True)
class _Text:
    """A column that lies behind the records, and that is no part of the tuple without a form.

    Attributes:
        length: the numbers of the records of which its length consists.
    """

    form: FieldOf | Verbatim | None
    length: tuple[str, ...]

    def cut(
        self, data: bytes, places: Places, records: Records
    ) -> tuple[Iterable[bytes] | None, Places]:
        """The fields, which are made while they are taken; and the places behind the texts."""
        (length,) = _length(*(records[name] for name in self.length))
        ends: Places = places + length
        if self.form is None:
            return None, ends
        spans = zip(places.tolist(), ends.tolist(), strict=True)
        texts = [data[start:end] for start, end in spans]
        return texts if isinstance(self.form, Verbatim) else map(self.form, texts), ends


@dataclass(frozen=True, slots=True)
class AlikeRows:
    """Of rows that are laid out alike."""

    _parts: tuple[tuple[_Numbers, _Number | _Text | None], ...]

    def tuples(self, data: bytes, places: Places, ends: Places | None = None) -> Iterator[bytes]:
        """In as many pieces as it takes.

        Args:
            data: in which the rows lie.
            places: where each begins.
            ends: where it ends, if that is not sure.

        Raises:
            UnevenRowsError: some rows are laid out otherwise.
            NoValueError: a value of one has no field, or does not fit.
        """
        fields: list[Iterable[bytes]] = []
        for numbers, behind in self._parts:
            records = numbers.gathered(data, places, ends)
            fields.append(numbers.made(records))
            places = places + numbers.read.itemsize
            if behind is None:
                continue
            cut, places = behind.cut(data, places, records)
            if cut is not None:
                fields.append(cut)
        return chain.from_iterable(zip(*fields, strict=True))


@dataclass(slots=True)
class _Draft:
    """Of ``_Numbers``, of which the names and kinds are listed in the order of the records."""

    read: list[tuple[str, str]] = field(default_factory=list)
    written: list[tuple[str, str]] = field(default_factory=list)
    constants: dict[str, bytes | int] = field(default_factory=dict)
    computations: list[_Computation] = field(default_factory=list)
    expected: dict[str, int] = field(default_factory=dict)
    longest: dict[str, int] = field(default_factory=dict)

    def reads(self, kind: str) -> str:
        name = f"read_{len(self.read)}"
        self.read.append((name, kind))
        return name

    def writes(self, kind: str) -> str:
        name = f"written_{len(self.written)}"
        self.written.append((name, kind))
        return name

    def compute(self, values: Values, order: str, codes: str, write: str) -> None:
        """A field, behind its length."""
        self.constants[self.writes(">i4")] = calcsize(">" + write)
        read = tuple(self.reads(order + code) for code in codes)
        written = tuple(self.writes(">" + code) for code in write)
        self.computations.append(_Computation(values, read, written))

    def finished(self) -> _Numbers:
        template = np.zeros(1, np.dtype(self.written))
        for name, value in self.constants.items():
            template[name] = np.void(value) if isinstance(value, bytes) else value
        read, computations = np.dtype(self.read), tuple(self.computations)
        return _Numbers(read, template, computations, self.expected, self.longest)


class RowLayout:
    """How rows are laid out, put together column by column."""

    def __init__(self) -> None:
        self._parts: list[tuple[_Numbers, _Number | _Text | None]] = []
        self._draft = _Draft()

    def skip(self, size: int) -> None:
        """So many bytes that are no part of the tuple."""
        self._draft.reads(f"V{size}")

    def expect(self, byte: int) -> None:
        """A byte that has this value in all rows, and is no part of the tuple."""
        self._draft.expected[self._draft.reads("u1")] = byte

    def constant(self, value: bytes) -> None:
        """What is in the tuple of every row."""
        self._draft.constants[self._draft.writes(f"V{len(value)}")] = value

    def null(self) -> None:
        self.constant(NULL)

    def number(self, form: BinaryForm, order: str, codes: str) -> None:
        """A field of numbers that ``struct`` calls so; first the order of their bytes."""
        if isinstance(form, Computed):
            values = _of_wholes(values_of(form, TABLES))
            self._draft.compute(values, order, codes, form.write)
        elif isinstance(form, Packed) and np.can_cast(codes, form.write, "same_kind"):
            self._draft.compute(_held_by(form.write), order, codes, form.write)
        else:
            self.each(form, order + codes)

    def each(self, form: BinaryForm, kind: str) -> None:
        """A field that is made one by one of a value that ``numpy`` calls so."""
        self._draft.read.append((_LAST, kind))
        self._end(_Number(field_of(form)))

    def text(self, form: BinaryForm | None, width: int, longest: int | None = None) -> None:
        """A value behind its length, which has so many bytes; without a form no part of the tuple.

        Args:
            form: of the value.
            width: of its length, in bytes.
            longest: what its length may be at most.
        """
        draft = self._draft
        length = tuple(draft.reads(f"<{code}") for code in _LENGTH_CODES[width])
        if longest is not None:
            draft.longest[length[0]] = longest
        if isinstance(form, Verbatim):
            draft.computations.append(_Computation(_length, length, (draft.writes(">i4"),)))
            self._end(_Text(form, length))
        else:
            self._end(_Text(None if form is None else field_of(form), length))

    def finished(self) -> AlikeRows:
        self._end(None)
        return AlikeRows(tuple(self._parts))

    def _end(self, behind: _Number | _Text | None) -> None:
        self._parts.append((self._draft.finished(), behind))
        self._draft = _Draft()


def _of_wholes(of: Values) -> Values:
    return lambda *numbers: of(*(number.astype(np.int64) for number in numbers))


def _held_by(code: str) -> Values:
    """Numbers as they are, if such a number can hold them: an array would take them for others."""

    def values(numbers: NDArray[Any]) -> tuple[Any, ...]:
        if not np.can_cast(numbers.dtype, code, "safe"):
            held = np.iinfo(code)
            if numbers.min() < held.min or numbers.max() > held.max:
                raise NoValueError
        return (numbers,)

    return values


@_of_wholes
def _length(low: Places, high: Places | int = 0) -> tuple[Any, ...]:
    return (low | high << 16,)
