"""The Docker backend, put together for one run."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio

from spotci.dind.agent import open_agent
from spotci.dind.containers import DockerEngine
from spotci.dind.engine import open_engine
from spotci.dind.images import open_images
from spotci.dind.lease import begin_lease, sweep, sweep_own
from spotci.dind.sessions import DockerSessions
from spotci.dind.store import ROOT, Store
from spotci.dind.workspace import DockerWorkspaces
from spotci.errors import EngineError
from spotci.executor.backend import Backend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spotci.dind.settings import EngineSettings, Progress

__all__ = ["open_backend"]

#: Seconds for what is closed at the end; the lease does what is left.
_CLOSING = 30.0


@asynccontextmanager
async def open_backend(
    settings: EngineSettings,
    run: str,
    *,
    progress: Progress,
    overlay: bool = True,
) -> AsyncIterator[Backend]:
    """Give the engine for a run, found or started, and hold a lease in it.

    Leaving the block removes all that the run has there; if this process dies, the
    engine does. ``overlay`` False makes workspaces by copying, as where overlays cannot
    be mounted. Raises EngineUnavailableError where there is no engine.
    """
    kept: set[str] = set()
    async with _open(
        *(settings, run, kept), progress=progress, overlay=overlay, again=False
    ) as backend:
        yield backend


@asynccontextmanager
async def _open(
    settings: EngineSettings,
    run: str,
    kept: set[str],
    *,
    progress: Progress,
    overlay: bool,
    again: bool,
) -> AsyncIterator[Backend]:
    """Open a backend; ``again`` says that the engine of the run has died.

    What the run has there still is then taken up. ``kept`` is of the whole run: each
    of its leases leaves alone what is to outlive it.
    """
    engine = await open_engine(settings, progress=progress)
    async with AsyncExitStack() as stack:
        stack.callback(engine.close)
        # The lease and the agent are two processes in the engine: they start together.
        held = await stack.enter_async_context(begin_lease(engine, run, kept=kept))
        agent = await stack.enter_async_context(open_agent(engine))
        await held()
        images = await stack.enter_async_context(open_images(engine))
        await (sweep_own if again else sweep)(engine, agent, own=run)
        store = Store(agent, run, settings.quota)
        mounts = await store.open()
        overlay = overlay and not engine.shared
        if overlay and not mounts:
            progress("overlays cannot be mounted: workspaces are copied", 0, None)
        reopen = partial(
            _open, settings, run, kept, progress=progress, overlay=overlay, again=True
        )
        try:
            containers = DockerEngine(engine, run, agent)
            yield Backend(
                engine=containers,
                images=images,
                workspaces=DockerWorkspaces(
                    store, overlay and mounts, place=engine.paths.get(ROOT)
                ),
                sessions=DockerSessions(
                    engine, agent, start=containers.start_detached, kept=kept
                ),
                reopen=reopen,
                emptied=store.is_new,
            )
        finally:
            with anyio.move_on_after(_CLOSING, shield=True):
                # Where the engine has died, the next one is swept.
                with suppress(EngineError):
                    await store.collect_garbage(images.used)
                with suppress(EngineError):
                    await store.close()
