"""What a snapshot holds, and what has to travel to make it another. Pure.

A manifest is kept in the engine beside the layers of its snapshot: a line with a
digest and the layers, the lowest first, and a record for each file with the number of
the layer that it lies in::

    3f9a… lk2f7aa la81kdd⏎
    0 100644 120 1700000000123456789 src/main.py␀
    1 100755 2048 1700000100123456789 run.sh␀

Times are of the host, in nanoseconds. A file that was changed just before it was read
may have been changed once more without that being seen in its time: its record has no
time, so that it travels again.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import field
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spotci.tree import TreeEntry

__all__ = ["Delta", "Manifest", "delta", "digest", "stat_record", "stats_of"]

#: Nanoseconds in which a change may go unseen: what file systems round times to.
_COARSE = 2_000_000_000
_FINE = 50_000_000
_SECOND = 1_000_000_000


def stat_record(mode: int, size: int, mtime_ns: int) -> bytes:
    """Return what is compared of a file."""
    return b"%o %d %d" % (mode, size, mtime_ns)


def racy(mtime_ns: int, now_ns: int) -> bool:
    """Say whether a file of this time may still change without a new time."""
    window = _FINE if mtime_ns % _SECOND else _COARSE
    return mtime_ns > now_ns - window


def stats_of(entries: Iterable[TreeEntry]) -> dict[bytes, bytes]:
    """Return the records of a tree by path."""
    encode = os.fsencode
    return {
        encode(entry.path): b"%o %d %d" % (entry.mode, entry.size, entry.mtime_ns)
        for entry in entries
    }


def digest(stats: Mapping[bytes, bytes]) -> str:
    """Return a digest of the records in their order."""
    text = b"\0".join([part for item in stats.items() for part in item])
    return hashlib.sha256(text).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A snapshot: the names of its layers, the lowest first, and its files."""

    layers: tuple[str, ...]
    stats: Mapping[bytes, bytes]
    #: Number of the layer of each file; those that are not named lie in the lowest.
    origins: Mapping[bytes, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the manifest as it is kept."""
        head = " ".join([digest(self.stats), *self.layers]).encode() + b"\n"
        origins = self.origins
        return head + b"".join(
            [b"%d %b %b\0" % (origins.get(p, 0), s, p) for p, s in self.stats.items()]
        )

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Read a manifest; raise EngineError for what is none."""
        head, _, body = data.partition(b"\n")
        stats: dict[bytes, bytes] = {}
        origins: dict[bytes, int] = {}
        try:
            for record in body.split(b"\0")[:-1]:
                origin, mode, size, mtime, path = record.split(b" ", 4)
                stats[path] = b"%b %b %b" % (mode, size, mtime)
                if origin != b"0":
                    origins[path] = int(origin)
        except ValueError as fault:
            raise EngineError("the manifest is damaged", operation="read") from fault
        layers = tuple(head.decode("ascii", "replace").split()[1:])
        return cls(layers=layers, stats=stats, origins=origins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What makes one tree another: files to send, and paths to hide."""

    changed: tuple[bytes, ...]
    hidden: tuple[bytes, ...]


def delta(old: Mapping[bytes, bytes], new: Mapping[bytes, bytes]) -> Delta:
    """Return what makes ``old`` to ``new``.

    A folder that has nothing left in it is hidden itself: trees have no empty folders.
    """
    changed = tuple(path for path, stat in new.items() if old.get(path) != stat)
    deleted = [path for path in old if path not in new]
    folders = _folders(new) if deleted else set()
    hidden: dict[bytes, None] = {}
    for path in deleted:
        top = _topmost(path, folders, new)
        if top is not None:
            hidden[top] = None
    return Delta(changed=changed, hidden=tuple(hidden))


def _folders(paths: Iterable[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for path in paths:
        parent = path.rpartition(b"/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition(b"/")[0]
    return found


def _topmost(
    path: bytes, folders: set[bytes], new: Mapping[bytes, bytes]
) -> bytes | None:
    """Return what to hide so that the path is gone; None where that is so already."""
    end = -1
    while (end := path.find(b"/", end + 1)) >= 0:
        above = path[:end]
        if above in new:  # a file now: it hides the folder that was there
            return None
        if above not in folders:
            return above
    return None if path in folders else path
