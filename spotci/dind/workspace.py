"""Workspaces of jobs: overlay mounts in the engine, over snapshots and layers.

A workspace costs one mount, whatever is below it. Where the engine cannot mount
overlays, its files are copied instead.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import field, replace
from typing import TYPE_CHECKING

import anyio

from spotci.dataclass import dataclass
from spotci.dind.agent import ScriptError
from spotci.dind.download import download
from spotci.dind.links import link_layer
from spotci.dind.listing import Lower, merge, walk_layer, walk_workspace
from spotci.dind.snapshot import Snapshots
from spotci.dind.space import full_disk
from spotci.dind.store import PRIVATE, Kind
from spotci.dind.upload import pack_folder
from spotci.errors import EngineError
from spotci.executor.backend import LayerId, Mount, SnapshotId, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from spotci.dind.snapshot import Snapshot
    from spotci.dind.store import Store
    from spotci.executor.backend import FileEntry, WorkspaceSpec
    from spotci.tree import SourceTree

__all__ = ["DockerWorkspaces"]

#: Lower directories of a mount. With more than 150 the kernel's options are cut.
_MOST_LOWERS = 80
#: An empty lower directory, for a workspace with nothing below.
_EMPTY = "e"
_TAKEN, _CONFLICT = 9, 409

# $1 run, $2 workspace, $3 its private folder, $4 overlay or copy, $5 shared path or
# empty; then the lower directories, the highest first.
#
# Nothing that a job writes has to survive the machine: ``volatile`` spares the disk.
# Devices that a job makes cannot be opened. The other options keep the upper directory
# plain, so that it can be linked from. Kernels before 5.10 and 4.19 lack some of them.
#
# A copy takes the place of what was copied before, a file that of a folder, too.
_OPEN = r"""
set -e
umask 0
cd "/spotci/r/$1"
w=$2 private=$3 how=$4 shared=$5
shift 5
mkdir "$w" "$w/u" "$w/w" "$w/m" "$private"
chmod 777 "$w/u" "$w/m"
if [ "$how" = overlay ]; then
  lower=
  for layer do lower=$lower:$layer; done
  options=nodev,lowerdir=${lower#:},upperdir=$w/u,workdir=$w/w
  plain=index=off,metacopy=off,redirect_dir=off
  mount -t overlay -o "$options,$plain,volatile" overlay "$w/m" 2>/dev/null ||
    mount -t overlay -o "$options,$plain" overlay "$w/m" 2>/dev/null ||
    mount -t overlay -o "$options" overlay "$w/m"
else
  target=$PWD/$w/m n=$#
  hidden='for path do
    if [ -d "$0/$path" ] && ! [ -L "$0/$path" ]; then rm -rf "${0:?}/$path"; fi
  done'
  over='for path do
    if [ -L "$0/$path" ] || [ -f "$0/$path" ]; then rm -f "$0/$path"; fi
  done'
  while [ "$n" -gt 0 ]; do
    eval "layer=\${$n}"
    if [ "$n" -lt $# ]; then
      (
        cd "$layer/."
        find . -mindepth 1 ! -type d -print0 | xargs -0 sh -c "$hidden" "$target"
        find . -mindepth 1 -type d -print0 | xargs -0 sh -c "$over" "$target"
      )
    fi
    cp -a "$layer/." "$target/"
    n=$((n - 1))
  done
  chmod 777 "$w/m"
fi
[ -n "$shared" ] || exit 0
mkdir -p "${shared%/*}"
mkdir "$shared" 2>/dev/null || exit 9
echo "$shared" >"$w/path"
mkdir -p "$shared.tmp"
mount --bind "$w/m" "$shared"
mount --bind "$private" "$shared.tmp"
"""

_CLOSE = r"""
cd "/spotci/r/$1" 2>/dev/null || exit 0
[ -d "$2" ] || exit 0
if [ -f "$2/path" ]; then
  read -r path <"$2/path"
  umount -l "$path.tmp" "$path"
  rmdir "$path.tmp" "$path"
fi 2>/dev/null
umount -l "$2/m" 2>/dev/null
rm -rf "$3"
mv "$2" "/spotci/x/${PWD##*/}.$2" || exit
rm -rf "/spotci/x/${PWD##*/}.$2" >/dev/null 2>&1 &
"""

# Every part of the path but the last must be a folder, the last a file: no links. What
# was opened is looked at once more: a service may change the path meanwhile.
_READ = r"""
cd "/spotci/r/$1/$2/." || exit
root=$(pwd -P) path=$3
case /$path/ in *//* | */../* | */./*) echo 'not a path inside' >&2; exit 1 ;; esac
while :; do
  case $path in */*) ;; *) break ;; esac
  head=${path%%/*} path=${path#*/}
  if [ -L "./$head" ] || ! cd "./$head"; then echo 'no such file' >&2; exit 1; fi
done
if [ -L "./$path" ] || ! [ -f "./$path" ]; then echo 'no such file' >&2; exit 1; fi
exec <"./$path" || exit
case $(readlink /proc/self/fd/0) in
  "$root"/*) exec head -c "$4" ;;
  *) echo 'no such file' >&2; exit 1 ;;
esac
"""

# Prints something where the upper directory, $2, has any of the paths in stdin.
_WROTE = r"""
cd "/spotci/r/$1/$2" || exit
look='for path do
  if [ -e "./$path" ] || [ -L "./$path" ]; then echo "$path"; exit 255; fi
done'
xargs -0 sh -c "$look" sh 2>/dev/null || true
"""

# A layer that is shared is a link, of which the target may be gone.
_THERE = r"""
cd "/spotci/r/$1" || exit
shift
for layer do
  if [ -d "$layer" ]; then echo "$layer"; fi
done
"""

_WRITE = r"""
umask 0
cd "/spotci/r/$1/$2" && cat >"./$3" && chmod 644 "./$3"
"""


@dataclass(slots=True)
class _Opened:
    """What is known of an open workspace."""

    name: str
    private: str
    snapshot: Snapshot | None
    layers: tuple[LayerId, ...]
    lower: Lower | None = None


@dataclass(slots=True)
class DockerWorkspaces:
    """Workspaces of one run; see backend.Workspaces.

    ``overlay`` False copies files instead of mounting them.
    """

    store: Store
    overlay: bool
    #: Where the daemon of the jobs has the work volume, if not where the agent has it.
    place: str | None = None
    _snapshots: Snapshots = field(init=False)
    _taken: dict[SnapshotId, Snapshot] = field(default_factory=dict)
    _opened: dict[str, _Opened] = field(default_factory=dict)
    _entries: dict[LayerId, dict[str, FileEntry]] = field(default_factory=dict)
    #: Layers that many were linked into, by those.
    _merged: dict[tuple[LayerId, ...], LayerId] = field(default_factory=dict)
    _merging: anyio.Lock = field(default_factory=anyio.Lock)

    def __post_init__(self) -> None:
        self._snapshots = Snapshots(self.store, thin=self.overlay)

    async def snapshot(
        self,
        tree: SourceTree,
        *,
        progress: Callable[[str, int, int | None], None] | None = None,
    ) -> SnapshotId:
        """Bring the tree into the engine; only what changed since the last travels."""
        taken = await self._snapshots.take(tree, progress)
        name = SnapshotId(f"snapshot-{self.store.number()}")
        self._taken[name] = taken
        return name

    async def open(self, spec: WorkspaceSpec) -> Workspace:
        """Mount a workspace; EngineError with status 409 where its path is taken."""
        store, number = self.store, self.store.number()
        snapshot = None if spec.snapshot is None else self._taken[spec.snapshot]
        layers = await self._few(spec.layers)
        opened = _Opened(f"w{number}", f"t/{number}", snapshot, layers)
        lowers = [*reversed(layers), *await self._below(spec, snapshot)]
        shared = spec.project_dir if spec.shared_path else ""
        private = store.path(opened.private)
        if self.place is not None:
            # A link leads there, which is one of the agent's world alone.
            private = f"{PRIVATE}/{store.run}/{number}"
        if shared and self.place is not None:
            # Nothing can be mounted elsewhere: the job sees it where the daemon does.
            place = f"{self.place}/r/{store.run}/{opened.name}/m"
            spec, shared = replace(spec, project_dir=place), ""
        how = "overlay" if self.overlay else "copy"
        try:
            await store.agent.run(
                *(_OPEN, store.run, opened.name, opened.private, how, shared),
                *(lowers or [_EMPTY]),
                operation="open workspace",
                subject=spec.name,
            )
        except ScriptError as fault:
            await self._remove(opened)
            if fault.code != _TAKEN:
                raise
            raise EngineError(
                f"{spec.project_dir} is taken",
                operation="open workspace",
                subject=spec.name,
                status=_CONFLICT,
            ) from fault
        self._opened[opened.name] = opened
        mounts = (
            Mount(source=store.path(f"{opened.name}/m"), target=spec.project_dir),
            Mount(source=private, target=f"{spec.project_dir}.tmp"),
        )
        return Workspace(id=opened.name, spec=spec, mounts=mounts)

    async def _below(self, spec: WorkspaceSpec, snapshot: Snapshot | None) -> list[str]:
        """Return the layers of the source tree, the highest first."""
        if snapshot is None:
            return []
        lowers = list(reversed(snapshot.layers))
        if spec.git_depth is not None:
            git = await self._snapshots.git_layer(snapshot, spec.git_depth)
            lowers = lowers if git is None else [git, *lowers]
        return lowers

    async def _few(self, layers: tuple[LayerId, ...]) -> tuple[LayerId, ...]:
        """Link many layers into one: the options of a mount are bounded."""
        if len(layers) <= _MOST_LOWERS:
            return layers
        async with self._merging:
            if layers not in self._merged:
                owners: dict[str, LayerId] = {}
                files = [await self._entries_of(layer) for layer in layers]
                for layer, entries in zip(layers, files, strict=True):
                    owners.update(dict.fromkeys(entries, layer))
                seen = {path: owners[path] for path in merge(files)}
                merged = LayerId(f"a{self.store.number()}")
                await link_layer(self.store, merged, _grouped(seen))
                self._merged[layers] = merged
            return (self._merged[layers],)

    async def close(self, workspace: Workspace) -> None:
        """Unmount a workspace and drop what was not collected from it."""
        opened = self._opened.pop(workspace.id, None)
        if opened is not None:
            await self._remove(opened)

    async def _remove(self, opened: _Opened) -> None:
        await self.store.agent.run(
            *(_CLOSE, self.store.run, opened.name, opened.private),
            operation="close workspace",
        )

    async def listing(
        self, workspace: Workspace, *, under: Sequence[str] | None = None
    ) -> Mapping[str, FileEntry]:
        """Return the files of a workspace; the snapshot's are not walked."""
        opened = self._of(workspace)
        return await walk_workspace(
            self.store,
            opened.name,
            self._upper(opened),
            await self._lower(opened),
            under,
        )

    def _upper(self, opened: _Opened) -> str:
        return f"{opened.name}/{'u' if self.overlay else 'm'}"

    async def _lower(self, opened: _Opened) -> Lower:
        if opened.lower is None:
            parts: list[Mapping[str, FileEntry]] = []
            if opened.snapshot is not None:
                parts.append(opened.snapshot.entries)
            parts += [await self._entries_of(layer) for layer in opened.layers]
            opened.lower = Lower(merge(parts))
        return opened.lower

    async def _entries_of(self, layer: LayerId) -> dict[str, FileEntry]:
        if layer not in self._entries:
            self._entries[layer] = await walk_layer(self.store, layer)
        return self._entries[layer]

    async def collect(self, workspace: Workspace, paths: Sequence[str]) -> LayerId:
        """Make a layer of these paths, by hard links."""
        opened = self._of(workspace)
        layer = LayerId(f"a{self.store.number()}")
        if self.overlay:
            groups = _grouped(await self._owners(opened, paths))
        else:
            groups = {_EMPTY: [os.fsencode(path) for path in paths]}
        await link_layer(
            self.store,
            layer,
            groups,
            workspace=opened.name,
            upper=self._upper(opened),
        )
        return layer

    async def unchanged(
        self, workspace: Workspace, paths: Sequence[str], layer: LayerId
    ) -> bool:
        """Say whether the paths lie in this layer, and the job wrote none of them."""
        opened = self._of(workspace)
        if layer not in opened.layers:
            return False
        if not paths or not self.overlay:
            return not paths  # a copy does not tell what a job has written
        owners = await self._owners(opened, paths)
        if any(owner != layer for owner in owners.values()):
            return False
        wrote = await self.store.agent.run(
            *(_WROTE, self.store.run, self._upper(opened)),
            stdin=b"".join([os.fsencode(path) + b"\0" for path in paths]),
            operation="compare files",
        )
        return not wrote

    def _of(self, workspace: Workspace) -> _Opened:
        try:
            return self._opened[workspace.id]
        except KeyError:
            raise EngineError("it is closed", subject=workspace.spec.name) from None

    async def _owners(
        self, opened: _Opened, paths: Sequence[str]
    ) -> dict[str, str | LayerId]:
        """Return the layer that each path is in where the job did not write it."""
        origin: Callable[[bytes], str] = lambda _: _EMPTY  # noqa: E731 - a default
        if opened.snapshot is not None:
            origin = await self._snapshots.origins(opened.snapshot)
        owners: dict[str, str | LayerId] = {}
        known = [(layer, await self._entries_of(layer)) for layer in opened.layers]
        for path in paths:
            found = [layer for layer, entries in known if path in entries]
            owners[path] = found[-1] if found else origin(os.fsencode(path))
        return owners

    async def adopt(self, folder: Path) -> LayerId:
        """Make a layer of a folder of the host."""
        layer = LayerId(f"a{self.store.number()}")
        await self.store.receive(
            pack_folder(folder, mode=lambda mode: mode & 0o777),
            layer=layer,
            subject=str(folder),
        )
        return layer

    async def read(self, place: Workspace | LayerId, path: str, *, limit: int) -> bytes:
        """Read the beginning of a file; links are not followed."""
        inside = f"{place.id}/m" if isinstance(place, Workspace) else place
        return await self.store.agent.run(
            *(_READ, self.store.run, inside, path, str(limit)),
            operation="read",
            subject=path,
        )

    async def write_private(
        self, workspace: Workspace, files: Mapping[str, bytes]
    ) -> None:
        """Write files into the private folder, which is in memory."""
        opened = self._of(workspace)
        for name, content in files.items():
            await self.store.agent.run(
                *(_WRITE, self.store.run, opened.private, name),
                stdin=content,
                operation="write file",
                subject=name,
            )

    async def export(self, layer: LayerId, destination: Path) -> None:
        """Copy a layer to a folder of the host; nothing can leave that folder."""
        await download(self.store, layer, destination)

    async def drop(self, layer: LayerId) -> None:
        """Remove a layer of the run; shared ones are kept as long as they are used."""
        self._entries.pop(layer, None)
        await self.store.discard([layer])

    async def survivors(self, layers: Sequence[LayerId]) -> frozenset[LayerId]:
        """Return those of the layers that are there, of an engine that died, too."""
        found = await self.store.agent.run(
            *(_THERE, self.store.run, *layers), operation="look for layers"
        )
        return frozenset(map(LayerId, found.decode().split()))

    async def cached(self, key: str) -> LayerId | None:
        """Return the newest generation of a cache, kept for the run."""
        words = await self.store.take(Kind.CACHE, _hash(key))
        return LayerId(words[1]) if words else None

    async def store_cache(self, key: str, layer: LayerId) -> None:
        """Make a layer the newest generation of a cache, by one rename."""
        await self.store.share(layer, kind=Kind.CACHE, key=_hash(key))
        await self.store.collect_garbage()

    async def full_disk(self) -> str | None:
        """Return which volume of the engine has no room left."""
        return await full_disk(self.store.agent)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def _grouped(owners: Mapping[str, str]) -> dict[str, list[bytes]]:
    groups: dict[str, list[bytes]] = {}
    for path, layer in owners.items():
        groups.setdefault(layer, []).append(os.fsencode(path))
    return groups
