"""Sends files of the host into the engine as one tar stream.

The members are ``f/<path>``, and ``m`` as the last: where it is missing, the stream was
cut, and the script at the other end must not take what came for the whole.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import asynccontextmanager
from dataclasses import field
from typing import TYPE_CHECKING

import anyio
from anyio import from_thread, to_thread

from spotci.dataclass import dataclass
from spotci.dind import tar
from spotci.dind.manifest import racy, stat_record
from spotci.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from pathlib import Path

    from anyio.abc import ObjectReceiveStream

__all__ = ["TreePacker", "pack_folder", "produced", "world_mode"]

_FILES = b"f/"
_LAST = b"m"
_CHUNK = 1 << 20
#: Chunks that are read ahead of the connection.
_AHEAD = 4
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def world_mode(mode: int) -> int:
    """Return the permissions that a job sees: a runner checks out with no umask."""
    return mode & 0o777 | (0o777 if mode & 0o111 else 0o666)


@dataclass(slots=True, kw_only=True)
class TreePacker:
    """Packs files of a source tree.

    ``stats`` has a record for each file that was packed, as it was found then: a file
    may have changed since the tree was listed, and one that vanished has none.
    """

    root: Path
    stats: dict[bytes, bytes] = field(default_factory=dict)
    #: Bytes that were packed.
    done: int = 0

    def pack(
        self,
        paths: Iterable[bytes],
        hidden: Iterable[bytes],
        *,
        last: Callable[[], bytes],
    ) -> Iterator[bytes]:
        """Give the stream piece by piece; ``last`` is asked when all is read."""
        for path in hidden:
            yield tar.whiteout(_FILES + path)
        base = os.fsencode(self.root) + b"/"
        for path in paths:
            try:
                yield from self._file(base + path, path)
            except (FileNotFoundError, NotADirectoryError):
                # Deleted since it was listed. A layer below may have it.
                yield tar.whiteout(_FILES + path)
            except OSError as fault:
                raise EngineError(
                    f"{os.fsdecode(path)}: {fault.strerror}", operation="read files"
                ) from fault
        yield from _end(last())

    def _file(self, source: bytes, path: bytes) -> Iterator[bytes]:
        found = os.lstat(source)
        if stat.S_ISLNK(found.st_mode):
            target = os.readlink(source)  # noqa: PTH115 - bytes
            yield tar.symlink(_FILES + path, target, mtime=int(found.st_mtime))
        elif stat.S_ISREG(found.st_mode):
            descriptor = os.open(source, _OPEN)
            try:
                found = os.fstat(descriptor)
                yield tar.file_head(
                    _FILES + path,
                    mode=world_mode(found.st_mode),
                    size=found.st_size,
                    mtime=int(found.st_mtime),
                )
                yield from _content(descriptor, found.st_size)
            finally:
                os.close(descriptor)
        else:
            return
        self.done += found.st_size
        mtime = 0 if racy(found.st_mtime_ns, time.time_ns()) else found.st_mtime_ns
        self.stats[path] = stat_record(found.st_mode, found.st_size, mtime)


def pack_folder(
    folder: Path,
    *,
    mode: Callable[[int], int],
    below: bytes = b"",
    last: bytes = b"",
) -> Iterator[bytes]:
    """Give a folder with all files, links and folders in it as a stream.

    ``mode`` tells the permissions of files and folders from their own; ``below`` is a
    folder to put them in, with a slash, and ``last`` goes along for the other end.
    """
    base = os.fsencode(folder)
    try:
        for place, folders, files in os.walk(base):
            inside = place[len(base) + 1 :]
            if below or inside:
                found = os.lstat(place)
                name = (_FILES + below + inside).rstrip(b"/")
                yield tar.directory(
                    name, mode=mode(found.st_mode), mtime=int(found.st_mtime)
                )
            for name in files + folders:
                path = os.path.join(place, name)  # noqa: PTH118 - bytes
                inside = path[len(base) + 1 :]
                yield from _folder_member(path, below + inside, mode)
    except OSError as fault:
        raise EngineError(str(fault), operation="read folder") from fault
    yield from _end(last)


def _folder_member(
    source: bytes, path: bytes, mode: Callable[[int], int]
) -> Iterator[bytes]:
    found = os.lstat(source)
    mtime = int(found.st_mtime)
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(source)  # noqa: PTH115 - bytes
        yield tar.symlink(_FILES + path, target, mtime=mtime)
    elif stat.S_ISREG(found.st_mode):
        descriptor = os.open(source, _OPEN)
        try:
            yield tar.file_head(
                _FILES + path,
                mode=mode(found.st_mode),
                size=found.st_size,
                mtime=mtime,
            )
            yield from _content(descriptor, found.st_size)
        finally:
            os.close(descriptor)


def _content(descriptor: int, size: int) -> Iterator[bytes]:
    # Exactly as many bytes as the head promised, whatever happens to the file.
    missing = size
    while missing:
        data = os.read(descriptor, min(missing, _CHUNK)) or bytes(min(missing, _CHUNK))
        yield data
        missing -= len(data)
    yield tar.padding(size)


def _end(last: bytes) -> Iterator[bytes]:
    yield tar.file_head(_LAST, mode=0o600, size=len(last), mtime=0)
    yield last
    yield tar.padding(len(last))
    yield tar.END


@asynccontextmanager
async def produced(
    pieces: Iterator[bytes],
) -> AsyncIterator[ObjectReceiveStream[bytes]]:
    """Run a blocking generator in a thread, and give what it yields, in chunks.

    Raises on leaving the block what the generator raised; the stream just ends then.
    """
    send, receive = anyio.create_memory_object_stream[bytes](_AHEAD)
    faults: list[Exception] = []

    def work() -> None:
        try:
            for chunk in _chunks(pieces):
                from_thread.run(send.send, chunk)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # nobody wants the rest
        except Exception as fault:  # noqa: BLE001 - raised again below, bare
            faults.append(fault)

    async def run() -> None:
        async with send:
            await to_thread.run_sync(work)

    async with anyio.create_task_group() as tasks, receive:
        tasks.start_soon(run)
        try:
            yield receive
        except Exception as fault:  # noqa: BLE001 - raised again below, bare
            faults.append(fault)
        receive.close()
    if faults:
        raise faults[0]


def _chunks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
