"""What a job takes over from jobs of an earlier run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from spotci.errors import EngineError
from spotci.events import FailureReason
from spotci.executor.plan import EarlierJob
from spotci.pipeline import JobName
from spotci.variables import Level, Variable
from tests.builders import job
from tests.executor_world import World

if TYPE_CHECKING:
    from pathlib import Path


async def test_artifacts_of_an_earlier_run(tmp_path: Path) -> None:
    folder = tmp_path / "earlier"
    folder.mkdir()
    (folder / "built").write_bytes(b"1")
    name = JobName("build")
    world = World(
        tmp_path / "record",
        job("test", needs=["build"]),
        earlier={
            name: EarlierJob(
                artifacts=folder,
                variables=(Variable(name="OLD", value="1", level=Level.DOTENV),),
            )
        },
    )

    await world.run()

    assert len(world.backend.workspaces.specs[0].layers) == 1
    assert "export OLD='1'" in world.script()


async def test_lost_artifacts_fail_who_depends_on_them(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job("test", needs=["build"]),
        earlier={JobName("build"): EarlierJob(lost=True)},
    )

    result = await world.run()

    assert result.failure_reason is FailureReason.MISSING_DEPENDENCY_FAILURE
    assert result.message == (
        "This job depends on other jobs with expired/erased artifacts: build"
    )
    assert world.backend.engine.created == []


async def test_earlier_artifacts_are_brought_in_once_and_again_after_a_fault(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "earlier"
    folder.mkdir()
    (folder / "x").write_bytes(b"1")
    world = World(
        tmp_path / "record",
        job("a", needs=["old"], variables={"ARTIFACT_DOWNLOAD_ATTEMPTS": "2"}),
        job("b", needs=["old"]),
        earlier={JobName("old"): EarlierJob(artifacts=folder)},
    )
    world.backend.gates.faults["adopt"] = [EngineError("busy")]

    async with world.runner() as runner, anyio.create_task_group() as tasks:
        for each in world.plan.pipeline.jobs.values():
            tasks.start_soon(runner.run, each)

    assert world.backend.gates.reached.count("adopt") == 2
    assert [len(spec.layers) for spec in world.backend.workspaces.specs] == [1, 1]
