"""Opens the engine that the settings choose."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from anyio import to_thread

from spotci.cli.loading import record_folder
from spotci.scratch import sweep_scratch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from spotci.cli.dispatch import ProgressBoard
    from spotci.cli.kept import KeptJobs
    from spotci.executor.backend import Backend
    from spotci.project import Project

__all__ = ["open_backend", "open_kept"]


@asynccontextmanager
async def open_backend(
    project: Project, run: str, board: ProgressBoard
) -> AsyncIterator[Backend]:
    """Give the engine for a run, and free on exit what the run has there.

    Folders of runs that were killed are removed first. Raises EngineUnavailableError
    where it cannot be had.
    """
    await to_thread.run_sync(sweep_scratch)
    if project.settings.engine.kind == "shell":
        from spotci.executor import shell  # noqa: PLC0415 - as used

        records = record_folder(project)
        async with shell.open_shell_backend(
            caches=records / "caches", kept=records / "kept"
        ) as backend:
            yield backend
        return
    from spotci.cli.engine_settings import engine_settings  # noqa: PLC0415 - as used
    from spotci.dind import backend as dind  # noqa: PLC0415 - as used

    settings = engine_settings(project)
    subject = "engine", settings.container
    opener = partial(dind.open_backend, settings, run, progress=board.of(*subject))
    async with _finishing(opener, partial(board.finish, *subject)) as backend:
        yield backend


@asynccontextmanager
async def _finishing(
    opener: Callable[[], AbstractAsyncContextManager[Backend]],
    finish: Callable[[], Awaitable[None]],
) -> AsyncIterator[Backend]:
    """Say that the engine has been opened, each time that it is."""
    async with opener() as backend:
        await finish()
        again = backend.reopen
        yield replace(
            backend,
            reopen=None if again is None else partial(_finishing, again, finish),
        )


@asynccontextmanager
async def open_kept(project: Project) -> AsyncIterator[KeptJobs | None]:
    """Give the kept jobs of the engine that the settings choose; None: it has none."""
    if project.settings.engine.kind == "shell":
        from spotci.executor.shell_sessions import ShellKeptJobs  # noqa: PLC0415 - as used

        yield ShellKeptJobs(record_folder(project) / "kept")
        return
    from spotci.cli.engine_settings import engine_settings  # noqa: PLC0415 - as used
    from spotci.dind.sessions import open_kept as open_dind  # noqa: PLC0415 - as used

    def silent(text: str, done: int, total: int | None) -> None:
        """Show nothing: what is kept is in an engine that runs already."""

    async with open_dind(engine_settings(project), progress=silent) as kept:
        yield kept
