"""The state folder on the host: who may look into it, and the lock of an engine."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from spotci.dind.space import room_hint
from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from spotci.dind.settings import EngineSettings

__all__ = ["engine_lock", "note_pulled", "private_dir", "pulled_images"]

_POLL = 0.05
_PULLED = "images"


def private_dir(path: Path) -> Path:
    """Make a folder that only this user can enter, and return it.

    Whoever reaches the socket in it commands the engine. Raises EngineError where it
    belongs to somebody else, as it may in a folder for temporary files.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = path.lstat()
    except OSError as fault:
        raise _fault(fault, "make folder", path) from fault
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise EngineError(
            "belongs to somebody else",
            operation="use folder",
            subject=str(path),
            hint="choose another state folder",
        )
    if info.st_mode & 0o077:
        path.chmod(0o700)
    return path


@asynccontextmanager
async def engine_lock(settings: EngineSettings) -> AsyncIterator[None]:
    """Hold the lock of an engine: one process at a time starts, stops or removes it.

    The kernel releases it with the process, however that ends. Raises EngineError where
    the disk does not take the file.
    """
    path = private_dir(settings.state_dir) / f"{settings.name}.lock"
    while (handle := _try_lock(path)) is None:  # noqa: ASYNC110 - a process sets no Event
        await anyio.sleep(_POLL)
    try:
        yield
    finally:
        os.close(handle)


def note_pulled(settings: EngineSettings, image: str) -> None:
    """Remember an image that was pulled into the host engine for us.

    Where the disk does not take the note, ``clean`` will leave the image.
    """
    names = {*pulled_images(settings), image}
    path = private_dir(settings.state_dir) / _PULLED
    draft = path.with_name(f"{_PULLED}.{os.getpid()}")
    try:
        draft.write_text("".join(f"{name}\n" for name in sorted(names)), "utf-8")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)


def pulled_images(settings: EngineSettings) -> tuple[str, ...]:
    """Return the images that were pulled into the host engine for us."""
    try:
        return tuple((settings.state_dir / _PULLED).read_text("utf-8").split())
    except OSError:
        return ()


def _fault(fault: OSError, operation: str, path: Path) -> EngineError:
    text = f"{fault.strerror}"
    return EngineError(
        text, operation=operation, subject=str(path), hint=room_hint(text)
    )


def _try_lock(path: Path) -> int | None:
    private_dir(path.parent)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None  # ``clean`` removed the folder just now
    except OSError as fault:
        raise _fault(fault, "lock engine", path) from fault
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The process that held the lock may have removed the folder: ``clean`` does.
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except OSError:
        pass
    os.close(handle)
    return None
