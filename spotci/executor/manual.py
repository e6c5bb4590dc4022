"""Who plays the manual jobs of a run while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from spotci.pipeline import Job, JobName

__all__ = ["Player"]


class Player(Protocol):
    """Somebody who is asked when nothing is left to do but manual jobs.

    In GitLab a person plays them on the page of the pipeline.
    """

    async def choose(self, jobs: Sequence[Job]) -> Collection[JobName]:
        """Return which of these jobs are to begin now.

        They are asked about once; may be cancelled, as when the run is stopped.
        """
        ...
