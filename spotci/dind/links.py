"""Makes layers of files that the engine has already: hard links, no copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spotci.dind.store import Store

__all__ = ["link_layer"]

# $1 run, $2 new layer, $3 workspace or empty, $4 upper of it; then pairs of a layer and
# the size of its list in stdin. Paths that are in the upper directory are taken from
# there, the others from their layer. Attributes of folders are not linked with them:
# an opaque folder would hide what is below the layer, too. Prints what the folders are,
# and what they should be.
_LINK = r"""
set -e
umask 0
cd "/spotci/r/$1"
layer=$2 upper=${4:+$PWD/$4} merged=${3:+$PWD/$3/m}
mkdir -m 755 "$layer" "$layer.l"
target=$PWD/$layer lists=$PWD/$layer.l
shift 4
split='
lists=$0 merged=$1 upper=$2
shift 2
for path do
  if [ -L "$merged/$path" ] || [ -f "$merged/$path" ]; then
    if [ -n "$upper" ] && { [ -e "$upper/$path" ] || [ -L "$upper/$path" ]; }; then
      printf "%s\0" "$path" >&4
    else
      printf "%s\0" "$path" >&5
    fi
  elif [ -d "$merged/$path" ]; then
    printf "%s\0" "$path" >&6
  fi
done
'
link='cp -dlf --parents -- "$@" "$0"'
: >"$lists/upper"
: >"$lists/folders"
from() {
  [ -s "$2" ] || return 0
  (cd "$1" && xargs -0 sh -c "$link" "$target" <"$2")
}
while [ $# -gt 0 ]; do
  dd bs="$2" count=1 iflag=fullblock 2>/dev/null |
    xargs -0 sh -c "$split" "$lists" "${merged:-$PWD/$1}" "$upper" \
      4>>"$lists/upper" 5>"$lists/lower" 6>>"$lists/folders"
  from "$PWD/$1" "$lists/lower"
  shift 2
done
[ -z "$upper" ] || from "$upper" "$lists/upper"
if [ -s "$lists/folders" ]; then
  (cd "$target" && xargs -0 mkdir -p -- <"$lists/folders")
fi
(cd "$target" && find . -mindepth 1 -type d -print0) >"$lists/made"
if [ -n "$merged" ] && [ -s "$lists/made" ]; then
  cat "$lists/made"
  printf '\0'
  (cd "$merged" && xargs -0 stat -c '%a %u:%g' <"$lists/made")
fi
rm -rf "$lists"
"""

# Triples of a word for chmod, one for chown, and the size of the list of folders.
_ATTRIBUTES = r"""
set -e
cd "/spotci/r/$1/$2"
list=$PWD.l
shift 2
while [ $# -gt 0 ]; do
  dd bs="$3" count=1 iflag=fullblock >"$list" 2>/dev/null
  xargs -0 chown "$2" -- <"$list"
  xargs -0 chmod "$1" -- <"$list"
  shift 3
done
rm -f "$list"
"""

#: What folders are made as.
_MADE = b"777 0:0"


async def link_layer(
    store: Store,
    layer: str,
    paths: Mapping[str, Iterable[bytes]],
    *,
    workspace: str | None = None,
    upper: str | None = None,
) -> None:
    """Make a layer of the run of these paths, by the layers that they lie in.

    With a workspace, what lies in its ``upper`` directory is taken from there instead,
    and folders get the owner and permissions that they have in it. Only files, links
    and empty folders are taken; what does not exist, or is something else, is not.
    """
    lists = {origin: _joined(found) for origin, found in paths.items()}
    lists = {origin: content for origin, content in lists.items() if content}
    pairs = [
        word for origin, data in lists.items() for word in (origin, str(len(data)))
    ]
    folders = await store.agent.run(
        *(_LINK, store.run, layer, workspace or "", upper or "", *pairs),
        stdin=b"".join(lists.values()),
        operation="link files",
    )
    groups = _attributes(folders)
    if groups:
        words = [
            word
            for attributes, content in groups.items()
            for word in (*attributes.decode().split(), str(len(content)))
        ]
        await store.agent.run(
            *(_ATTRIBUTES, store.run, layer, *words),
            stdin=b"".join(groups.values()),
            operation="link files",
        )


def _joined(paths: Iterable[bytes]) -> bytes:
    return b"".join([path + b"\0" for path in paths])


def _attributes(output: bytes) -> dict[bytes, bytes]:
    """Return lists of folders by their attributes, without the common ones."""
    if not output:
        return {}
    names, _, stats = output.partition(b"\0\0")
    groups: dict[bytes, list[bytes]] = {}
    for name, attributes in zip(names.split(b"\0"), stats.splitlines(), strict=True):
        if attributes != _MADE:
            groups.setdefault(attributes, []).append(name)
    return {attributes: _joined(found) for attributes, found in groups.items()}
