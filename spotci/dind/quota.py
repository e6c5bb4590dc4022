"""Bounds on what the engine keeps for later runs, and how they are kept.

Three, as BuildKit has them for its cache: what is never exceeded, what is always kept,
and what stays free on the disk. What was not used for the longest time goes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spotci.dind.shell import Shell

__all__ = ["Quota", "collect"]

_GIBI = 1024**3
_KIBI = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How much an engine keeps, in bytes."""

    #: Never more than this of caches.
    caches: int = 20 * _GIBI
    #: So much of the newest caches stays, however full the disk is.
    keep_caches: int = _GIBI
    #: Never more than this of images; None is no bound.
    images: int | None = None
    #: Where less than this is free on the engine's disk, caches go, then images.
    leave_free: int = 2 * _GIBI


# Layers that no reference and no run names. A run that died keeps what it had until it
# is swept. Caches over the bound go, the longest unused first; so do snapshots and
# .git folders that nobody used for days. Images go while no other run is there that may
# need them in a moment; Docker itself keeps those that containers have.
#
# ``$1`` days, ``$2`` minutes that have to have passed since the last time; kilobytes:
# ``$3`` of caches, ``$4`` of them kept, ``$5`` of images or empty, ``$6`` left free;
# then the ids of the images that the run used.
_COLLECT = r"""
cd /spotci || exit
days=$1 minutes=$2 most=$3 keep=$4 images=$5 free=$6
shift 6
mkdir -p i
for image do : >"i/${image#sha256:}"; done
if [ -f collected ] && [ -z "$(find collected -mmin "+$minutes")" ]; then exit 0; fi
: >collected
available() { df -Pk "$1" | awk 'NR == 2 { print $4 }'; }
(
  find s g c -type f -mtime "+$days" -exec rm -f {} +
  missing=$((free - $(available .)))
  total=0 oldest=
  for ref in $(ls -t c); do
    read -r _ layer <"c/$ref" || continue
    used=$(du -sk "l/$layer" 2>/dev/null) || used=0
    used=${used%%[!0-9]*}
    if [ $((total + used)) -gt "$most" ]; then
      rm -f "c/$ref"
    else
      total=$((total + used)) oldest="$ref:$used $oldest"
    fi
  done
  for item in $oldest; do
    used=${item#*:}
    [ "$missing" -gt 0 ] && [ $((total - used)) -ge "$keep" ] || break
    rm -f "c/${item%:*}"
    missing=$((missing - used)) total=$((total - used))
  done
  exec 9>>lock
  flock 9
  kept=" $(for ref in s/* g/* c/*; do
    [ -f "$ref" ] && read -r _ layers <"$ref" && echo "$layers"
  done | tr '\n' ' ') $(for pin in r/*/l*; do echo "${pin##*/}"; done | tr '\n' ' ')"
  for pin in r/*/a*; do
    [ -L "$pin" ] && kept="$kept $(readlink "$pin" | sed 's,.*/,,')"
  done
  kept="$kept "
  for layer in l/*; do
    name=${layer#l/}
    case $kept in *" $name "*) ;; *) mv "$layer" "x/$name" 2>/dev/null ;; esac
  done
  exec 9>&-
  rm -rf x/l*
  find x -mindepth 1 -maxdepth 1 -mmin +60 -exec rm -rf {} +

  runs=$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' |
    grep -c '^spot-ci-lease=')
  [ "$runs" -le 1 ] || exit 0
  missing=$((free - $(available /var/lib/docker)))
  total=0
  for image in $(docker image ls -q --no-trunc | sort -u); do
    # One that was never seen in a run counts as used now.
    [ -f "i/${image#sha256:}" ] || : >"i/${image#sha256:}"
    size=$(docker image inspect -f '{{.Size}}' "$image") || continue
    total=$((total + size / 1024))
  done
  for image in $(ls -tr i); do
    size=$(docker image inspect -f '{{.Size}}' "$image") || {
      rm -f "i/$image"
      continue
    }
    if [ -n "$images" ] && [ "$total" -gt "$images" ]; then :
    elif [ "$missing" -gt 0 ]; then :
    else break
    fi
    names=$(docker image inspect -f '{{range .RepoTags}}{{println .}}{{end}}' "$image")
    docker image rm ${names:-"$image"} || continue
    rm -f "i/$image"
    total=$((total - size / 1024)) missing=$((missing - size / 1024))
  done
) </dev/null >/dev/null 2>&1 &
"""


async def collect(
    shell: Shell,
    quota: Quota,
    *,
    images: Iterable[str] = (),
    days: int = 14,
    minutes: int = 60,
) -> None:
    """Begin to remove what nobody needs, if that was not done just now.

    ``images`` are ids of images that were used now.
    """
    bound = "" if quota.images is None else str(quota.images // _KIBI)
    await shell.run(
        *(_COLLECT, str(days), str(minutes), str(quota.caches // _KIBI)),
        *(str(quota.keep_caches // _KIBI), bound, str(quota.leave_free // _KIBI)),
        *images,
    )
