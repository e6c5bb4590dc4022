"""The golden logs of jobs on the real engine; see tests/job_logs.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.dind.backend import open_backend
from tests.engine.real import quiet
from tests.job_logs import CASES, golden, run_case

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from spotci.dind.engine import DindEngine
    from spotci.executor.backend import Backend
    from tests.job_logs import LogCase

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
async def backend(engine: DindEngine) -> AsyncIterator[Backend]:
    async with open_backend(engine.settings, "golden", progress=quiet) as backend:
        yield backend


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_job_says_what_its_golden_log_holds(
    backend: Backend, case: LogCase, tmp_path: Path
) -> None:
    log = await run_case(case, backend, tmp_path)

    assert log == golden(case, log)
