"""The workspaces of the shell backend: folders, copied where an overlay would be.

::

    <root>/snapshots/<n>/       files of the source tree
    <root>/layers/<n>/          artifacts of a job
    <root>/jobs/<n>/builds/…    a workspace, with <project>.tmp beside it
    <caches>/<hash of key>/<n>/ one generation of a cache; ``current`` links to it
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio

from spotci.dataclass import dataclass
from spotci.errors import EngineError
from spotci.executor.backend import (
    FileEntry,
    LayerId,
    Mount,
    SnapshotId,
    Workspace,
)
from spotci.scratch import remove_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from spotci.executor.backend import (
        WorkspaceSpec,
    )
    from spotci.tree import SourceTree

__all__ = ["ShellWorkspaces"]

T = TypeVar("T")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CURRENT = "current"


@dataclass(slots=True)
class ShellWorkspaces:
    """Folders of one run under ``root``, and caches that may outlive it."""

    root: Path
    caches: Path
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _trees: dict[SnapshotId, SourceTree] = field(default_factory=dict)

    async def snapshot(
        self,
        tree: SourceTree,
        *,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> SnapshotId:
        """Copy the source tree."""
        folder = self._new("snapshots")
        await _in_thread("copy the source tree", partial(_copy_tree, tree, folder))
        if progress is not None:
            progress("copied", len(tree.entries), len(tree.entries))
        snapshot = SnapshotId(str(folder))
        self._trees[snapshot] = tree
        return snapshot

    async def open(self, spec: WorkspaceSpec) -> Workspace:
        """Copy snapshot and layers into a new folder."""
        base = self._new("jobs")
        folder = base / spec.project_dir.lstrip("/")
        await _in_thread("open workspace", partial(self._fill, spec, folder), spec.name)
        return Workspace(
            id=str(base),
            spec=replace(spec, project_dir=str(folder)),
            mounts=(
                Mount(source=str(folder), target=str(folder)),
                Mount(source=f"{folder}.tmp", target=f"{folder}.tmp"),
            ),
        )

    async def close(self, workspace: Workspace) -> None:
        """Remove the folder."""
        await _in_thread("close workspace", partial(remove_folder, Path(workspace.id)))

    async def listing(
        self, workspace: Workspace, *, under: Sequence[str] | None = None
    ) -> Mapping[str, FileEntry]:
        """Return every file, link and empty folder, ``.git`` left out."""
        folder = workspace.spec.project_dir
        return await _in_thread("list", partial(_list, folder, under))

    async def collect(self, workspace: Workspace, paths: Sequence[str]) -> LayerId:
        """Make a layer of hard links: the workspace goes away soon."""
        layer = self._new("layers")
        source = workspace.spec.project_dir
        await _in_thread("collect", partial(_link_paths, source, layer, paths))
        return LayerId(str(layer))

    async def unchanged(
        self, workspace: Workspace, paths: Sequence[str], layer: LayerId
    ) -> bool:
        """Say whether the files have the times that they have in the layer."""
        folder = workspace.spec.project_dir
        return await _in_thread("compare", partial(_same, folder, layer, paths))

    async def adopt(self, folder: Path) -> LayerId:
        """Copy a folder into a layer."""
        layer = self._new("layers")
        await _in_thread("adopt", partial(_copy_folder, folder, layer), str(folder))
        return LayerId(str(layer))

    async def read(self, place: Workspace | LayerId, path: str, *, limit: int) -> bytes:
        """Read a file without following any link."""
        root = place.spec.project_dir if isinstance(place, Workspace) else place
        return await _in_thread("read", partial(_read, root, path, limit), path)

    async def write_private(
        self, workspace: Workspace, files: Mapping[str, bytes]
    ) -> None:
        """Write files that only the user can read."""
        folder = Path(f"{workspace.spec.project_dir}.tmp")
        await _in_thread("write files", partial(_write_private, folder, files))

    async def export(self, layer: LayerId, destination: Path) -> None:
        """Copy a layer; links stay links."""
        await _in_thread("export", partial(_copy_folder, Path(layer), destination))

    async def drop(self, layer: LayerId) -> None:
        """Remove a layer, unless it has become a cache."""
        folder = Path(layer)
        if folder.is_relative_to(self.root / "layers"):
            await _in_thread("drop", partial(remove_folder, folder))

    async def survivors(self, layers: Sequence[LayerId]) -> frozenset[LayerId]:
        """Return all of them: there is no engine that could die."""
        return frozenset(layers)

    async def cached(self, key: str) -> LayerId | None:
        """Return the newest generation of a cache."""
        return await _in_thread("find cache", partial(self._current, key), key)

    async def store_cache(self, key: str, layer: LayerId) -> None:
        """Make a copy of a layer the newest generation, atomically."""
        await _in_thread("store cache", partial(self._store, key, Path(layer)), key)

    async def full_disk(self) -> str | None:
        """Return the folder of the workspaces where its disk has no room left."""
        free = await _in_thread("measure", partial(shutil.disk_usage, self.root))
        return str(self.root) if free.free == 0 else None

    def _new(self, kind: str) -> Path:
        return self.root / kind / str(next(self._numbers))

    def _fill(self, spec: WorkspaceSpec, folder: Path) -> None:
        folder.mkdir(parents=True)
        private = folder.with_name(f"{folder.name}.tmp")
        private.mkdir(mode=0o700)
        if spec.snapshot is not None:
            _copy_folder(Path(spec.snapshot), folder)
            tree = self._trees[spec.snapshot]
            if spec.git_depth is not None and tree.git is not None:
                _copy_folder(tree.git.prepare(spec.git_depth), folder / ".git")
        for layer in spec.layers:
            _copy_folder(Path(layer), folder)

    def _current(self, key: str) -> LayerId | None:
        link = self._cache_folder(key) / _CURRENT
        try:
            name = link.readlink().name
        except FileNotFoundError:
            return None
        return LayerId(str(link.with_name(name)))

    def _store(self, key: str, layer: Path) -> None:
        folder = self._cache_folder(key)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        generation = secrets.token_hex(8)
        _copy_folder(layer, folder / generation)
        before = {entry.name for entry in os.scandir(folder)}
        draft = folder / f"{generation}.link"
        draft.symlink_to(generation)
        old = self._current(key)
        draft.replace(folder / _CURRENT)
        # The one before stays: a job may be copying it right now.
        kept = {generation, _CURRENT, draft.name, Path(old).name if old else ""}
        for name in before - kept:
            remove_folder(folder / name)

    def _cache_folder(self, key: str) -> Path:
        digest = sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        return self.caches / digest


def _same(folder: str, layer: str, paths: Iterable[str]) -> bool:
    for path in paths:
        try:
            here, there = Path(folder, path).lstat(), Path(layer, path).lstat()
        except FileNotFoundError:
            return False
        folders = stat.S_ISDIR(here.st_mode) and stat.S_ISDIR(there.st_mode)
        if here.st_mtime_ns != there.st_mtime_ns and not folders:
            return False
    return True


async def _in_thread(operation: str, function: Callable[[], T], subject: str = "") -> T:
    """Call a function that blocks; its OSError becomes an EngineError."""
    try:
        return await anyio.to_thread.run_sync(function)
    except (OSError, shutil.Error) as error:
        raise EngineError(str(error), operation=operation, subject=subject) from error


def _copy_tree(tree: SourceTree, folder: Path) -> None:
    folder.mkdir(parents=True)
    made = {folder}
    for entry in tree.entries:
        target = folder / entry.path
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        with suppress(FileNotFoundError):  # it was removed since it was listed
            _copy_one(os.fspath(tree.root / entry.path), os.fspath(target))


def _copy_folder(source: Path, target: Path) -> None:
    """Copy files, links and folders over what is there; nothing else is copied."""
    target.mkdir(parents=True, exist_ok=True)
    with os.scandir(source) as entries:
        for entry in entries:
            place = target / entry.name
            if entry.is_dir(follow_symlinks=False):
                if place.is_symlink() or (place.exists() and not place.is_dir()):
                    place.unlink()
                _copy_folder(source / entry.name, place)
                continue
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)
            _copy_one(entry.path, os.fspath(place))


def _copy_one(source: str, target: str) -> None:
    mode = os.lstat(source).st_mode
    if stat.S_ISREG(mode) or stat.S_ISLNK(mode):
        shutil.copy2(source, target, follow_symlinks=False)


def _link_paths(source: str, layer: Path, paths: Iterable[str]) -> None:
    layer.mkdir(parents=True)
    for path in paths:
        target = layer / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with _parent(source, path) as (folder, name):
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                target.mkdir(exist_ok=True)
            else:
                os.link(name, target, src_dir_fd=folder, follow_symlinks=False)


def _read(root: str, path: str, limit: int) -> bytes:
    with _parent(root, path) as (folder, name):
        descriptor = os.open(name, _FILE, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(f"no regular file: {path}")
            return file.read(limit)


@contextmanager
def _parent(root: str, path: str) -> Iterator[tuple[int, str]]:
    """Open the folder that a path lies in, component by component, without links."""
    *folders, name = path.split("/")
    if name in ("", ".", "..") or not {"", ".", ".."}.isdisjoint(folders):
        raise OSError(f"no path inside: {path}")
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            inner = os.open(folder, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor, name
    finally:
        os.close(descriptor)


def _list(root: str, under: Sequence[str] | None) -> dict[str, FileEntry]:
    found: dict[str, FileEntry] = {}
    for start in ("",) if under is None else under:
        if not _is_inside(root, start):
            continue
        entry = _entry(root, start)
        if stat.S_ISDIR(entry.mode):
            found.update(_walk(root, start))
        else:
            found[start] = entry
    return found


def _is_inside(root: str, path: str) -> bool:
    """Return whether a path is there, and no link on the way to it."""
    place = Path(root)
    *folders, name = path.split("/")
    try:
        for folder in folders:
            place /= folder
            if not stat.S_ISDIR(place.lstat().st_mode):
                return False
        (place / name).lstat()
    except FileNotFoundError:
        return False
    return True


def _walk(root: str, start: str) -> Iterator[tuple[str, FileEntry]]:
    pending = [start]
    while pending:
        folder = pending.pop()
        empty = True
        with os.scandir(Path(root, folder)) as entries:
            for entry in entries:
                empty = False
                path = f"{folder}/{entry.name}" if folder else entry.name
                if path == ".git":
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                else:
                    yield path, _entry(root, path)
        if empty and folder:
            yield folder, _entry(root, folder)


def _entry(root: str, path: str) -> FileEntry:
    status = Path(root, path).lstat()
    return FileEntry(path=path, mode=status.st_mode, size=status.st_size)


def _write_private(folder: Path, files: Mapping[str, bytes]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    for name, content in files.items():
        descriptor = os.open(folder / name, flags, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
