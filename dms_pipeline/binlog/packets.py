"""MySQL packets straight from the socket of a connection that is streaming its binary log.

The driver's own reader blocks until a packet is complete. A replication reader must notice
a stop time on an idle source, so packets are framed here and waiting has a limit.
"""

import socket
import struct

from dms_pipeline.errors import SourceUnavailableError

_RECEIVE_BYTES = 256 * 1024
_CONTINUED = 0xFFFFFF
# Three bytes for the length and one for a number that counts packets; behind them the status.
_PREFIX = struct.Struct("<I")
_OK = b"\0"


class PacketReader:
    """Cuts the byte stream of a socket into events, joining those split at 16 MB.

    Attributes:
        refusal: the packet by which the server ended the stream, from its status on.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._pieces: list[bytes] = []
        self._size = 0
        self._wanted = _PREFIX.size
        self._parts: list[bytes] = []
        self.refusal: bytes | None = None

    def take(self, timeout_s: float) -> list[bytes]:
        """The events that have come, of one at least if it comes in time and none refuses it."""
        while not (events := self._whole_events()) and self.refusal is None:
            if not self._receive(timeout_s):
                break
        return events

    def _whole_events(self) -> list[bytes]:
        events: list[bytes] = []
        if self._size < self._wanted:
            return events
        buffer = b"".join(self._pieces)
        offset, size = 0, self._size
        while (end := offset + _PREFIX.size) <= size:
            start, length = end, _PREFIX.unpack_from(buffer, offset)[0] & _CONTINUED
            end += length
            if end > size:
                break
            if self._parts or length == _CONTINUED:
                self._continue(buffer[start:end], events)
            elif buffer[start : start + 1] == _OK:
                events.append(buffer[start + 1 : end])
            else:
                self.refusal = buffer[start:end]
            offset = end
        self._pieces = [buffer[offset:]]
        self._size = size - offset
        self._wanted = end - offset
        return events

    def _continue(self, part: bytes, events: list[bytes]) -> None:
        """A part of an event; one that is not full is the last."""
        self._parts.append(part)
        if len(part) < _CONTINUED:
            events.append(b"".join(self._parts)[1:])
            self._parts.clear()

    def _receive(self, timeout_s: float) -> bool:
        # A timeout of zero would mean a non-blocking socket, which TLS reports in another way.
        self._socket.settimeout(max(timeout_s, 0.001))
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except TimeoutError:
            return False
        except OSError as error:
            raise SourceUnavailableError(
                f"the connection that reads the binary log broke: {error}"
            ) from error
        if not data:
            raise SourceUnavailableError(
                "the source closed the connection that reads the binary log"
            )
        self._pieces.append(data)
        self._size += len(data)
        return True
