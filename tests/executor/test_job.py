"""Attempts of jobs: inputs, cancellation, removal, and what goes on behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from spotci.errors import EngineError
from spotci.events import (
    FailureReason,
    JobStatus,
    Notice,
    SectionFinished,
    SectionStarted,
)
from spotci.executor.job import JobRunner
from spotci.pipeline import Artifacts, Cache, Image, Service, Trigger
from tests.builders import job, variable
from tests.executor_world import World

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


async def test_inputs_of_the_job_are_put_into_its_texts(tmp_path: Path) -> None:
    text = "deploy ${{ job.inputs.target }}"
    world = World(
        tmp_path,
        job(
            "deploy",
            script=(text,),
            image=Image(name="python:${{ job.inputs.version }}"),
            inputs={"target": "staging", "version": "3.12"},
        ),
    )
    world.backend.program("deploy staging", output=[b"done\n"])

    result = await world.run()

    assert result.status is JobStatus.SUCCESS
    assert "Using Docker executor with image python:3.12 ..." in world.log()
    assert "  done" in world.log()


async def test_an_input_that_is_not_there_fails_the_job(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("a", script=("${{ job.inputs.no }}",), inputs={"yes": "1"})
    )

    result = await world.run()

    assert result.status is JobStatus.FAILED
    assert result.failure_reason is FailureReason.RUNNER_SYSTEM_FAILURE
    assert result.message == (
        "failed to interpolate job inputs: `job.inputs.no`: there is no 'no'"
    )
    assert world.backend.engine.calls == []


async def test_cancellation_runs_after_script_and_cleans_up(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",), after_script=("bye",)))
    world.backend.program("make", output=[b"go\n"], hangs=True, last_words=b"term\n")
    world.backend.program("bye", output=[b"after\n"])

    async with world.runner() as runner, anyio.create_task_group() as tasks:
        tasks.start_soon(runner.run, next(iter(world.plan.pipeline.jobs.values())), 1)
        while "  go" not in world.log():
            await checkpoint()
        tasks.cancel_scope.cancel()

    assert world.log()[-6:] == [
        "  go",
        "  term",
        "== Running after_script",
        "Running after script...",
        "  after",
        "ERROR: Job failed: canceled",
    ]
    assert "export CI_JOB_STATUS='canceled'" in world.script(0, 1)
    assert world.backend.left() == []


async def test_hurry_skips_the_after_script_of_canceled_jobs(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",), after_script=("bye",)))
    world.backend.program("make", hangs=True)
    world.backend.program("bye", output=[b"after\n"], hangs=True)

    async with world.runner() as runner, anyio.create_task_group() as tasks:
        tasks.start_soon(runner.run, next(iter(world.plan.pipeline.jobs.values())), 1)
        while not world.backend.engine.created or not (
            world.backend.engine.created[0].running
        ):
            await checkpoint()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            while "  after" not in world.log():
                await checkpoint()
            runner.hurry()

    assert world.backend.left() == []


STAGES = [
    "ensure",
    "create_network",
    "cached",
    "open",
    "create",
    "write_private",
    "start_detached",
    "probe 5432",
    "start",
    "listing",
    "collect",
    "store_cache",
    "read",
]


@pytest.mark.parametrize("stage", STAGES)
async def test_cancellation_at_any_stage_leaves_nothing(
    tmp_path: Path, stage: str
) -> None:
    world = World(
        tmp_path,
        job(
            "build",
            script=("make",),
            services=(Service(name="postgres:16"),),
            cache=(Cache(paths=("a",)),),
            artifacts=Artifacts(paths=("a",), reports={"dotenv": ("e",)}),
            variables={},
        ),
        variables=(variable("FILE", "x", file=True),),
    )
    world.backend.images.ports["postgres:16"] = (5432,)
    world.backend.program("make", files={"a": b"", "e": b"A=1"})
    gate = world.backend.gates.closed[stage] = anyio.Event()

    async with world.runner() as runner, anyio.create_task_group() as tasks:
        tasks.start_soon(runner.run, next(iter(world.plan.pipeline.jobs.values())), 1)
        while stage not in world.backend.gates.reached:
            await checkpoint()
        tasks.cancel_scope.cancel()
        gate.set()

    assert world.backend.left() == []
    sections = [event.section for event in world.events.of(SectionStarted)]
    ended = [event.section for event in world.events.of(SectionFinished)]
    assert sorted(sections) == sorted(ended)


async def test_removal_goes_on_behind_the_result(tmp_path: Path) -> None:
    world = World(tmp_path, job("build"))
    gate = world.backend.gates.closed["remove"] = anyio.Event()

    async with world.runner() as runner:
        result = await runner.run(next(iter(world.plan.pipeline.jobs.values())), 1)
        left = world.backend.left()
        gate.set()

    assert result.status is JobStatus.SUCCESS
    assert left
    assert world.backend.left() == []


async def test_failed_jobs_are_kept_if_asked(tmp_path: Path) -> None:
    world = World(tmp_path, job("build", script=("make",)), keep=True)
    world.backend.program("make", code=1)

    async with world.runner() as runner:
        await runner.run(next(iter(world.plan.pipeline.jobs.values())), 1)

    assert "spot-ci-test-build" in world.backend.left()
    kept = "The container spot-ci-test-build is kept: spotci shell build"
    assert kept in world.log()


async def test_a_second_attempt_replaces_the_first(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("a", script=("make",), artifacts=Artifacts(paths=("x",)))
    )
    world.backend.program("make", files={"x": b""})

    async with world.runner() as runner:
        only = next(iter(world.plan.pipeline.jobs.values()))
        first = await runner.run(only, 1)
        second = await runner.run(only, 2)

    assert (first.attempt, second.attempt) == (1, 2)
    names = [container.spec.name for container in world.backend.engine.created]
    assert names == ["spot-ci-test-a", "spot-ci-test-a-2"]
    assert "export CI_JOB_ID='2'" in world.script(1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"trigger": Trigger(project="group/other")},
            "spotci does not start downstream pipelines: run that pipeline itself",
        ),
        (
            {"run": ({"name": "a", "script": "x"},), "script": ()},
            "spotci does not execute `run`: write `script` instead",
        ),
    ],
)
async def test_what_cannot_be_run_is_skipped_and_said(
    tmp_path: Path, fields: Mapping[str, Any], message: str
) -> None:
    world = World(tmp_path, job("a", **fields))

    result = await world.run()

    assert (result.status, result.message) == (JobStatus.SKIPPED, message)
    assert world.backend.engine.created == []


async def test_jobs_run_inside_of_the_runners_context(tmp_path: Path) -> None:
    world = World(tmp_path, job("a"))
    runner = JobRunner(world.plan, world.backend.port, world.events, None)

    with pytest.raises(RuntimeError, match="inside of its context"):
        await runner.run(next(iter(world.plan.pipeline.jobs.values())))


async def test_artifacts_go_to_the_source_tree_if_asked(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        job("a", script=("make",), artifacts=Artifacts(paths=("out",))),
        artifacts_to_source=True,
    )
    world.backend.program("make", files={"out/x": b"1"})

    await world.run()

    assert (tmp_path / "out/x").read_bytes() == b"1"


async def test_an_export_that_fails_is_a_notice(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("a", script=("make",), artifacts=Artifacts(paths=("x",)))
    )
    world.backend.program("make", files={"x": b"1"})
    world.backend.gates.faults["export"] = [EngineError("disk full")]

    result = await world.run()

    assert result.status is JobStatus.SUCCESS
    assert [event.text for event in world.events.of(Notice)] == [
        "the artifacts of a are not kept: disk full"
    ]
