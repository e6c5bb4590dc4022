"""Lists a workspace without walking what the host knows already.

Whatever a job changed has its folder in the upper directory. Those folders are read in
the workspace as it is mounted, so that deletions, and folders that replaced others, are
the kernel's matter. A folder that is missing there is as it was in the layers below,
whose files are known.
"""

from __future__ import annotations

import os
import stat
from bisect import bisect_left
from dataclasses import field
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.executor.backend import FileEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from spotci.dind.store import Store

__all__ = ["Lower", "merge", "walk_layer", "walk_workspace"]

# $1 run, $2 workspace, $3 its upper directory, $4 a number; paths in stdin. Prints
# three lists: the folders that the upper directory has, with "./"; what is in them, and
# what was asked for; and type, permissions and size of these.
_WALK = r"""
cd "/spotci/r/$1" || exit
upper=$PWD/$3 lists=$PWD/$2/$4
cd "$2/m" || exit
look='
lists=$0 upper=$1
shift
for path do
  above=$path
  while :; do
    case $above in */*) above=${above%/*} ;; *) break ;; esac
    [ -L "./$above" ] && continue 2
  done
  if [ "$path" = . ]; then
    (cd "$upper" && find . -path ./.git -prune -o -type d -print0) >&4
  elif [ -L "./$path" ] || [ -e "./$path" ]; then
    printf "./%s\0" "$path" >&5
    if [ -d "$upper/$path" ] && ! [ -L "$upper/$path" ]; then
      (cd "$upper" && find "./$path" -path ./.git -prune -o -type d -print0) >&4
    fi
  fi
done
'
inside='exec find "$@" -mindepth 1 -maxdepth 1 -print0'
xargs -0 sh -c "$look" "$lists" "$upper" 4>"$lists.d" 5>"$lists.n" || exit
if [ -s "$lists.d" ]; then
  xargs -0 sh -c "$inside" sh <"$lists.d" >>"$lists.n" || exit
fi
cat "$lists.d"
printf '\0'
cat "$lists.n"
printf '\0'
[ ! -s "$lists.n" ] || xargs -0 stat -c '%f %s' <"$lists.n"
code=$?
rm -f "$lists.d" "$lists.n"
exit "$code"
"""

# The same of a layer: all that is in it.
_WALK_LAYER = r"""
cd "/spotci/r/$1/$2/." || exit
list=/spotci/r/$1/n$3
find . -mindepth 1 -print0 >"$list"
printf '\0'
cat "$list"
printf '\0'
[ ! -s "$list" ] || xargs -0 stat -c '%f %s' <"$list"
code=$?
rm -f "$list"
exit "$code"
"""

_GIT = ".git"


@dataclass(slots=True)
class Lower:
    """The files below the upper directory, by path, without ``.git``.

    Folders are among them where they are empty.
    """

    entries: Mapping[str, FileEntry]
    _sorted: list[str] | None = field(default=None)

    def inside(self, folder: str) -> Iterator[FileEntry]:
        """Give the entries in a folder, and the folder itself where it is empty."""
        if folder == "":
            yield from self.entries.values()
            return
        if self._sorted is None:
            self._sorted = sorted(self.entries)
        names = self._sorted
        start, end = f"{folder}/", f"{folder}0"
        if folder in self.entries:
            yield self.entries[folder]
        for name in names[bisect_left(names, start) : bisect_left(names, end)]:
            yield self.entries[name]


def merge(parts: Iterable[Mapping[str, FileEntry]]) -> dict[str, FileEntry]:
    """Return the files of layers that lie over one another, the lowest first.

    A file hides a folder, and a folder hides a file.
    """
    merged: dict[str, FileEntry] = {}
    for part in parts:
        if not merged:
            merged.update(part)
            continue
        _hide(merged, part)
        merged.update(part)
    return _without_full_folders(merged)


def _hide(merged: dict[str, FileEntry], part: Mapping[str, FileEntry]) -> None:
    """Remove what cannot be seen any more under these files."""
    lower = Lower(merged)
    gone: list[str] = []
    seen: set[str] = set()
    for path, entry in part.items():
        if not stat.S_ISDIR(entry.mode) and path not in merged:
            gone += [hidden.path for hidden in lower.inside(path)]
        parent = path.rpartition("/")[0]
        while parent and parent not in seen:
            seen.add(parent)
            if parent in merged and not stat.S_ISDIR(merged[parent].mode):
                gone.append(parent)
            parent = parent.rpartition("/")[0]
    for path in gone:
        merged.pop(path, None)


def _without_full_folders(entries: dict[str, FileEntry]) -> dict[str, FileEntry]:
    folders = [path for path, entry in entries.items() if stat.S_ISDIR(entry.mode)]
    if folders:
        full: set[str] = set()
        for path in entries:
            parent = path.rpartition("/")[0]
            while parent and parent not in full:
                full.add(parent)
                parent = parent.rpartition("/")[0]
        for path in folders:
            if path in full:
                del entries[path]
    return entries


async def walk_layer(store: Store, layer: str) -> dict[str, FileEntry]:
    """Return the files of a layer."""
    output = await store.agent.run(
        _WALK_LAYER, store.run, layer, str(store.number()), operation="list files"
    )
    _, found = _parse(output)
    return _without_full_folders({entry.path: entry for entry in found})


async def walk_workspace(
    store: Store,
    workspace: str,
    upper: str,
    lower: Lower,
    under: Iterable[str] | None,
) -> dict[str, FileEntry]:
    """Return the files of a workspace that are ``under`` these paths."""
    asked = ["."] if under is None else _normal(under)
    if not asked:
        return {}
    output = await store.agent.run(
        *(_WALK, store.run, workspace, upper, str(store.number())),
        stdin=b"".join([os.fsencode(path) + b"\0" for path in asked]),
        operation="list files",
    )
    walked, found = _parse(output)
    entries: dict[str, FileEntry] = {}
    for entry in found:
        if entry.path == _GIT or entry.path.startswith(f"{_GIT}/"):
            continue
        if stat.S_ISDIR(entry.mode) and entry.path not in walked:
            below = {item.path: item for item in lower.inside(entry.path)}
            entries.update(below or {entry.path: entry})
        else:
            entries[entry.path] = entry
    return _without_full_folders(entries)


def _normal(paths: Iterable[str]) -> list[str]:
    """Return paths that lie inside, without those that no file can have."""
    found: dict[str, None] = {}
    for path in paths:
        parts = path.split("/")
        if path == ".":
            return ["."]
        if "\0" not in path and not {"", ".", ".."} & set(parts):
            found[path] = None
    return list(found)


def _parse(output: bytes) -> tuple[set[str], list[FileEntry]]:
    # Each list ends with an empty name. There is none in the lists.
    walked, rest = _names(output)
    names, rest = _names(rest)
    entries = []
    for name, line in zip(names, rest.splitlines(), strict=True):
        mode, _, size = line.partition(b" ")
        entries.append(FileEntry(path=name, mode=int(mode, 16), size=int(size)))
    return set(walked), entries


def _names(output: bytes) -> tuple[list[str], bytes]:
    if output.startswith(b"\0"):
        return [], output[1:]
    content, _, rest = output.partition(b"\0\0")
    return [os.fsdecode(name).removeprefix("./") for name in content.split(b"\0")], rest
