"""MySQL's character sets: bytes as a column stores them to text, the way the server converts them.

Python's codecs do most of the work. Where they and the server disagree about a code, the server is
followed, because its conversion is what every other client of the source sees.
"""

# The tables hold what looks like other characters on purpose.
# ruff: noqa: RUF001

import codecs
from collections.abc import Callable
from typing import Any

from pymysql.charset import charset_by_id

from dms_pipeline.errors import SourceError
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import UnfitValueError

Decoder = Callable[[bytes], str]

# Only ENUM and SET have text of the character set binary: labels, as the client wrote them.
_UTF8 = frozenset({"utf8mb4", "utf8mb3", "utf8", "binary"})
_CODECS = {
    "ucs2": "utf-16-be", "utf16": "utf-16-be", "utf16le": "utf-16-le", "utf32": "utf-32-be",
    "latin2": "iso8859-2", "latin5": "iso8859-9", "latin7": "iso8859-13", "greek": "iso8859-7",
    "hebrew": "iso8859-8", "cp1250": "cp1250", "cp1251": "cp1251", "cp1256": "cp1256",
    "cp1257": "cp1257", "cp850": "cp850", "cp852": "cp852", "cp866": "cp866", "koi8r": "koi8-r",
    "koi8u": "koi8-u", "macroman": "mac-roman", "macce": "mac-latin2", "tis620": "tis-620",
    "hp8": "hp-roman8", "gbk": "gbk", "gb2312": "gb2312", "gb18030": "gb18030", "big5": "big5",
    "sjis": "shift-jis", "cp932": "cp932", "ujis": "euc-jp", "eucjpms": "euc-jp", "euckr": "cp949",
    "swe7": "ascii", "ascii": "ascii",
}  # fmt: skip
_WHOLE = frozenset({"utf-16-be", "utf-16-le", "utf-32-be"})
"""Codecs that know every code there is."""
_DIFFERENT: dict[str, dict[str, str]] = {
    "cp866": {"№": "ⁿ", "¤": "²"},
    "greek": {"‘": "ʽ", "’": "ʼ", "€": "?", "₯": "?", "ͺ": "?"},
    "big5": dict.fromkeys("╴￣ˍ", "\ufffd"),
    "cp1256": dict.fromkeys("ٹڈکڑںھہے", "?"),
    "hebrew": {"¯": "‾"},
    "koi8u": {"∙": "•"},
    "sjis": {"＼": "\\"},
    "ujis": {"＼": "\\"},
    "eucjpms": {"〜": "～", "‖": "∥", "−": "－", "¢": "￠", "£": "￡", "¬": "￢", "¦": "￤"},
    "gb18030": {"\ue7c7": "ḿ", "ḿ": "\ue7c7"},
    "swe7": dict(zip("@[\\]^`{|}~", "ÉÄÖÅÜéäöåü", strict=True)),
}
"""What a codec makes of a code, and what the server makes of it."""
_ASCII = "".join(map(chr, range(0x80)))
_C1 = "".join(map(chr, range(0x80, 0xA0)))
_UPPER_HALVES = {
    "dec8": _C1 + "\xa0¡¢£□¥□§¤©ª«□□□□°±²³□µ¶·□¹º»¼½□¿"
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏ□ÑÒÓÔÕÖŒØÙÚÛÜŸ□ß"
    "àáâãäåæçèéêëìíîï□ñòóôõöœøùúûüÿ",
    "armscii8": _C1 + "\xa0❁§։)(»«—.՝,-՟…՜՛՞ԱաԲբԳգԴդԵեԶզԷէ"
    "ԸըԹթԺժԻիԼլԽխԾծԿկՀհՁձՂղՃճՄմՅյՆնՇշ"
    "ՈոՉչՊպՋջՌռՍսՎվՏտՐրՑցՒւՓփՔքՕօՖֆ’'",
    "geostd8": "€□‚□„…†‡□‰□‹□□□□□‘’“”•–—□□□›□□□□"
    "\xa0¡¢£¤¥¦§¨©ª«¬\xad®¯°±²³´µ¶·¸¹º»¼½¾¿"
    "აბგდევზჱთიკლმნჲოპჟრსტჳუფქღყშჩცძწ"
    "ჭხჴჯჰჵ□□□□□□□□□□□□□□□□□□□□□□□№",
    "keybcs2": "ČüéďäĎŤčěĚĹÍľĺÄÁÉžŽôöÓůÚýÖÜŠĽÝŘť"
    "áíóúňŇŮÔšřŕŔ¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐"
    "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀"
    "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\xa0",
}
"""Bytes 80 to FF of the sets Python lacks; a square stands for bytes without a character."""
_EUCJPMS_DIFFERENT = {ord(code): text for code, text in _DIFFERENT["eucjpms"].items()}
_EUCJPMS_EXTENSION = (
    "ⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩ＇＂㈱№℡炻仼僴凬匇匤﨎咊坙﨏塚增寬峵嵓"
    "﨑德悅愠敎昻晥晴朗栁﨓﨔橫櫢淸淲瀨凞猪甁皂皞益礰礼神祥福竧靖精綠緖羽荢﨟薰蘒﨡蠇"
    "諸譿賴赶﨣﨤逸郞都鄕﨧﨨閒隆﨩霻靍靑飯飼館馞髙魲鶴黑"
)
"""The characters of 8F F3 F3 to 8F F4 FE."""
_BIG5_EXTENSION = "碁銹裏墻恒粧嫺"
"""The characters of F9 D6 to F9 DC."""
_LATIN1_CONTROLS = (0x81, 0x8D, 0x8F, 0x90, 0x9D)
_EUC_FIRST, _EUC_USER_ROW, _EUC_COLUMNS = 0xA1, 0xF5, 94
_PRIVATE_USE, _PRIVATE_USE_THREE_BYTES = 0xE000, 0xE3AC


def is_utf8(charset: str | None) -> bool:
    """Whether the stored bytes are UTF-8 already; without a character set MySQL means its own."""
    return charset is None or charset in _UTF8


def charset_of(collation: int | None) -> str | None:
    """The character set of a collation by its number; None for numbers that are not known."""
    if collation is None:
        return None
    try:
        charset: Any = charset_by_id(collation)
    except KeyError:
        return None
    return str(charset.name)


def same_charset(one: str, other: str) -> bool:
    """Servers differ in what they call the set of three bytes."""
    return one.replace("utf8mb3", "utf8") == other.replace("utf8mb3", "utf8")


def text_decoder(charset: str) -> Decoder:
    """A function from stored bytes to text; it raises UnfitValueError for bytes that are none."""
    strict = _strict_decoder(charset)

    def decode(value: bytes) -> str:
        try:
            return strict(value)
        except UnicodeError:
            raise UnfitValueError(f"text is not valid {charset}") from None

    return decode


def _strict_decoder(charset: str) -> Decoder:
    if charset == "latin1":
        return _decode_latin1
    if charset in _UPPER_HALVES:
        return _table_decoder(_ASCII + _UPPER_HALVES[charset].replace("□", "\ufffe"))
    codec = _CODECS.get(charset)
    if codec is None:
        raise SourceError(f"character set {charset} is not converted")
    if charset == "eucjpms":
        return _decode_eucjpms
    decode = codecs.getdecoder(codec)
    errors = _ERROR_HANDLERS.get(charset, "strict" if codec in _WHOLE else "local_dms_unassigned")
    different = {ord(code): text for code, text in _DIFFERENT.get(charset, {}).items()}
    if different:
        return lambda value: decode(value, errors)[0].translate(different)
    return lambda value: decode(value, errors)[0]


def _decode_latin1(value: bytes) -> str:
    """MySQL's latin1 is cp1252, whose five unassigned bytes are control characters to MySQL."""
    try:
        return value.decode("cp1252")
    except UnicodeDecodeError:
        return "".join(
            chr(byte) if byte in _LATIN1_CONTROLS else bytes([byte]).decode("cp1252")
            for byte in value
        )


def _table_decoder(table: str) -> Decoder:
    def decode(value: bytes) -> str:
        return codecs.charmap_decode(value, "local_dms_unassigned", table)[0]

    return decode


def _decode_eucjpms(value: bytes) -> str:
    # The codec makes an ASCII tilde of this code, which no table could tell from a real one.
    value = value.replace(b"\x8f\xa2\xb7", b"\xa1\xc1")
    return value.decode("euc-jp", _ERROR_HANDLERS["eucjpms"]).translate(_EUCJPMS_DIFFERENT)


def _missing_in_big5(error: UnicodeError) -> tuple[str, int]:
    code = _code_at(error, 2)
    place = code[1] - 0xD6 if len(code) == 2 and code[0] == 0xF9 else -1
    if not 0 <= place < len(_BIG5_EXTENSION):
        return _unassigned(error)
    return _BIG5_EXTENSION[place], _start(error) + 2


def _missing_in_ujis(error: UnicodeError) -> tuple[str, int]:
    """The rows for characters that users define are private use to the server."""
    code = _code_at(error, 3)
    three = code[:1] == b"\x8f"
    row, column = (code[1:3] if three else code[:2]).ljust(2, b"\0")
    if row < _EUC_USER_ROW or column < _EUC_FIRST:
        return _unassigned(error)
    place = (row - _EUC_USER_ROW) * _EUC_COLUMNS + column - _EUC_FIRST
    first = _PRIVATE_USE_THREE_BYTES if three else _PRIVATE_USE
    return chr(first + place), _start(error) + (3 if three else 2)


def _missing_in_eucjpms(error: UnicodeError) -> tuple[str, int]:
    code = _code_at(error, 3).ljust(3, b"\0")
    if code[0] == 0x8F:
        place = (code[1] - 0xF3) * _EUC_COLUMNS + code[2] - 0xF3
        if 0 <= place < len(_EUCJPMS_EXTENSION):
            return _EUCJPMS_EXTENSION[place], _start(error) + 3
    elif _EUC_FIRST <= code[0] < _EUC_USER_ROW and code[1] >= _EUC_FIRST:
        # The extension of NEC is the same in cp932, which numbers rows and columns otherwise.
        same = _cp932_code(code[0] - _EUC_FIRST, code[1] - _EUC_FIRST)
        return same.decode("cp932", "local_dms_unassigned"), _start(error) + 2
    return _missing_in_ujis(error)


def _cp932_code(row: int, column: int) -> bytes:
    lead = (row >> 1) + (0x81 if row < 62 else 0xC1)
    trail = column + 0x9F if row & 1 else column + 0x40 + (column >= 63)
    return bytes([lead, trail])


def _unassigned(error: UnicodeError) -> tuple[str, int]:
    """A code without a character: the server, too, gives a question mark for the whole of it."""
    code = _code_at(error, 4)
    length = _length(getattr(error, "encoding", ""), code.ljust(4, b"\0"))
    if not 0 < length <= len(code):
        raise error
    return "?", _start(error) + length


def _length(encoding: str, code: bytes) -> int:
    """How many bytes a code has; 0 where they are none that the server stores."""
    lead, trail = code[:2]
    if encoding in ("charmap", "ascii"):
        return 1
    if encoding == "gb18030" and 0x30 <= trail <= 0x39:
        return 4
    if encoding == "euc_jp" and lead in (0x8E, 0x8F):
        return 3 if lead == 0x8F else 0
    return 2 if lead > 0x80 and trail >= 0x40 else 0


def _code_at(error: UnicodeError, length: int) -> bytes:
    return bytes(getattr(error, "object", b"")[_start(error) : _start(error) + length])


def _start(error: UnicodeError) -> int:
    return int(getattr(error, "start", 0))


_ERROR_HANDLERS = {
    "tis620": "local_dms_tis620",
    "big5": "local_dms_big5",
    "ujis": "local_dms_ujis",
    "eucjpms": "local_dms_eucjpms",
}
codecs.register_error("local_dms_unassigned", _unassigned)
codecs.register_error("local_dms_tis620", lambda error: ("\ufffd", _start(error) + 1))
codecs.register_error("local_dms_big5", _missing_in_big5)
codecs.register_error("local_dms_ujis", _missing_in_ujis)
codecs.register_error("local_dms_eucjpms", _missing_in_eucjpms)
