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
        self._parts: list[bytes] = []

    def take(self, timeout_s: float) -> list[bytes]:
        """The payloads of the packets that have come, of one at least if it comes in time."""
        while not (packets := self._whole_packets()):
            if not self._receive(timeout_s):
                break
        return packets

    def _whole_packets(self) -> list[bytes]:
        packets = []
        offset, size = 0, len(self._buffer)
        with memoryview(self._buffer) as view:
            while (start := offset + 4) <= size:
                length = int.from_bytes(view[offset : offset + 3], "little")
                if start + length > size:
                    break
                offset = start + length
                self._parts.append(bytes(view[start:offset]))
                if length != _CONTINUED:
                    packets.append(
                        self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
                    )
                    self._parts.clear()
        del self._buffer[:offset]
        return packets

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
        self._buffer += data
        return True
