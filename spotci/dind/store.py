"""The work volume of the engine: its folders, and the ways to keep something there.

::

    /spotci/l/<layer>        immutable files, shared by runs: snapshots, .git, caches
    /spotci/s/<project>      the newest snapshot of a project: its manifest
    /spotci/g/<digest>       the layer of a .git folder
    /spotci/c/<digest>       the layer of the newest generation of a cache
    /spotci/r/<run>/         what goes with a run
        <layer>              link to a layer that the run uses: it is not collected
        a<n>                 a layer of the run's own: artifacts
        m<n>                 a manifest as it was when the run began
        w<n>/{u,w,m}         a workspace: upper, work, and where it is mounted
        t/<n>                folder for private files of a workspace, in memory
        t/kept/              records of jobs that outlive the run, see ``kept``
    /spotci/i/<id>           the time of the last run that used an image
    /spotci/x/               what is being removed

The files in ``s``, ``g`` and ``c`` are references: the first line of each is a word and
the layers that it keeps. They are replaced by renaming, under the lock; whoever takes a
layer for a run holds it shared, so that nothing is collected in between.
"""

from __future__ import annotations

import itertools
import secrets
from enum import StrEnum
from typing import TYPE_CHECKING

from spotci.dind.quota import Quota, collect
from spotci.dind.upload import produced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from spotci.dind.agent import Agent

__all__ = ["PRIVATE", "REMOVE_RUN", "ROOT", "Kind", "Store"]

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"

# Prints whether workspaces can be mounted, which is tried once for a volume.
#
# The engine of a run may have died, and been started again: then its workspaces have
# lost their mounts, and what was arriving does not come any more. Layers stay. What is
# printed, too, is whether the volume is new, and the highest number of what stays.
_OPEN = r"""
set -e
umask 077
cd /spotci
if [ -d l ]; then age=old; else age=new; fi
mkdir -p l s g c x "r/$1"
cd "r/$1"
for claim in w[0-9]*/path; do
  [ -f "$claim" ] || continue
  { read -r path; } <"$claim"
  rmdir "$path.tmp" "$path" 2>/dev/null || :
done
for stale in w[0-9]* i[0-9]* e t try; do
  if [ -e "$stale" ] || [ -L "$stale" ]; then mv "$stale" "/spotci/x/$1.$$.$stale"; fi
done
rm -rf "/spotci/x/$1.$$".* "/spotci-private/$1"
mkdir e
if [ -d /spotci-private ]; then
  mkdir -m 711 "/spotci-private/$1"
  ln -s "/spotci-private/$1" t
else
  mkdir t
  mount -t tmpfs -o mode=711,size=256m,nosuid,nodev spot-ci t
fi
if ! [ -f /spotci/overlay ]; then
  mkdir -p try/u try/w try/m
  if mount -t overlay -o lowerdir=e,upperdir=try/u,workdir=try/w overlay try/m; then
    if mknod try/w/node c 0 0; then : >/spotci/overlay; fi
    umount try/m
  fi
  rm -rf try
fi 2>/dev/null
if [ -f /spotci/overlay ]; then how=overlay; else how=copy; fi
highest=$(ls | sed -n 's/^[am]\([0-9][0-9]*\)$/\1/p' | sort -n | tail -n 1)
echo "$how $age ${highest:-0}"
"""

#: Where the engine's container has the work volume.
ROOT = "/spotci"

#: A volume in memory with the private files of all runs, where the engine's container
#: cannot mount one for each; see ``host``.
PRIVATE = "/spotci-private"

#: Removes what runs have on the work volume: ``$@`` are their ids. A mount that is in
#: use goes when its last user does. The files go in the background. Of a run with kept
#: jobs, see ``kept``, only the workspaces of others go.
REMOVE_RUN = r"""
for run do
  case $run in '' | */* | .*) continue ;; esac
  [ -d "/spotci/r/$run" ] || continue
  if cat "/spotci/r/$run"/t/kept/*.ids >/dev/null 2>&1; then
    for place in "/spotci/r/$run"/w[0-9]*; do
      name=${place##*/}
      [ -d "$place" ] || continue
      cat "/spotci/r/$run"/t/kept/*.ids | grep -qxF "$name" && continue
      if [ -f "$place/path" ]; then
        { read -r path; } <"$place/path"
        umount -l "$path.tmp" "$path" 2>/dev/null
        rmdir "$path.tmp" "$path" 2>/dev/null
      fi
      umount -l "$place/m" 2>/dev/null
      mv "$place" "/spotci/x/$run.$name" && rm -rf "/spotci/x/$run.$name"
    done
    continue
  fi
  # Newest mounts first: one may lie over another. Names of mounts are in octal.
  while read -r _ place _; do echo "$place"; done </proc/mounts |
    grep -F "/spotci/r/$run/" | sort -r | while read -r place; do
      umount -l "$place" 2>/dev/null
    done
  for claim in "/spotci/r/$run"/w*/path; do
    [ -f "$claim" ] || continue
    { read -r path; } <"$claim"
    umount -l "$path.tmp" "$path" 2>/dev/null
    rmdir "$path.tmp" "$path" 2>/dev/null
  done
  mkdir -p /spotci/x
  mv "/spotci/r/$run" "/spotci/x/$run.$$" && rm -rf "/spotci/x/$run.$$"
  rm -rf "/spotci-private/$run"
done
exit 0
"""

# Prints the first line of the reference, and nothing where there is none, or where a
# layer of it is missing. ``$4`` is a name for a copy of the reference, or empty.
_TAKE = r"""
cd "/spotci/r/$1" || exit
ref=/spotci/$2/$3
[ -f "$ref" ] || exit 0
exec 9>>/spotci/lock
flock -s 9
read -r line <"$ref" || exit 0
copy=$4
set -- $line
shift
for layer do
  [ -d "/spotci/l/$layer" ] || exit 0
done
for layer do
  shift
  [ -L "$layer" ] || set -- "$@" "../../l/$layer"
done
[ $# -eq 0 ] || ln -sfn "$@" . || exit
[ -z "$copy" ] || ln -f "$ref" "$copy" || exit
touch -c "$ref"
echo "$line"
"""

# Takes a stream of ``upload`` and makes it a layer. ``$2`` is where the files arrive,
# ``$3`` the new layer; with ``$4`` it is shared, and ``m`` of the stream becomes the
# reference ``/spotci/$4/$5``, with a copy at ``$6`` where that is given.
_RECEIVE = r"""
set -e
umask 0
cd "/spotci/r/$1"
mkdir -p "$2/f"
tar -xpf - -C "$2"
if ! [ -f "$2/m" ]; then
  echo 'the stream of files was cut' >&2
  exit 1
fi
if [ -z "$4" ]; then
  mv "$2/f" "$3"
else
  exec 9>>/spotci/lock
  flock 9
  mv "$2/f" "/spotci/l/$3"
  ln -s "../../l/$3" "$3"
  chmod 600 "$2/m"
  # It comes with the time of the stream, and would be taken for long unused.
  touch "$2/m"
  [ -z "$6" ] || ln "$2/m" "$6"
  mv -f "$2/m" "/spotci/$4/$5"
fi
rm -rf "$2"
"""

# Moves a layer of the run to the shared layers, where it is not there already; a link
# stays. Where a reference is given, ``$2/$3``, it is made to name that layer.
_SHARE = r"""
set -e
cd "/spotci/r/$1"
exec 9>>/spotci/lock
flock 9
layer=$4
if [ -L "$layer" ]; then
  layer=$(readlink "$layer")
  layer=${layer##*/}
  [ -d "/spotci/l/$layer" ]
else
  mv "$layer" "/spotci/l/$5"
  ln -s "../../l/$5" "$layer"
  layer=$5
fi
# The run itself may use it by either name.
[ -L "$layer" ] || ln -s "../../l/$layer" "$layer"
if [ -n "$2" ]; then
  echo "- $layer" >"/spotci/x/$5"
  mv -f "/spotci/x/$5" "/spotci/$2/$3"
fi
echo "$layer"
"""

# A kept job may have them below its workspace: then they go with the run.
_DISCARD = r"""
cd "/spotci/r/$1" || exit
if cat t/kept/*.ids >/dev/null 2>&1; then exit 0; fi
shift
for name do
  if [ -L "$name" ]; then continue; fi
  [ -e "$name" ] || continue
  gone=/spotci/x/${PWD##*/}.$name
  mv "$name" "$gone" && rm -rf "$gone" >/dev/null 2>&1 &
done
exit 0
"""


class Kind(StrEnum):
    """Kinds of references."""

    SNAPSHOT = "s"
    GIT = "g"
    CACHE = "c"


class Store:
    """The work volume, as one run uses it."""

    def __init__(self, agent: Agent, run: str, quota: Quota | None = None) -> None:
        self.agent, self.run = agent, run
        self.quota = quota or Quota()
        self._numbers = itertools.count(1)
        #: Whether nobody has been here before.
        self.is_new = False

    def number(self) -> int:
        """Return a number that this run has not used."""
        return next(self._numbers)

    def new_layer(self) -> str:
        """Return a name for a shared layer. It begins with ``l``."""
        return "l" + "".join(secrets.choice(_ALPHABET) for _ in range(7))

    def path(self, name: str) -> str:
        """Return the path of something of the run in the engine."""
        return f"/spotci/r/{self.run}/{name}"

    async def open(self) -> bool:
        """Make the folders of the run; say whether workspaces can be mounted."""
        answer = await self.agent.run(
            _OPEN, self.run, operation="prepare the work volume"
        )
        how, age, highest = answer.decode().split()
        self.is_new = age == "new"
        self._numbers = itertools.count(int(highest) + 1)
        return how == "overlay"

    async def close(self) -> None:
        """Remove all that the run has."""
        await self.remove_runs([self.run])

    async def take(self, kind: Kind, key: str, *, copy: str = "") -> tuple[str, ...]:
        """Return the words of a reference, and keep its layers for the run.

        There are none where it does not exist. ``copy`` names a copy of it in the
        folder of the run.
        """
        line = await self.agent.run(
            _TAKE, self.run, kind, key, copy, operation="look for", subject=key
        )
        return tuple(line.decode().split())

    async def receive(
        self,
        pieces: Iterator[bytes],
        *,
        layer: str,
        kind: Kind | None = None,
        key: str = "",
        copy: str = "",
        subject: str,
    ) -> None:
        """Make a layer of a stream of ``upload``; whole, or not at all."""
        arrival = f"i{self.number()}"
        words = (self.run, arrival, layer, kind or "", key, copy)
        async with produced(pieces) as chunks:
            await self.agent.send_stream(
                _RECEIVE, *words, chunks=chunks, operation="send files", subject=subject
            )

    async def share(
        self, layer: str, *, kind: Kind | None = None, key: str = ""
    ) -> str:
        """Give a layer of this run to others, and return the name that it has there.

        With ``kind`` and ``key`` it becomes what that reference names.
        """
        name = await self.agent.run(
            *(_SHARE, self.run, kind or "", key, layer, self.new_layer()),
            operation="keep",
            subject=key or layer,
        )
        return name.decode().strip()

    async def remove_runs(self, runs: Iterable[str]) -> None:
        """Remove all that these runs have."""
        await self.agent.run(REMOVE_RUN, *runs, operation="clean the work volume")

    async def discard(self, names: Sequence[str]) -> None:
        """Remove things of the run; shared layers stay."""
        await self.agent.run(_DISCARD, self.run, *names, operation="remove files")

    async def collect_garbage(self, images: Iterable[str] = ()) -> None:
        """Begin to remove what nobody needs; ``images`` are those that this run used.

        That is done once an hour.
        """
        await collect(self.agent, self.quota, images=images)
