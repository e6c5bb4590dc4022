"""Docker's frames with their streams told apart, without I/O.

``attach.FrameDecoder`` is for output in the order of arrival; here bytes of stdout are
data, and must not be mixed with what is printed to stderr.
"""

from __future__ import annotations

import struct
from enum import IntEnum

__all__ = ["Demultiplexer", "Stream"]

_HEAD = struct.Struct(">BxxxI")


class Stream(IntEnum):
    """Which stream a frame belongs to."""

    INPUT = 0
    OUTPUT = 1
    ERROR = 2
    #: What Docker itself has to say.
    SYSTEM = 3


class Demultiplexer:
    """Takes frames out of bytes; the caller reads and feeds it."""

    def __init__(self) -> None:
        self._head = b""
        self._stream, self._missing = Stream.OUTPUT, 0

    def feed(self, data: bytes) -> list[tuple[Stream, bytes]]:
        """Take bytes as they came; return the payloads in them, whole or in part.

        Raises ValueError for bytes that are no frame.
        """
        found, position = [], 0
        while position < len(data):
            if not self._missing:
                wanted = _HEAD.size - len(self._head)
                self._head += data[position : position + wanted]
                position += wanted
                if len(self._head) < _HEAD.size:
                    break
                stream, self._missing = _HEAD.unpack(self._head)
                self._stream, self._head = Stream(stream), b""
                continue
            payload = data[position : position + self._missing]
            found.append((self._stream, payload))
            position += len(payload)
            self._missing -= len(payload)
        return found
