from __future__ import annotations

import os
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from spotci.dind.containers import DockerEngine
from spotci.dind.engine import open_engine
from spotci.dind.lease import hold_lease
from tests.engine.real import IMAGE, ExecShell, free_port, load_image, quiet
from tests.engine_contract import EngineContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spotci.dind.engine import DindEngine
    from spotci.dind.settings import EngineSettings

pytestmark = pytest.mark.engine


class TestDockerEngine(EngineContract):
    @pytest.fixture
    def engine(self, docker_engine: DockerEngine) -> DockerEngine:
        return docker_engine


@pytest.fixture(scope="module")
async def tls_engine(settings: EngineSettings) -> DindEngine:
    """An engine that is reached over TLS; the session removes it."""
    name = f"spot-ci-test-{os.getpid()}-tls"
    engine = await open_engine(
        replace(
            settings,
            name=f"{name}-dind",
            network=name,
            registry_name=f"{name}-registry",
            registry_port=free_port(),
            transport="tls",
        ),
        progress=quiet,
    )
    await load_image(engine, IMAGE)
    return engine


class TestDockerEngineOverTls(EngineContract):
    @pytest.fixture
    async def engine(self, tls_engine: DindEngine) -> AsyncIterator[DockerEngine]:
        run = f"test-{uuid.uuid4().hex[:8]}"
        async with hold_lease(tls_engine, run):
            shell = ExecShell(tls_engine.host, tls_engine.container)
            yield DockerEngine(tls_engine, run, shell)
