"""Faults and attacks on a real engine: short with ``make test``, long with ``faults``.

What a test counts it puts down as a figure; a table of all figures is the end of the
output, and what ``docs/security.md`` quotes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

from tests.faults.world import make_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker.api.client import APIClient

    from tests.faults.world import World

_FIGURE = "figure: "


@pytest.fixture(scope="session")
def host() -> Iterator[APIClient]:
    client = docker.from_env().api
    yield client
    client.close()


@pytest.fixture(scope="session")
def new_world(host: APIClient) -> Iterator[Callable[[], World]]:
    """Make users, each with an engine of his own; they go with the session."""
    # Short, for the path of a socket.
    folder = Path(tempfile.mkdtemp(prefix="spotci-"))
    worlds: list[World] = []

    def make() -> World:
        number = len(worlds)
        name = f"spot-ci-f{os.getpid()}-{number}"
        worlds.append(make_world(host, folder / str(number), name))
        return worlds[-1]

    yield make
    for world in worlds:
        world.remove()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def world(new_world: Callable[[], World]) -> World:
    """The user whom most faults happen to."""
    return new_world()


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Put down something that was counted: its name and its value."""

    def put(name: str, value: object) -> None:
        record_property(f"{_FIGURE}{name}", value)

    return put


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = [
        (name.removeprefix(_FIGURE), str(value))
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name.startswith(_FIGURE)
    ]
    if not rows:
        return
    terminalreporter.section("figures")
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        terminalreporter.line(f"{name:<{width}}  {value}")
