"""Jobs whose containers are kept when their run has ended, for ``spotci shell``."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Self

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["KeptJob", "surplus_runs"]

#: Runs of one project whose jobs are kept; a newer run takes the place of the oldest.
_MOST_RUNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptJob:
    """The container and the workspace of a job that outlive its run.

    ``environment`` holds the variables of the job, secrets too: a backend keeps it
    where nobody but the user can read it, and no longer than the container.
    """

    run: str
    job: str
    #: The folder of the project on the host.
    project: str
    #: Seconds since the epoch.
    at: float
    image: str
    #: How the job ended, in words.
    end: str
    container: str
    workspace: str
    project_dir: str
    environment: Mapping[str, str]
    before_script: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    network: str | None = None

    def encode(self) -> bytes:
        """Return it as JSON."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return json.dumps({**values, "environment": dict(self.environment)}).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return what was encoded; raises ValueError for anything else."""
        try:
            values = json.loads(data)
            for name in ("before_script", "services"):
                values[name] = tuple(values[name])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the record of a kept job: {error}") from error


def surplus_runs(kept: Iterable[KeptJob]) -> frozenset[str]:
    """Return the runs whose jobs are kept no longer; ``kept`` has the newest first."""
    projects: dict[str, list[str]] = {}
    for job in kept:
        runs = projects.setdefault(job.project, [])
        if job.run not in runs:
            runs.append(job.run)
    return frozenset(run for runs in projects.values() for run in runs[_MOST_RUNS:])
