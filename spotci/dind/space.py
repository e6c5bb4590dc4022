"""Room on the disks of the engine, and what to say where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spotci.dind.shell import Shell

__all__ = ["full_disk", "room_hint"]

#: What the engine writes to, by what it has there: both are volumes of the host.
_PLACES = {
    "/spotci": "the disk of workspaces and caches",
    "/var/lib/docker": "the disk of images and containers",
}

# Size of a block, blocks, those left, files, those left.
_LOOK = 'stat -f -c "%S %b %a %c %d" "$@"'

#: Less than this is none: of the bytes of a disk, and never more than so many.
_SHARE, _MOST = 100, 32 * 1024**2

#: As the kernel says it, in whatever program's message.
_FULL = ("no space left on device", "disk quota exceeded")
_HINT = "to free some room: spotci clean --cache --images"


def room_hint(message: str) -> str | None:
    """Return what to do about an error where a full disk is its cause."""
    lower = message.lower()
    return _HINT if any(words in lower for words in _FULL) else None


async def full_disk(shell: Shell) -> str | None:
    """Return which disk of the engine has no room left; None where all have."""
    lines = (await shell.run(_LOOK, *_PLACES)).decode().splitlines()
    for place, line in zip(_PLACES.values(), lines, strict=True):
        if _is_full(*map(int, line.split())):
            return place
    return None


def _is_full(block: int, blocks: int, left: int, files: int, files_left: int) -> bool:
    # File systems without a bound on files, such as btrfs, say 0 of 0.
    if files and not files_left:
        return True
    return left * block <= min(_MOST, blocks * block // _SHARE)
