"""What the time-outs of a job stop, and what they leave time for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from spotci.events import FailureReason, JobStatus
from spotci.pipeline import Artifacts, SaveWhen
from tests.builders import job
from tests.executor_world import World

if TYPE_CHECKING:
    from pathlib import Path


async def test_job_timeout_stops_the_container(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "build",
            script=("make",),
            after_script=("bye",),
            timeout=timedelta(seconds=0.05),
        ),
    )
    world.backend.program("make", hangs=True, last_words=b"terminated\n")

    result = await world.run()

    assert result.failure_reason is FailureReason.JOB_EXECUTION_TIMEOUT
    assert world.log()[-2:] == [
        "  terminated",
        "ERROR: Job failed: execution took longer than 0.05s seconds",
    ]
    assert len(world.backend.engine.created[0].scripts) == 1


async def test_script_timeout_leaves_time_for_after_script(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "build",
            script=("make",),
            after_script=("bye",),
            variables={"RUNNER_SCRIPT_TIMEOUT": "0.05s"},
            artifacts=Artifacts(paths=("a",), when=SaveWhen.ON_FAILURE),
        ),
    )
    world.backend.program("make", hangs=True, files={"a": b"1"})
    world.backend.program("bye", output=[b"after\n"])

    result = await world.run()

    assert result.failure_reason is FailureReason.JOB_EXECUTION_TIMEOUT
    log = world.log()
    assert any(line.startswith("WARNING: step_script could not run") for line in log)
    assert "  after" in log
    assert "a: found 1 matching artifact files and directories" in log
    assert log[-1] == "ERROR: Job failed: script timeout"


async def test_after_script_timeout(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job(
            "build",
            script=("make",),
            after_script=("bye",),
            variables={"RUNNER_AFTER_SCRIPT_TIMEOUT": "0.05s"},
        ),
    )
    world.backend.program("bye", hangs=True)

    result = await world.run()

    assert result.status is JobStatus.SUCCESS
    assert any(
        line.startswith("WARNING: after_script could not run") for line in world.log()
    )
