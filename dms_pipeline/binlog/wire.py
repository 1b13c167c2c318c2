"""Numbers as the MySQL protocol writes them."""

_WIDTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}


def read_length(buffer: bytes, offset: int) -> tuple[int, int]:
    """A length-encoded integer, and the offset after it."""
    first = buffer[offset]
    if first < 0xFB:
        return first, offset + 1
    size = _WIDTHS[first]
    return int.from_bytes(buffer[offset + 1 : offset + 1 + size], "little"), offset + 1 + size


def length_bytes(number: int) -> bytes:
    """A length-encoded integer of not more than 16 bits."""
    return bytes((number,)) if number < 0xFB else b"\xfc" + number.to_bytes(2, "little")
