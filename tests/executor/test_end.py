"""How the end of a job is told where its exit code does not say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.events import FailureReason
from tests.builders import job
from tests.executor_world import World

if TYPE_CHECKING:
    from pathlib import Path


async def test_out_of_memory_is_said(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",)))
    world.backend.program("make", oom=True)

    result = await world.run()

    assert result.exit_code == 137
    assert result.message == "the container was killed, out of memory"


async def test_a_full_disk_is_said_of_a_job_that_failed(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",)))
    world.backend.program("make", code=1)
    world.backend.workspaces.full = "the disk of workspaces"

    result = await world.run()

    assert result.failure_reason is FailureReason.SCRIPT_FAILURE
    assert result.message == "the disk of workspaces has no room left"
    assert world.log()[-1] == (
        "ERROR: Job failed: exit code 1: the disk of workspaces has no room left"
    )


async def test_a_full_disk_is_not_said_of_a_job_that_passed(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",)))
    world.backend.workspaces.full = "the disk of workspaces"

    assert (await world.run()).message is None
