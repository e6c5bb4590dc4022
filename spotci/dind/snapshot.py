"""Snapshots of the source tree, and the ``.git`` folders that go with them.

The engine keeps the newest snapshot of each project with its manifest. What differs
travels as a thin layer over it; when many lie upon one another, they are linked into
one. Nothing that a workspace may have mounted is ever changed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio import to_thread

from spotci.dataclass import dataclass
from spotci.dind.links import link_layer
from spotci.dind.manifest import Manifest, delta, digest, stats_of
from spotci.dind.store import Kind
from spotci.dind.upload import TreePacker, pack_folder, world_mode
from spotci.errors import EngineError, SpotciError
from spotci.executor.backend import FileEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from spotci.dind.settings import Progress
    from spotci.dind.store import Store
    from spotci.tree import SourceTree

__all__ = ["Snapshot", "Snapshots"]

T = TypeVar("T")

#: Layers of a snapshot: each costs a lookup for every file that is opened.
_MOST_LAYERS = 8

#: Bytes between two reports of progress.
_STEP = 1 << 20


@dataclass(slots=True, kw_only=True, eq=False)
class Snapshot:
    """A source tree in the engine: ``layers`` are the lowest first."""

    tree: SourceTree
    layers: tuple[str, ...]
    #: The name of the manifest in the folder of the run, or the manifest itself.
    manifest: str | Manifest
    _entries: dict[str, FileEntry] | None = None

    @property
    def entries(self) -> Mapping[str, FileEntry]:
        """The files as a job finds them."""
        if self._entries is None:
            if isinstance(self.manifest, Manifest):
                found = _entries_of(self.manifest.stats)
            else:
                found = _entries_of(stats_of(self.tree.entries))
            self._entries = found
        return self._entries


class Snapshots:
    """Takes the snapshots of a run. ``thin`` allows layers that hide files."""

    def __init__(self, store: Store, *, thin: bool) -> None:
        self._store, self._thin = store, thin
        self._git: dict[tuple[int, int], str | None] = {}
        self._git_lock = anyio.Lock()

    async def take(self, tree: SourceTree, progress: Progress | None) -> Snapshot:
        """Bring a tree into the engine."""
        store = self._store
        key = hashlib.sha256(os.fsencode(tree.root)).hexdigest()[:32]
        stats = stats_of(tree.entries)
        copy = f"m{store.number()}"
        words = await store.take(Kind.SNAPSHOT, key, copy=copy)
        if words and not self._thin and len(words) != len(("digest", "layer")):
            words = ()
        old = None
        if words:
            if words[0] == digest(stats):
                _tell(progress, 0, len(stats), 0, 0)
                return Snapshot(tree=tree, layers=words[1:], manifest=copy)
            old = await self._read(copy)
            changes = delta(old.stats, stats)
            if not changes.changed and not changes.hidden:
                return Snapshot(tree=tree, layers=old.layers, manifest=old)
            if not self._thin:
                old = None
            elif len(old.layers) >= _MOST_LAYERS:
                old = await self._flatten(old)
        return await self._send(tree, key, stats, old, progress)

    async def origins(self, snapshot: Snapshot) -> Callable[[bytes], str]:
        """Return what tells the layer that a file of the snapshot lies in."""
        layers = snapshot.layers
        if len(layers) == 1:
            return lambda _: layers[0]
        if isinstance(snapshot.manifest, str):
            snapshot.manifest = await self._read(snapshot.manifest)
        numbers = snapshot.manifest.origins
        return lambda path: layers[numbers.get(path, 0)]

    async def git_layer(self, snapshot: Snapshot, depth: int) -> str | None:
        """Return the layer with ``.git``, None where there is no git."""
        key = (id(snapshot), depth)
        async with self._git_lock:
            if key not in self._git:
                self._git[key] = await self._git_folder(snapshot.tree, depth)
            return self._git[key]

    async def _read(self, name: str) -> Manifest:
        path = self._store.path(name)
        data = await self._store.agent.run('cat "$1"', path, operation="read manifest")
        return await to_thread.run_sync(Manifest.decode, data)

    async def _send(
        self,
        tree: SourceTree,
        key: str,
        stats: Mapping[bytes, bytes],
        old: Manifest | None,
        progress: Progress | None,
    ) -> Snapshot:
        layer = self._store.new_layer()
        changes = delta(old.stats if old else {}, stats)
        packer = TreePacker(root=tree.root)
        layers = (*(old.layers if old else ()), layer)
        made: list[Manifest] = []

        def manifest() -> bytes:
            made.append(_manifest(layers, stats, changes.changed, packer.stats, old))
            return made[0].encode()

        pieces = packer.pack(changes.changed, changes.hidden, last=manifest)
        total = _bytes_of(stats, changes.changed)
        await self._store.receive(
            _watched(pieces, packer, len(changes.changed), len(stats), total, progress),
            layer=layer,
            kind=Kind.SNAPSHOT,
            key=key,
            subject=str(tree.root),
        )
        _tell(progress, len(changes.changed), len(stats), packer.done, packer.done)
        return Snapshot(tree=tree, layers=layers, manifest=made[0])

    async def _flatten(self, old: Manifest) -> Manifest:
        """Link all files of a snapshot into one layer."""
        groups: dict[str, list[bytes]] = {}
        for path in old.stats:
            layer = old.layers[old.origins.get(path, 0)]
            groups.setdefault(layer, []).append(path)
        flat = f"a{self._store.number()}"
        await link_layer(self._store, flat, groups)
        return Manifest(layers=(await self._store.share(flat),), stats=old.stats)

    async def _git_folder(self, tree: SourceTree, depth: int) -> str | None:
        git = tree.git
        if git is None:
            return None
        key = await _prepared(git.key, depth)
        if words := await self._store.take(Kind.GIT, key):
            return words[1]
        folder = await _prepared(git.prepare, depth)
        layer = self._store.new_layer()
        await self._store.receive(
            pack_folder(
                folder, mode=_git_mode, below=b".git/", last=f"- {layer}\n".encode()
            ),
            layer=layer,
            kind=Kind.GIT,
            key=key,
            subject=".git",
        )
        return layer


async def _prepared(function: Callable[[int], T], depth: int) -> T:
    try:
        return await to_thread.run_sync(function, depth)
    except (OSError, SpotciError) as fault:
        raise EngineError(str(fault), operation="prepare .git") from fault


def _manifest(
    layers: tuple[str, ...],
    listed: Mapping[bytes, bytes],
    changed: tuple[bytes, ...],
    packed: Mapping[bytes, bytes],
    old: Manifest | None,
) -> Manifest:
    """Return the manifest of what was there before and what was packed."""
    sent = frozenset(changed)
    stats = {}
    for path, record in listed.items():
        if path not in sent:
            stats[path] = record
        elif path in packed:
            stats[path] = packed[path]
    newest = len(layers) - 1
    origins: dict[bytes, int] = {}
    if old is not None:
        for path in stats:
            number = newest if path in sent else old.origins.get(path, 0)
            if number:
                origins[path] = number
    return Manifest(layers=layers, stats=stats, origins=origins)


def _entries_of(stats: Mapping[bytes, bytes]) -> dict[str, FileEntry]:
    entries = {}
    for name, record in stats.items():
        mode_text, size, _ = record.split(b" ")
        mode = int(mode_text, 8)
        if stat.S_ISLNK(mode):
            mode = stat.S_IFLNK | 0o777
        else:
            mode = stat.S_IFREG | world_mode(mode)
        path = os.fsdecode(name)
        entries[path] = FileEntry(path=path, mode=mode, size=int(size))
    return entries


def _bytes_of(stats: Mapping[bytes, bytes], paths: tuple[bytes, ...]) -> int:
    return sum(int(stats[path].split(b" ")[1]) for path in paths)


def _watched(  # noqa: PLR0917 - all that a report of progress is made of
    pieces: Iterator[bytes],
    packer: TreePacker,
    changed: int,
    files: int,
    total: int,
    progress: Progress | None,
) -> Iterator[bytes]:
    _tell(progress, changed, files, 0, total)
    told = 0
    for piece in pieces:
        yield piece
        if packer.done - told >= _STEP:
            told = packer.done
            _tell(progress, changed, files, told, max(total, told))


def _tell(
    progress: Progress | None, changed: int, files: int, done: int, total: int
) -> None:
    if progress is not None:
        progress(f"{changed:,} of {files:,} files changed", done, total)


def _git_mode(mode: int) -> int:
    """Return the permissions of a file in ``.git``: objects stay read-only."""
    return world_mode(mode) if mode & 0o200 else mode & 0o777
