"""Opens the engine that the settings choose."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from spotci.cli.loading import record_folder
from spotci.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spotci.cli.dispatch import ProgressBoard
    from spotci.executor.backend import Backend
    from spotci.project import Project

__all__ = ["open_backend"]


@asynccontextmanager
async def open_backend(
    project: Project, run: str, board: ProgressBoard
) -> AsyncIterator[Backend]:
    """Give the engine for a run, and free on exit what the run has there.

    Raises EngineUnavailableError where it cannot be had, and UsageError for a kind
    that does not exist.
    """
    if project.settings.engine.kind == "host":
        raise UsageError(
            "engine.kind host: jobs in the developer's own Docker are not supported",
            hint="use dind, an engine of its own, or shell",
        )
    if project.settings.engine.kind == "shell":
        from spotci.executor import shell  # noqa: PLC0415 - as used

        caches = record_folder(project) / "caches"
        async with shell.open_shell_backend(caches=caches) as backend:
            yield backend
        return
    from spotci.cli.engine_settings import engine_settings  # noqa: PLC0415 - as used
    from spotci.dind import backend as dind  # noqa: PLC0415 - as used

    settings = engine_settings(project)
    progress = board.of("engine", settings.name)
    async with dind.open_backend(settings, run, progress=progress) as backend:
        await board.finish("engine", settings.name)
        yield backend
