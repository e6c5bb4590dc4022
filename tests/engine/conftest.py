"""A real engine for the tests, apart from every other on this machine.

Its name, network, port and state folder belong to this test session; at the end
everything with its label is removed, and what is left is an error. A test that leaves
an object of its run in the engine fails.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest
from anyio import to_thread

from spotci.dind.containers import DockerEngine
from spotci.dind.engine import open_engine
from spotci.dind.lease import hold_lease
from tests.engine.real import (
    IMAGE,
    ExecShell,
    free_port,
    host_objects,
    load_image,
    make_settings,
    quiet,
    remove_host_objects,
    run_objects,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from docker.api.client import APIClient

    from spotci.dind.engine import DindEngine
    from spotci.dind.settings import EngineSettings


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def host() -> Iterator[APIClient]:
    client = docker.from_env().api
    yield client
    client.close()


@pytest.fixture(scope="session")
def settings(host: APIClient) -> Iterator[EngineSettings]:
    state = Path(tempfile.mkdtemp(prefix="spotci-test-"))
    name = f"spot-ci-test-{os.getpid()}"
    yield make_settings(name, state)
    remove_host_objects(host, name)
    shutil.rmtree(state)
    assert host_objects(host, name) == []


@pytest.fixture(scope="session")
async def engine(settings: EngineSettings) -> AsyncIterator[DindEngine]:
    engine = await open_engine(settings, progress=quiet)
    await load_image(engine, IMAGE)
    yield engine
    engine.client.close()
    engine.host.close()


@pytest.fixture
def shell(engine: DindEngine) -> ExecShell:
    return ExecShell(engine.host, engine.container)


@pytest.fixture
async def run_id(engine: DindEngine) -> AsyncIterator[str]:
    """The id of a run that holds its lease, and must leave nothing."""
    run = f"test-{uuid.uuid4().hex[:8]}"
    async with hold_lease(engine, run):
        yield run
        left = await to_thread.run_sync(partial(run_objects, engine.client, run))
    assert left == []


@pytest.fixture
def docker_engine(engine: DindEngine, run_id: str, shell: ExecShell) -> DockerEngine:
    return DockerEngine(engine, run_id, shell)


@pytest.fixture
def fresh(host: APIClient) -> Iterator[EngineSettings]:
    """Settings of an engine that does not exist yet, and is removed after the test."""
    name = f"spot-ci-test-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    state = Path(tempfile.mkdtemp(prefix="spotci-test-"))
    yield make_settings(name, state, registry_port=free_port())
    remove_host_objects(host, name)
    shutil.rmtree(state, ignore_errors=True)
    assert host_objects(host, name) == []
