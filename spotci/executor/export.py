"""Copies of artifacts on the host: the record of the run, and the source tree if asked.

What comes out of a job is hostile. The record's folder is new and ours; the source tree
is neither: nothing is written through a link there, and never into ``.git``.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from spotci.executor.backend import LayerId, Workspaces
    from spotci.variables import Variable

__all__ = ["copy_into", "export_layer", "write_dotenv"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


async def export_layer(
    workspaces: Workspaces, layer: LayerId, destination: Path
) -> None:
    """Copy a layer to a folder of the host, in place of what was there.

    The folder is whole or not there. Raises EngineError.
    """
    await anyio.to_thread.run_sync(_remove, destination)
    try:
        await workspaces.export(layer, destination)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_remove, destination)
        raise


def write_dotenv(path: Path, variables: Iterable[Variable]) -> None:
    """Keep what a job hands on by dotenv reports, in their own form; raise OSError.

    The values may be secret: only the user can read them.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = "".join(f"{item.name}={item.value}\n" for item in variables)
    path.write_text(text, encoding="utf-8", errors="surrogateescape")


def copy_into(source: Path, target: Path) -> int:
    """Copy files and links of one folder into another, and return how many.

    Existing files are replaced; links are never followed, in the target neither.
    What would go through a link there is left out, and so is ``.git``.
    """
    with suppress(FileNotFoundError):
        folder = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return _copy_folder(source, folder, top=True)
        finally:
            os.close(folder)
    return 0


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _copy_folder(source: Path, target: int, *, top: bool = False) -> int:
    copied = 0
    with os.scandir(source) as entries:
        for entry in entries:
            if top and entry.name.lower() == ".git":
                continue
            path = source / entry.name
            if entry.is_dir(follow_symlinks=False):
                copied += _copy_subfolder(path, target)
            elif entry.is_symlink():
                copied += _copy_link(path, target)
            elif entry.is_file(follow_symlinks=False):
                copied += _copy_file(path, target)
    return copied


def _copy_subfolder(source: Path, target: int) -> int:
    with suppress(FileExistsError):
        os.mkdir(source.name, dir_fd=target)
    try:
        folder = os.open(source.name, _FOLDER, dir_fd=target)
    except OSError:
        return 0  # a link or a file stands there
    try:
        return _copy_folder(source, folder)
    finally:
        os.close(folder)


def _copy_link(source: Path, target: int) -> int:
    if not _make_room(source.name, target):
        return 0
    os.symlink(source.readlink(), source.name, dir_fd=target)
    return 1


def _copy_file(source: Path, target: int) -> int:
    if not _make_room(source.name, target):
        return 0
    mode = source.stat(follow_symlinks=False).st_mode & 0o777
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with source.open("rb") as reading:
        descriptor = os.open(source.name, flags, mode, dir_fd=target)
        with os.fdopen(descriptor, "wb") as writing:
            shutil.copyfileobj(reading, writing)
    return 1


def _make_room(name: str, folder: int) -> bool:
    """Remove the file or link of this name; return whether the name is free now."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # a folder
    return True
