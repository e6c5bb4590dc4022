"""Folders for temporary files, which a process that is killed cannot remove.

Each says whose it is, so that the next start, or ``spotci clean``, removes those whose
process is gone::

    <temporary files>/spot-ci-<kind>-<random>/
        .owner.json    the process that made it
        .kept          its jobs were kept (``--keep``): it outlives its process
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from spotci.processes import ProcessStamp, current_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Kind",
    "discard_scratch",
    "hold_scratch",
    "leftover_scratch",
    "make_scratch",
    "remove_folder",
    "scratch_folder",
    "sweep_scratch",
]

#: ``shell`` has workspaces of the shell engine, ``files`` what is made for an engine.
Kind: TypeAlias = Literal["shell", "files"]

_KINDS: tuple[Kind, ...] = ("shell", "files")
_OWNER = ".owner.json"
_KEPT = ".kept"

#: Seconds after which a folder without an owner is no folder that is just being made.
_NEWBORN = 3600.0


def make_scratch(kind: Kind) -> Path:
    """Make a folder that only this user can enter. Raises OSError. Blocking."""
    folder = Path(tempfile.mkdtemp(prefix=_prefix(kind)))
    try:
        owner = json.dumps(current_process().to_json())
        (folder / _OWNER).write_text(owner, "utf-8")
    except OSError:
        remove_folder(folder)
        raise
    return folder


@contextmanager
def scratch_folder(kind: Kind) -> Iterator[Path]:
    """Give a folder as ``make_scratch`` does, and remove it on exit."""
    folder = make_scratch(kind)
    try:
        yield folder
    finally:
        remove_folder(folder)


def hold_scratch(folder: Path) -> None:
    """Let a folder outlive its process: ``sweep_scratch`` leaves it. Raises OSError."""
    (folder / _KEPT).touch()


def sweep_scratch() -> None:
    """Remove the folders of processes that are gone, but for what was kept."""
    for folder in leftover_scratch():
        if not (folder / _KEPT).exists():
            discard_scratch(folder)


def discard_scratch(folder: Path) -> None:
    """Remove a folder that is left over.

    A process that its owner left behind may still write into it: as long as something
    is left, so is the word whose it is, for the next sweep.
    """
    with suppress(OSError):
        for entry in folder.iterdir():
            if entry.name != _OWNER:
                remove_folder(entry) if entry.is_dir() else entry.unlink()
        if [entry.name for entry in folder.iterdir()] in ([], [_OWNER]):
            remove_folder(folder)


def leftover_scratch() -> tuple[Path, ...]:
    """Return this user's folders whose process is gone, kept ones among them."""
    prefixes = tuple(_prefix(kind) for kind in _KINDS)
    try:
        with os.scandir(tempfile.gettempdir()) as entries:
            names = sorted(e.path for e in entries if e.name.startswith(prefixes))
    except OSError:
        return ()
    return tuple(folder for folder in map(Path, names) if _is_left(folder))


def remove_folder(folder: Path) -> None:
    """Remove a folder, also where a job has taken the rights to do so away."""

    def retry(function: Callable[..., object], path: str, _: object) -> None:
        with suppress(OSError):
            Path(path).parent.chmod(0o700)
            if Path(path).is_dir() and not Path(path).is_symlink():
                Path(path).chmod(0o700)
            function(path)

    shutil.rmtree(folder, onerror=retry)


def _prefix(kind: Kind) -> str:
    return f"spot-ci-{kind}-"


def _is_left(folder: Path) -> bool:
    try:
        info = folder.lstat()
        # Anybody may make a folder of this name where temporary files lie.
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
            return False
        owner = _owner(folder)
    except OSError:
        return False  # removed just now, or not to be looked into
    if owner is None:
        return time.time() - info.st_mtime > _NEWBORN
    return not owner.is_alive()


def _owner(folder: Path) -> ProcessStamp | None:
    """Return the process that made a folder; None where it did not get to say so."""
    try:
        return ProcessStamp.from_json(json.loads((folder / _OWNER).read_bytes()))
    except (FileNotFoundError, ValueError):
        return None
