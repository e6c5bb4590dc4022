"""The golden logs of jobs on the backend in memory; see tests/job_logs.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes import FakeBackend
from tests.job_logs import CASES, FOLDER, IMAGE, MISSING, golden, run_case

if TYPE_CHECKING:
    from pathlib import Path

    from tests.job_logs import LogCase


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_job_says_what_its_golden_log_holds(
    case: LogCase, tmp_path: Path
) -> None:
    backend = FakeBackend()
    backend.engine.programs += case.programs
    backend.engine.deaf.add(f"sha256:{IMAGE}")
    backend.engine.service_logs = b"starting\n"
    backend.images.missing[MISSING] = "manifest unknown"

    log = await run_case(case, backend.port, tmp_path)

    assert log == golden(case, log)
    assert backend.left() == []


def test_every_golden_log_has_its_case() -> None:
    assert sorted(file.stem for file in FOLDER.iterdir()) == sorted(
        case.name for case in CASES
    )
