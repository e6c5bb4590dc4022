from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine_contract import EngineContract

if TYPE_CHECKING:
    from spotci.dind.containers import DockerEngine

pytestmark = pytest.mark.engine


class TestDockerEngine(EngineContract):
    @pytest.fixture
    def engine(self, docker_engine: DockerEngine) -> DockerEngine:
        return docker_engine
