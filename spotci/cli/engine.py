"""``spotci up``, ``down`` and ``status``: the engine."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING

import anyio
import click

from spotci.cli.engine_settings import engine_settings
from spotci.cli.loading import open_here

if TYPE_CHECKING:
    from spotci.dind.engine import EngineStatus

__all__ = ["down", "print_progress", "status", "up"]


@click.command("up")
def up() -> int:
    """Start the engine and its registry, so that the next run need not.

    \b
    spotci up                            before the first run of the day
    SPOTCI_ENGINE_NAME=two spotci up     an engine by another name
    """  # noqa: D301 - click reads the \b
    from spotci.dind.engine import open_engine  # noqa: PLC0415 - start-up time

    settings = engine_settings(open_here())

    async def start() -> None:
        await open_engine(settings, progress=print_progress)

    anyio.run(start)
    print(f"{settings.name} is up")
    return 0


@click.command("down")
def down() -> int:
    """Stop the engine; its images and caches stay, until spotci clean.

    Jobs that were kept by run --keep go with it.

    \b
    spotci down                          after the last run of the day
    SPOTCI_ENGINE_NAME=two spotci down   an engine by another name
    """  # noqa: D301 - click reads the \b
    from spotci.dind.engine import stop_engine  # noqa: PLC0415 - start-up time

    settings = engine_settings(open_here())
    ran = anyio.run(stop_engine, settings)
    print(f"{settings.name} is stopped" if ran else f"{settings.name} did not run")
    return 0


@click.command("status")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The form of the output.",
)
def status(*, form: str) -> int:
    """Show the engine and its registry; nothing is started.

    \b
    spotci status                  for you
    spotci status --format json    for programs
    """  # noqa: D301 - click reads the \b
    from spotci.dind.engine import engine_status  # noqa: PLC0415 - start-up time

    found = anyio.run(engine_status, engine_settings(open_here()))
    if form == "json":
        print(json.dumps(dataclasses.asdict(found), indent=2))
    else:
        print("\n".join(_lines(found)))
    return 0


def print_progress(text: str, done: int, total: int | None) -> None:
    """Print what is done to stderr, once for each step."""
    if text and done in {0, total}:
        print(text, file=sys.stderr)


def _lines(found: EngineStatus) -> list[str]:
    lines = [f"{found.name}: {found.state}"]
    facts = {
        "image": found.image,
        "since": found.started_at,
        "docker": found.version,
        "storage": found.storage_driver,
    }
    lines += [f"  {name:<10} {value}" for name, value in facts.items() if value]
    if found.state == "running":
        lines.append(f"  {'images':<10} {found.images}")
        lines.append(f"  {'containers':<10} {found.containers}")
        port = f"localhost:{found.registry_port}" if found.registry_port else "no port"
        if found.machine:
            lines.append(f"  {'machine':<10} {found.machine}")
            port += f" of {found.machine}"
        registry = port if found.registry_running else "does not run"
        lines.append(f"  {'registry':<10} {registry}")
    return lines
