"""The jobs that outlived their runs: listed, entered, removed."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

import anyio

from spotci.cli.backends import open_kept
from spotci.cli.terminal import Terminal, converse
from spotci.executor.backend import ContainerId
from spotci.executor.session_program import Purpose
from spotci.report.terminal import printable
from spotci.report.words import describe_duration

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractAsyncContextManager

    from spotci.cli.visit import Wish
    from spotci.executor.backend import Session, Sessions, SessionSpec
    from spotci.kept_jobs import KeptJob
    from spotci.project import Project

__all__ = ["KeptJobs", "enter", "listed", "remove"]


class KeptJobs(Protocol):
    """What a backend keeps of the jobs of earlier runs."""

    @property
    def sessions(self) -> Sessions:
        """Opens sessions in them."""
        ...

    async def of(self, project: str) -> tuple[KeptJob, ...]:
        """Return those of the project in a folder, the newest first."""
        ...

    async def remove(self, runs: Iterable[str]) -> None:
        """Remove all that these runs left."""
        ...


def listed(project: Project) -> tuple[KeptJob, ...]:
    """Return the kept jobs of a project, the newest first."""

    async def read() -> tuple[KeptJob, ...]:
        async with open_kept(project) as kept:
            return () if kept is None else await kept.of(str(project.root))

    return anyio.run(read)


def enter(project: Project, wish: Wish) -> int | None:
    """Open a session in the newest container of a job that was kept.

    Return its exit code, or None where none was kept.
    """

    async def visit() -> int | None:
        async with open_kept(project) as kept:
            if kept is None:
                return None
            for job in await kept.of(str(project.root)):
                if job.job == wish.job:
                    print(_banner(job), file=sys.stderr)
                    return await _converse(kept.sessions, job, wish)
            return None

    return anyio.run(visit)


def remove(project: Project, name: str | None) -> tuple[str, ...]:
    """Remove what is kept of a job, or of all; return the names of the jobs.

    Jobs of one run go together: they share its layers of files.
    """

    async def clear() -> tuple[str, ...]:
        async with open_kept(project) as kept:
            if kept is None:
                return ()
            found = await kept.of(str(project.root))
            runs = {job.run for job in found if name in {None, job.job}}
            if runs:
                await kept.remove(runs)
            return tuple(sorted(job.job for job in found if job.run in runs))

    return anyio.run(clear)


async def _converse(sessions: Sessions, job: KeptJob, wish: Wish) -> int:
    def open_session(spec: SessionSpec) -> AbstractAsyncContextManager[Session]:
        return sessions.open(ContainerId(job.container), spec)

    return await converse(
        open_session,
        Purpose(
            job=job.job,
            command=wish.command,
            before=job.before_script if wish.before_script else (),
        ),
        environment=job.environment,
        project_dir=job.project_dir,
        terminal=Terminal(),
    )


def _banner(job: KeptJob) -> str:
    ago = describe_duration(max(0.0, time.time() - job.at))
    name = printable(job.job)
    return (
        f'spotci: "{name}" as it failed {ago} ago in run {job.run}: '
        f"{printable(job.end)}\n"
        f"spotci: --fresh opens a new one; spotci shell --remove removes this"
    )
