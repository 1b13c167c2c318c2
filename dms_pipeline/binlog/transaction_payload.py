"""MySQL's compressed transactions: one event that holds all events of a transaction."""

import io
from collections.abc import Iterator

from dms_pipeline.binlog.wire import read_length
from dms_pipeline.errors import BinlogError

_END, _COMPRESSION = 0, 2
_ZSTD, _UNCOMPRESSED = 0, 255
_HEADER_BYTES = 19


def inner_events(body: bytes) -> Iterator[bytes]:
    """Header and body of each event inside, unpacked one after the other; none has a checksum.

    Raises:
        BinlogError: the payload cannot be unpacked.
    """
    method, payload = _payload(body)
    if method == _UNCOMPRESSED:
        source: io.BufferedIOBase = io.BytesIO(payload)
    elif method == _ZSTD:
        source = _zstd_reader(payload)
    else:
        raise BinlogError(f"compression method {method} is not known")
    while header := _exactly(source, _HEADER_BYTES, may_end=True):
        size = int.from_bytes(header[9:13], "little")
        yield header + _exactly(source, size - _HEADER_BYTES)


def _payload(body: bytes) -> tuple[int, bytes]:
    offset, method = 0, _UNCOMPRESSED
    while True:
        field, offset = read_length(body, offset)
        if field == _END:
            return method, body[offset:]
        length, offset = read_length(body, offset)
        if field == _COMPRESSION:
            method, _ = read_length(body, offset)
        offset += length


def _zstd_reader(payload: bytes) -> io.BufferedIOBase:
    try:
        import zstandard  # noqa: PLC0415 - needed for such sources only
    except ImportError as error:
        raise BinlogError(
            "the Python package zstandard is not installed; install it with:"
            " pip install 'dms_pipeline[local]', or set binlog_transaction_compression=OFF"
            " on the source"
        ) from error
    reader = zstandard.ZstdDecompressor().stream_reader(payload, read_across_frames=True)
    return io.BufferedReader(reader, 256 * 1024)


def _exactly(source: io.BufferedIOBase, size: int, *, may_end: bool = False) -> bytes:
    data = source.read(size)
    if len(data) != size and not (may_end and not data):
        raise BinlogError("it ends in the middle of an event")
    return data
