"""Makes the bytes of a log safe to show: colours stay, what commands a terminal goes.

A job may print anything: cursor movements that overwrite other lines, titles and
clipboard commands (OSC 0, OSC 52), hyperlinks that lie (OSC 8). Of the escape sequences
only SGR (``ESC [ … m``) is kept; of the control characters tab and newline.
"""

from __future__ import annotations

import re

__all__ = ["last_overwrites", "neutralise", "neutralise_text"]

_ESCAPE = re.compile(
    # A row of them at once: what stands before the last one is removed alone.
    rb"\x1b+(?:"
    # CSI, unless it is SGR.
    rb"\[(?![0-9;:]*m)[0-?]*[ -/]*[@-~]?"
    # OSC up to its end; of one that does not end on the line, the beginning.
    rb"|\](?:[^\x07\x1b\n]*(?:\x07|\x1b\\))?"
    # DCS, SOS, PM and APC likewise.
    rb"|[PX^_](?:[^\x1b\n]*\x1b\\)?"
    rb"|(?!\[)[ -/]*[0-~]?"
    rb")"
)
_CONTROL = bytes(byte for byte in (*range(32), 127) if byte not in (0x09, 0x0A, 0x1B))
# The control characters of Latin-1 in UTF-8: U+009B is another CSI.
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()


def neutralise(data: bytes) -> bytes:
    """Return the bytes without anything but text, tabs, newlines and colours."""
    if b"\x1b" in data:
        data = _ESCAPE.sub(b"", data)
    data = data.translate(None, _CONTROL)
    if b"\xc2" in data:
        # Replaced, not removed: what stands around it must not make another one.
        data = _C1.sub(_REPLACEMENT, data)
    return data


def neutralise_text(text: str) -> str:
    """Return the text likewise; what is no UTF-8 in it is replaced."""
    data = neutralise(text.encode("utf-8", "surrogateescape"))
    return data.decode("utf-8", "replace")


def last_overwrites(data: bytes) -> bytes:
    """Return the lines as a terminal ends up showing them: text behind a CR wins."""
    if b"\r" not in data:
        return data
    data = data.replace(b"\r\n", b"\n")
    if b"\r" not in data:
        return data
    return b"\n".join(
        line.rstrip(b"\r").rpartition(b"\r")[2] if b"\r" in line else line
        for line in data.split(b"\n")
    )
