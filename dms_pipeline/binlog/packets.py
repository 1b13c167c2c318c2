"""MySQL packets straight from a connection that is streaming its binary log, or rows.

The driver's own reader blocks until a packet is complete. A replication reader must notice
a stop time on an idle source, so packets are framed here and waiting has a limit.
"""

import socket
import struct
from collections.abc import Callable

from dms_pipeline.errors import SourceUnavailableError

_RECEIVE_BYTES = 256 * 1024
CONTINUED = 0xFFFFFF
"""The length of a packet that goes on in the next one."""
# Three bytes for the length and one for a number that counts packets.
_PREFIX = struct.Struct("<I")
PREFIX_SIZE = _PREFIX.size
_OK = 0


def _nothing(buffer: bytes) -> int:
    return 0


class PacketCutter:
    """Cuts what comes, in whatever pieces, into whole packets; joins those split at 16 MB."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._wanted = PREFIX_SIZE
        self._parts: list[bytes] = []

    def cut(self, data: bytes, take: Callable[[bytes], int] = _nothing) -> list[bytes]:
        """The contents of the packets that are complete with this.

        Args:
            data: what came.
            take: takes packets by itself, from the beginning of one on, and tells where it stopped:
                in front of one that is not whole, or is not for it.
        """
        self._pieces.append(data)
        self._size += len(data)
        packets: list[bytes] = []
        if self._size < self._wanted:
            return packets
        buffer = b"".join(self._pieces)
        offset, size = 0 if self._parts else take(buffer), self._size
        while (end := offset + PREFIX_SIZE) <= size:
            start, length = end, _PREFIX.unpack_from(buffer, offset)[0] & CONTINUED
            end += length
            if end > size:
                break
            packet = buffer[start:end]
            if self._parts or length == CONTINUED:
                self._parts.append(packet)
                if length < CONTINUED:
                    packets.append(b"".join(self._parts))
                    self._parts.clear()
            else:
                packets.append(packet)
            offset = end
        self._pieces = [buffer[offset:]]
        self._size = size - offset
        self._wanted = end - offset
        return packets


class EventReader:
    """The packets of a stream of events: a status of one byte, then an event.

    Attributes:
        refusal: the packet by which the server ended the stream.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._cutter = PacketCutter()
        self.refusal: bytes | None = None

    def take(self, timeout_s: float) -> list[bytes]:
        """The events that have come, of one at least if it comes in time and none refuses it."""
        packets: list[bytes] = []
        while not packets and self.refusal is None:
            data = self._receive(timeout_s)
            if data is None:
                break
            packets = self._cutter.cut(data)
            # Nothing comes behind a refusal.
            if packets and packets[-1][0] != _OK:
                self.refusal = packets.pop()
        return packets

    def _receive(self, timeout_s: float) -> bytes | None:
        # A timeout of zero would mean a non-blocking socket, which TLS reports in another way.
        self._socket.settimeout(max(timeout_s, 0.001))
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except TimeoutError:
            return None
        except OSError as error:
            raise SourceUnavailableError(
                f"the connection that reads the binary log broke: {error}"
            ) from error
        if not data:
            raise SourceUnavailableError(
                "the source closed the connection that reads the binary log"
            )
        return data
