"""MySQL packets straight from the socket of a connection that is streaming its binary log.

The driver's own reader blocks until a packet is complete. A replication reader must notice
a stop time on an idle source, so packets are framed here and waiting has a limit.
"""

import socket

from dms_pipeline.errors import SourceUnavailableError

_RECEIVE_BYTES = 256 * 1024
_CONTINUED = 0xFFFFFF


class PacketReader:
    """Cuts the byte stream of a socket into whole packets, joining those split at 16 MB."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._buffer = bytearray()
        self._offset = 0
        self._parts: list[bytes] = []

    def poll(self, timeout_s: float) -> bytes | None:
        """The next packet's payload, or None if none was complete within the time."""
        while (packet := self._take()) is None:
            if not self._receive(timeout_s):
                return None
        return packet

    def _take(self) -> bytes | None:
        while True:
            start = self._offset + 4
            if len(self._buffer) < start:
                return None
            length = int.from_bytes(self._buffer[self._offset : self._offset + 3], "little")
            end = start + length
            if len(self._buffer) < end:
                return None
            payload = bytes(memoryview(self._buffer)[start:end])
            self._offset = end
            if length == _CONTINUED:
                self._parts.append(payload)
                continue
            if self._parts:
                payload = b"".join([*self._parts, payload])
                self._parts.clear()
            return payload

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
        if self._offset:
            del self._buffer[: self._offset]
            self._offset = 0
        self._buffer += data
        return True
