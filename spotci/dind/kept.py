"""Jobs that outlive their run, because the user asked for it with ``--keep``.

The record of such a job lies in the folder of its run that is in memory::

    /spotci/r/<run>/t/kept/<container>.json    what is known of it, secrets too
    /spotci/r/<run>/t/kept/<container>.ids     its workspace, then ids of its objects

So it can be read by the engine's root alone, it goes when the engine stops, and nothing
else than the folder of the run has to be removed. Whoever removes a run looks there:
its lease, its orderly end, and the sweep.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING

from spotci.kept_jobs import KeptJob

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spotci.dind.shell import Shell

__all__ = ["forget", "read_records", "write_record"]

_WRITE = r"""
set -e
umask 077
cd "/spotci/r/$1/t"
mkdir -p kept
cat >"kept/$2.json"
record=kept/$2
shift 2
printf '%s\n' "$@" >"$record.part"
mv "$record.part" "$record.ids"
"""
_READ = r"""
for record in /spotci/r/*/t/kept/*.json; do
  [ -f "${record%.json}.ids" ] && base64 <"$record" | tr -d '\n' && echo
done 2>/dev/null
exit 0
"""
_FORGET = r"""
for run do rm -rf "/spotci/r/${run:?}/t/kept"; done
"""


async def write_record(shell: Shell, kept: KeptJob) -> None:
    """Let a job be kept, from now on and whatever happens to this process."""
    objects = (kept.container, *kept.services, *filter(None, [kept.network]))
    await shell.run(
        *(_WRITE, kept.run, kept.container, kept.workspace, *objects),
        stdin=kept.encode(),
    )


async def read_records(shell: Shell) -> tuple[KeptJob, ...]:
    """Return the jobs that are kept, the newest first."""
    found = []
    for line in (await shell.run(_READ)).split():
        # One that a later spotci wrote is not ours to understand.
        with suppress(ValueError):
            found.append(KeptJob.decode(base64.b64decode(line)))
    return tuple(sorted(found, key=lambda kept: kept.at, reverse=True))


async def forget(shell: Shell, runs: Iterable[str]) -> None:
    """Let the jobs of these runs be kept no longer; they are not yet removed."""
    await shell.run(_FORGET, *runs)
