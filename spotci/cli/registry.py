"""``spotci registry``: the registry beside the engine, ``localhost:5000``."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import click

from spotci.cli.engine import print_progress
from spotci.cli.engine_settings import engine_settings
from spotci.cli.loading import open_here
from spotci.errors import EngineError

if TYPE_CHECKING:
    import httpx

    from spotci.dind.engine import EngineStatus
    from spotci.dind.settings import EngineSettings

__all__ = ["catalogue", "command"]

#: Times that a registry is asked, and seconds in between.
_ATTEMPTS, _PAUSE = 3, 0.3
#: Names in one answer of the registry; it tells where the next ones are.
_PAGE = 500


@click.group("registry")
def command() -> None:
    """Control the registry beside the engine.

    Jobs push to $CI_REGISTRY and pull from it; so does this machine.

    \b
    spotci registry status         whether it runs, and where
    spotci registry list           what was pushed
    spotci registry gc             free what no tag refers to any more
    spotci registry clean --all    empty it
    """  # noqa: D301 - click reads the \b


@command.command()
def start() -> int:
    """Start the registry, and the engine that it belongs to."""
    from spotci.dind.engine import open_engine  # noqa: PLC0415 - start-up time
    from spotci.dind.registry import start_mirror  # noqa: PLC0415 - start-up time

    settings = engine_settings(open_here())

    async def bring_up() -> None:
        engine = await open_engine(settings, progress=print_progress)
        # An engine that was there looks after the registry, not after its mirror.
        if (state := await engine.outer.state(settings.name)) is not None:
            await start_mirror(engine.outer, settings, state, print_progress)
        engine.close()

    anyio.run(bring_up)
    print(f"{settings.registry_name} is up at {_place(_running(settings))}")
    return 0


@command.command()
def stop() -> int:
    """Stop the registry; what was pushed stays. The next run starts it again."""
    settings = engine_settings(open_here())
    anyio.run(_stop, settings)
    print(f"{settings.registry_name} is stopped")
    return 0


@command.command()
def status() -> int:
    """Show whether the registry runs, and where."""
    settings = engine_settings(open_here())
    found = _look(settings)
    if found.registry_running:
        print(f"{settings.registry_name}: running at {_place(found)}")
    else:
        print(f"{settings.registry_name}: does not run")
    return 0


@command.command("list")
def list_images() -> int:
    """List the images that were pushed, with their tags."""
    from spotci.report.table import render_table  # noqa: PLC0415 - as used
    from spotci.report.terminal import Paint, use_colour  # noqa: PLC0415 - as used

    rows = catalogue(f"http://{_address(engine_settings(open_here()))}")
    if not rows:
        print("nothing was pushed yet")
        return 0
    paint = Paint(enabled=use_colour(sys.stdout, os.environ))
    cells = [(name, ", ".join(tags)) for name, tags in rows.items()]
    print(render_table(("image", "tags"), cells, paint=paint))
    return 0


@command.command()
@click.option("--all", "everything", is_flag=True, help="All that was pushed.")
def clean(*, everything: bool) -> int:
    """Free what no tag refers to any more; with --all empty the registry."""
    settings = engine_settings(open_here())
    print(anyio.run(_empty, settings) if everything else _free(settings))
    return 0


@command.command("gc")
def collect_garbage() -> int:
    """Free what no tag refers to any more, as clean without --all does."""
    print(_free(engine_settings(open_here())))
    return 0


def _free(settings: EngineSettings) -> str:
    if not catalogue(f"http://{_address(settings)}"):
        return "nothing was pushed yet"
    return anyio.run(_collect, settings) or "done"


def catalogue(url: str) -> dict[str, tuple[str, ...]]:
    """Return the images of a registry with their tags; raises EngineError."""
    import httpx  # noqa: PLC0415 - start-up time

    def ask() -> dict[str, tuple[str, ...]]:
        with httpx.Client(base_url=url, timeout=10, trust_env=False) as client:
            return {name: _tags(client, name) for name in _names(client)}

    try:
        for _ in range(_ATTEMPTS - 1):
            # A published port was seen to reset a connection soon after a start.
            with suppress(httpx.NetworkError):
                return ask()
            time.sleep(_PAUSE)
        return ask()
    except httpx.HTTPError as error:
        raise EngineError(
            str(error), operation="ask", subject=url, hint="spotci registry start"
        ) from error


def _names(client: httpx.Client) -> list[str]:
    names: list[str] = []
    address: str | None = f"/v2/_catalog?n={_PAGE}"
    while address is not None:
        answer = client.get(address).raise_for_status()
        names += answer.json()["repositories"] or ()
        address = answer.links.get("next", {}).get("url")
    return names


def _tags(client: httpx.Client, name: str) -> tuple[str, ...]:
    answer = client.get(f"/v2/{name}/tags/list")
    if answer.is_client_error:
        # Its last tag was deleted: the name stays in the catalogue.
        return ()
    found: dict[str, Any] = answer.raise_for_status().json()
    return tuple(sorted(found["tags"] or ()))


async def _stop(settings: EngineSettings) -> None:
    from spotci.dind import registry  # noqa: PLC0415 - start-up time
    from spotci.dind.outer import connect_outer  # noqa: PLC0415 - start-up time
    from spotci.dind.state import engine_lock  # noqa: PLC0415 - start-up time

    outer = await connect_outer(settings, os.environ)
    async with engine_lock(settings):
        await registry.stop(outer, settings)


async def _empty(settings: EngineSettings) -> str:
    """Remove all that was pushed; the registry comes back where the engine runs."""
    from spotci.dind.engine import engine_status, open_engine  # noqa: PLC0415 - as used
    from spotci.dind.outer import connect_outer  # noqa: PLC0415 - start-up time
    from spotci.dind.registry import empty  # noqa: PLC0415 - start-up time
    from spotci.dind.state import engine_lock  # noqa: PLC0415 - start-up time

    outer = await connect_outer(settings, os.environ)
    async with engine_lock(settings):
        await empty(outer, settings)
    if (await engine_status(settings)).state == "running":
        await open_engine(settings, progress=print_progress)
    return f"{settings.registry_name} is empty"


async def _collect(settings: EngineSettings) -> str:
    from spotci.dind.outer import connect_outer  # noqa: PLC0415 - start-up time
    from spotci.dind.registry import collect_garbage  # noqa: PLC0415 - start-up time
    from spotci.dind.state import engine_lock  # noqa: PLC0415 - start-up time

    outer = await connect_outer(settings, os.environ)
    async with engine_lock(settings):
        return await collect_garbage(outer, settings)


def _look(settings: EngineSettings) -> EngineStatus:
    from spotci.dind.engine import engine_status  # noqa: PLC0415 - start-up time

    return anyio.run(engine_status, settings)


def _address(settings: EngineSettings) -> str:
    """Return where the registry is; raises EngineError where it cannot be asked."""
    found = _running(settings)
    if found.machine is not None:
        port = found.registry_port
        raise EngineError(
            f"listens on the loopback of {found.machine}",
            operation="ask",
            subject=settings.registry_name,
            hint=f"ssh -L {port}:localhost:{port} {found.machine} brings it here",
        )
    return _place(found)


def _running(settings: EngineSettings) -> EngineStatus:
    found = _look(settings)
    if not found.registry_running or found.registry_port is None:
        raise EngineError(
            "does not run",
            operation="registry",
            subject=settings.registry_name,
            hint="spotci registry start",
        )
    return found


def _place(found: EngineStatus) -> str:
    place = f"localhost:{found.registry_port}"
    return place if found.machine is None else f"{place} of {found.machine}"
