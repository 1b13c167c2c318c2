r"""Python text of functions that make a tuple of binary COPY of a row in MySQL's binary protocol.

A row begins with a zero and a bitmap of its NULLs, whose first two bits are not used; then come the
values (MySQL's manual, "Binary Protocol Resultset Row"). Of a time the server leaves out what is
zero at its end. A function for one bitmap, and for one length of each time, is straight Python;
written out here for a BIGINT, an INT, a DATETIME and a VARCHAR:

    def made(row):
        try:
            if row[14] != 7: return of_other_lengths(row)
            v0, v1, v2_0, v2_1, v2_2, size, = unpack_0(row, 2)
            start = 22; end = start + 1 + size
            if size <= 250: v3 = row[start:end]; length_3 = b'\0\0\0'
            else: length_3, v3, end = long_field(row, start)
            v2d = sent_days_us[v2_0]
            made = join((pack_1(b'\0\4\0\0\0\10', v0, 4, v1, 8, v2d + sent_minutes_us[v2_1]
                                + v2_2 * 1000000), length_3, v3))
        except NoValueError: return with_null(row)
        return made

A short text goes over with the byte of its length, which is the last of four on the target.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dms_pipeline.binlog.wire import read_length
from dms_pipeline.local_dms.engine.copy_format import CopyRow
from dms_pipeline.local_dms.engine.tuple_code import TupleCode
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import (
    NULL,
    BinaryForm,
    Computed,
    NoValueError,
    Verbatim,
)
from dms_pipeline.local_dms.engine.type_mapping.sent_fields import SentColumn, SentForm, Shortened

_LENGTH = struct.Struct(">i")
UNUSED_BITS = 2
LONGEST_IN_A_BYTE = 250

ToTuple = Callable[[bytes], CopyRow]


@dataclass(frozen=True, slots=True)
class SentRows:
    """How the rows of a query are sent, and what their values become."""

    columns: Sequence[SentColumn]
    forms: Sequence[SentForm]

    @property
    def head(self) -> int:
        """Where the values begin, behind the bitmap, which begins at 1."""
        return 1 + (len(self.columns) + UNUSED_BITS + 7) // 8

    def lengths(self, row: bytes) -> bytes:
        """How many bytes each time has that is not NULL."""
        lengths = bytearray()
        nulls, offset = int.from_bytes(row[1 : self.head], "little") >> UNUSED_BITS, self.head
        for index, (column, form) in enumerate(zip(self.columns, self.forms, strict=True)):
            if nulls >> index & 1:
                continue
            if (code := column.number) is not None:
                offset += struct.calcsize("<" + code)
                continue
            if isinstance(form, Shortened):
                lengths.append(row[offset])
            length, offset = read_length(row, offset)
            offset += length
        return bytes(lengths)


@dataclass(frozen=True, slots=True)
class Others:
    """What makes the tuples of rows that a function is not for."""

    of_other_lengths: ToTuple
    with_null: ToTuple


def tuple_of(rows: SentRows, nulls: bytes, lengths: bytes, others: Others) -> ToTuple:
    """Of rows with these NULLs and these lengths of times."""
    return _OnePattern(rows, nulls, lengths, others).function()


def tuple_of_any(rows: SentRows) -> ToTuple:
    """Of any row, with values that become NULL too; it takes twice as long."""
    code = TupleCode(takes_null=True)
    code.names |= {"long_value": _long_value, "NULL": NULL}
    code.statements += [
        f"nulls = int.from_bytes(row[1:{rows.head}], 'little')",
        f"end = {rows.head}",
    ]
    code.bytes(repr(struct.pack(">h", len(rows.columns))))
    for index, (column, form) in enumerate(zip(rows.columns, rows.forms, strict=True)):
        one = _any_value(code, index, column, form)
        code.statements += [f"if nulls & {1 << index + UNUSED_BITS}: f{index} = NULL"]
        code.statements += ["else:", *_indented(one)]
        code.bytes(f"f{index}")
    function: ToTuple = code.function("row", code.expression())
    return function


def _any_value(code: TupleCode, index: int, column: SentColumn, form: SentForm) -> list[str]:
    """Statements that read the value at ``end``, move that behind it, and make the field."""
    if not isinstance(form, Shortened):
        if (number := column.number) is not None:
            return _any_numbers(code, index, form, number)
        name = _names(index, form, "s")
        return [
            "start, end = long_value(row, end)",
            f"{name} = row[start:end]",
            *_any_field(code, index, form),
        ]
    code.names[f"zero_{index}"] = form.on_null
    statements = ["size = row[end]; end += 1", f"if not size: f{index} = NULL; zero_{index}()"]
    for length, computed in form.by_length.items():
        read = _any_numbers(code, index, computed, computed.read)
        statements += [f"elif size == {length}:", *_indented(read)]
    return [*statements, "else: raise ValueError('no time has %d bytes' % size)"]


def _any_numbers(code: TupleCode, index: int, form: BinaryForm, numbers: str) -> list[str]:
    unpack = code.struct_method("unpack_from", f"<{numbers}")
    names = _names(index, form, numbers)
    size = struct.calcsize(f"<{numbers}")
    return [f"{names}, = {unpack}(row, end); end += {size}", *_any_field(code, index, form)]


def _any_field(code: TupleCode, index: int, form: BinaryForm) -> list[str]:
    one = TupleCode(takes_null=True, names=code.names)
    one.field(form, index)
    return [*one.statements, f"f{index} = {one.expression()}"]


def _names(index: int, form: SentForm, codes: str) -> str:
    if isinstance(form, Computed):
        return ", ".join(f"v{index}_{place}" for place in range(len(codes)))
    return f"v{index}"


def _indented(statements: list[str]) -> list[str]:
    return [f"    {statement}" for statement in statements]


class _OnePattern:
    """The text of one function; ``ahead`` is how far behind ``base`` the next value lies."""

    def __init__(self, rows: SentRows, nulls: bytes, lengths: bytes, others: Others) -> None:
        self._rows = rows
        self._nulls = int.from_bytes(nulls, "little") >> UNUSED_BITS
        self._lengths = iter(lengths)
        self._code = TupleCode()
        self._code.names |= {
            "NoValueError": NoValueError,
            "long_value": _long_value,
            "long_field": _long_field,
            "of_other_lengths": others.of_other_lengths,
            "with_null": others.with_null,
        }
        self._base, self._ahead = "", rows.head
        # What is read at once from there on, and what those values are called.
        self._run_begin, self._run_codes, self._run_names = self._ahead, "<", list[str]()
        self._notes: list[str] = []

    def function(self) -> ToTuple:
        code = self._code
        made_of = [self._read(index) for index in range(len(self._rows.columns))]
        self._end_run()
        code.number("h", str(len(self._rows.columns)))
        for index, form in enumerate(made_of):
            if form is None:
                code.null()
            elif isinstance(form, Verbatim):
                code.bytes(f"length_{index}")
                code.bytes(f"v{index}")
            else:
                code.field(form, index)
        code.statements.append(f"made = {code.expression()}")
        if not code.takes_null:
            lines = [f"    {line}" for line in code.statements]
            code.statements[:] = [
                "try:",
                *lines,
                "except NoValueError:",
                "    return with_null(row)",
            ]
        # Behind everything that may say that another function is to make the tuple.
        code.statements += self._notes
        function: ToTuple = code.function("row", "made")
        return function

    def _read(self, index: int) -> BinaryForm | None:
        """Gives the value its names; the form of its field, None for NULL."""
        column, form = self._rows.columns[index], self._rows.forms[index]
        if self._nulls >> index & 1:
            return None
        if isinstance(form, Shortened):
            return self._read_time(index, form)
        if (code := column.number) is not None:
            self._read_number(code, _names(index, form, code))
        elif isinstance(form, Verbatim):
            self._read_verbatim(index)
        else:
            self._read_counted(_names(index, form, "s"))
        return form

    def _read_number(self, code: str, name: str) -> None:
        self._run_codes += code
        self._run_names.append(name)
        self._ahead += struct.calcsize("<" + code)

    def _read_time(self, index: int, form: Shortened) -> Computed | None:
        length = next(self._lengths)
        # Looked at before what is behind is read, as the row may end there.
        self._statement(f"if row[{self._at()}] != {length}: return of_other_lengths(row)")
        self._skip()
        if not length:
            self._code.names[f"zero_{index}"] = form.on_null
            self._notes.append(f"zero_{index}()")
            return None
        computed = form.by_length.get(length)
        if computed is None:
            raise ValueError(f"a time of {length} bytes is not known")
        for place, code in enumerate(computed.read):
            self._read_number(code, f"v{index}_{place}")
        return computed

    def _skip(self) -> None:
        self._run_codes += "x"
        self._ahead += 1

    def _read_verbatim(self, index: int) -> None:
        """A value whose length is the last of the field's four bytes of length, if it is one."""
        self._read_size()
        self._statement(f"start = {self._at(self._ahead - 1)}; end = start + 1 + size")
        short = f"v{index} = row[start:end]; length_{index} = {bytes(3)!r}"
        self._statement(f"if size <= {LONGEST_IN_A_BYTE}: {short}")
        self._statement(f"else: length_{index}, v{index}, end = long_field(row, start)")
        self._begin_run("end")

    def _read_counted(self, name: str) -> None:
        """A value behind its length."""
        self._read_size()
        self._statement(f"start = {self._at()}; end = start + size")
        self._statement(f"if size > {LONGEST_IN_A_BYTE}: start, end = long_value(row, start - 1)")
        self._statement(f"{name} = row[start:end]")
        self._begin_run("end")

    def _read_size(self) -> None:
        """The first byte of a length."""
        if self._run_names:
            self._read_number("B", "size")
            self._end_run()
        else:
            self._statement(f"size = row[{self._at()}]")
            self._ahead += 1

    def _end_run(self) -> None:
        if self._run_names:
            unpack = self._code.struct_method("unpack_from", self._run_codes)
            names = "".join(f"{name}, " for name in self._run_names)
            self._statement(f"{names}= {unpack}(row, {self._at(self._run_begin)})")
        self._run_begin, self._run_codes, self._run_names = self._ahead, "<", []

    def _begin_run(self, base: str) -> None:
        self._base, self._ahead, self._run_begin, self._run_codes = base, 0, 0, "<"

    def _at(self, ahead: int | None = None) -> str:
        ahead = self._ahead if ahead is None else ahead
        if self._base and ahead:
            return f"{self._base} + {ahead}"
        return self._base or str(ahead)

    def _statement(self, text: str) -> None:
        self._code.statements.append(text)


def _long_value(row: bytes, offset: int) -> tuple[int, int]:
    """Where the value begins and ends whose length is at ``offset``."""
    length, start = read_length(row, offset)
    return start, start + length


def _long_field(row: bytes, offset: int) -> tuple[bytes, bytes, int]:
    """The length of the field, the value whose length is at ``offset``, and where it ends."""
    start, end = _long_value(row, offset)
    return _LENGTH.pack(end - start), row[start:end], end
