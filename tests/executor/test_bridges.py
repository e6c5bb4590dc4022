"""Downstream pipelines on the backend in memory; what they hold is written down."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from spotci.events import (
    ChildPipelineFinished,
    ChildPipelineStarted,
    JobFinished,
    JobLog,
    JobStatusChanged,
)
from spotci.executor.downstream import (
    DownstreamError,
    DownstreamPipeline,
    DownstreamUnavailableError,
)
from spotci.executor.run import execute
from spotci.pipeline import (
    Artifacts,
    CrossNeed,
    JobName,
    Retry,
    Trigger,
    TriggerStrategy,
)
from spotci.variables import Level
from tests.builders import job, pipeline, plan, variable
from tests.fakes import Events, FakeBackend

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from spotci.events import Event, PipelineFinished
    from spotci.executor.downstream import ReadArtifact
    from spotci.pipeline import Job
    from spotci.variables import Variable


@dataclass
class FakeDownstream:
    """Gives the jobs that were written down for the bridge of a name."""

    jobs: dict[str, Sequence[Job]] = field(default_factory=dict)
    error: DownstreamError | None = None
    read: tuple[str, str] | None = None
    content: bytes = b""
    project: str = "local/project"
    asked: list[tuple[Variable, ...]] = field(default_factory=list)

    async def compile(
        self,
        trigger: Trigger,
        job: Job,
        variables: tuple[Variable, ...],
        read: ReadArtifact,
    ) -> DownstreamPipeline:
        self.asked.append(variables)
        if self.error is not None:
            raise self.error
        if self.read is not None:
            self.content = await read(*self.read)
        return DownstreamPipeline(
            pipeline=pipeline(*self.jobs[job.name]),
            downstream=self,
            project_path=trigger.project or self.project,
            variables=(
                variable("CI_PIPELINE_ID", str(len(self.asked)), Level.PREDEFINED),
            ),
            tree=plan().tree if trigger.project else None,
            slugs={each.name: each.name for each in self.jobs[job.name]},
        )


def bridge(name: str = "b", strategy: str | None = None, **fields: Any) -> Job:
    trigger = Trigger(
        include=({"local": "child.yml"},),
        strategy=None if strategy is None else TriggerStrategy(strategy),
    )
    return job(name, **{"trigger": trigger, "script": (), **fields})


class Family:
    """A run of a pipeline and its children."""

    def __init__(self, record: Path, *jobs: Job, **options: Any) -> None:
        self.plan = replace(
            plan(*jobs, record=record, **options),
            variables=(variable("CI_PIPELINE_ID", "9000", Level.PREDEFINED),),
        )
        self.backend = FakeBackend()
        self.backend.program("boom", code=1)
        self.events = Events()
        self.downstream = FakeDownstream()

    async def run(self, stop: anyio.Event | None = None) -> PipelineFinished:
        finished = await execute(
            self.plan,
            self.backend.port,
            self.events,
            downstream=self.downstream,
            stop=stop,
        )
        assert self.backend.left() == []
        assert self.events.all[-1] == finished
        return finished

    def statuses(self) -> dict[str, str]:
        return {
            event.result.job: str(event.result.status)
            for event in self.events.of(JobFinished)
        }


@pytest.mark.parametrize(
    ("strategy", "child", "expected", "whole"),
    [
        pytest.param(None, "true", "success", "success", id="none-success"),
        pytest.param(None, "boom", "success", "success", id="none-failed"),
        pytest.param("depend", "true", "success", "success", id="depend-success"),
        pytest.param("depend", "boom", "failed", "failed", id="depend-failed"),
        pytest.param("depend", "skipped", "failed", "failed", id="depend-skipped"),
        pytest.param("depend", "manual", "manual", "manual", id="depend-manual"),
        pytest.param("mirror", "true", "success", "success", id="mirror-success"),
        pytest.param("mirror", "boom", "failed", "failed", id="mirror-failed"),
        pytest.param("mirror", "skipped", "skipped", "skipped", id="mirror-skipped"),
    ],
)
async def test_strategy(
    tmp_path: Path, strategy: str | None, child: str, expected: str, whole: str
) -> None:
    family = Family(tmp_path, bridge(strategy=strategy))
    when = {"skipped": "on_failure", "manual": "manual"}.get(child, "on_success")
    family.downstream.jobs["b"] = [job("x", script=(child,), when=when)]

    finished = await family.run()

    assert family.statuses()["b"] == expected
    assert finished.status == whole
    assert set(finished.results) == {"b", "b / x"}
    (ended,) = family.events.of(ChildPipelineFinished)
    assert ended.status == {"true": "success", "boom": "failed"}.get(child, child)


async def test_a_failure_of_the_child_may_be_allowed(tmp_path: Path) -> None:
    family = Family(tmp_path, bridge(strategy="depend", allow_failure=True))
    family.downstream.jobs["b"] = [job("x", script=("boom",))]

    finished = await family.run()

    assert (finished.status, finished.passed_with_warnings) == ("success", True)
    assert finished.results[JobName("b")].message == "the downstream pipeline failed"


async def test_the_run_waits_for_a_child_that_nobody_follows(tmp_path: Path) -> None:
    family = Family(tmp_path, bridge(), job("after", stage="deploy"))
    family.downstream.jobs["b"] = [job("x"), job("y", stage="deploy")]

    await family.run()

    (started,) = family.events.of(ChildPipelineStarted)
    assert [each.name for each in started.jobs] == ["b / x", "b / y"]
    assert started.jobs[1].needs == ("b / x",)
    assert started.stages == ("test", "deploy")
    assert family.statuses() == dict.fromkeys(
        ["b", "after", "b / x", "b / y"], "success"
    )


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        pytest.param(
            DownstreamError("no jobs", details="line"),
            "failed",
            "downstream_pipeline_creation_failed",
            id="failed",
        ),
        pytest.param(
            DownstreamUnavailableError("not here"), "skipped", None, id="not-here"
        ),
    ],
)
async def test_what_cannot_be_created(
    tmp_path: Path, error: DownstreamError, status: str, reason: str | None
) -> None:
    family = Family(tmp_path, bridge())
    family.downstream.error = error

    finished = await family.run()

    result = finished.results[JobName("b")]
    assert (result.status, result.failure_reason) == (status, reason)
    assert result.message == error.message


async def test_children_have_children_and_those_none(tmp_path: Path) -> None:
    family = Family(tmp_path, bridge("a", "depend"))
    family.downstream.jobs = {
        "a": [bridge("b", "depend")],
        "b": [bridge("c", "depend"), job("x")],
    }

    finished = await family.run()

    deepest = finished.results[JobName("a / b / c")]
    assert deepest.failure_reason == "reached_max_descendant_pipelines_depth"
    assert finished.results[JobName("a / b / x")].status == "success"
    assert finished.status == "failed"


async def test_projects_that_trigger_each_other_end(tmp_path: Path) -> None:
    trigger = Trigger(project="g/p", strategy=TriggerStrategy.DEPEND)
    family = Family(tmp_path, bridge("a", trigger=trigger))
    family.downstream.jobs = {"a": [bridge("a", trigger=trigger)]}

    finished = await family.run()

    reasons = [str(result.failure_reason) for result in finished.results.values()]
    assert reasons.count("pipeline_loop_detected") == 1


@pytest.mark.parametrize("limit", [1, 2])
async def test_all_pipelines_share_the_slots(tmp_path: Path, limit: int) -> None:
    names = ["b1", "b2", "b3"]
    family = Family(
        tmp_path, *(bridge(name) for name in names), job("own"), concurrency=limit
    )
    family.downstream.jobs = {name: [job("x"), job("y")] for name in names}

    await family.run()

    busy = most = 0
    for event in family.events.all:
        if isinstance(event, JobStatusChanged) and event.status == "running":
            busy += event.job not in names
            most = max(most, busy)
        elif isinstance(event, JobFinished):
            busy -= event.result.job not in names
    assert most == limit
    assert len(family.statuses()) == 10


async def test_a_resource_group_is_one_in_parent_and_child(tmp_path: Path) -> None:
    family = Family(tmp_path, bridge(), job("own", resource_group="production"))
    family.downstream.jobs["b"] = [job("x", resource_group="production")]

    await family.run()

    assert [
        event.job
        for event in family.events.of(JobStatusChanged)
        if event.status == "waiting_for_resource"
    ] == ["b / x"]


@pytest.mark.parametrize("strategy", [None, "depend"])
async def test_stopping_the_run_stops_the_child(
    tmp_path: Path, strategy: str | None
) -> None:
    family = Family(tmp_path, bridge(strategy=strategy))
    family.backend.program("sleep", hangs=True)
    family.downstream.jobs["b"] = [job("x", script=("sleep",))]
    stop = anyio.Event()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(family.run, stop)
            await anyio.wait_all_tasks_blocked()
            assert family.backend.engine.containers
            stop.set()

    assert family.statuses()["b / x"] == "canceled"


async def test_a_canceled_run_does_not_wait_for_what_stopped_jobs_still_do(
    tmp_path: Path,
) -> None:
    work = job("work", script=("sleep",), after_script=("bye",))
    family = Family(tmp_path, work)
    family.backend.program("sleep", hangs=True)
    family.backend.program("bye", output=[b"bye\n"], hangs=True)
    stop = anyio.Event()

    def said() -> bool:
        return any("bye" in event.text for event in family.events.of(JobLog))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(family.run, stop)
            await anyio.wait_all_tasks_blocked()
            stop.set()
            while not said():
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    assert family.backend.left() == []


async def test_artifacts_are_read_for_the_configuration(tmp_path: Path) -> None:
    made = job("gen", stage="build", artifacts=Artifacts(paths=("child.yml",)))
    family = Family(tmp_path, made, bridge())
    family.backend.program("true", files={"child.yml": b"x: {}"})
    family.downstream.read = ("gen", "child.yml")
    family.downstream.jobs["b"] = [job("x")]

    await family.run()

    assert family.downstream.content == b"x: {}"


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (
            ("nobody", "a.yml"),
            "Job `nobody` not found in parent pipeline or does not have artifacts!",
        ),
        (
            ("gen", "a.yml"),
            "Path `a.yml` does not exist inside the `gen` artifacts archive!",
        ),
        (("gen", "child.yml"), "File `child.yml` is empty!"),
    ],
)
async def test_artifacts_that_are_no_configuration(
    tmp_path: Path, read: tuple[str, str], message: str
) -> None:
    made = job("gen", stage="build", artifacts=Artifacts(paths=("child.yml",)))
    family = Family(tmp_path, made, bridge())
    family.backend.program("true", files={"child.yml": b" \n"})
    family.downstream.read = read

    finished = await family.run()

    assert finished.results[JobName("b")].message == message


@pytest.mark.parametrize(
    ("wanted", "status", "files"),
    [("gen", "success", {"made"}), ("other", "failed", None)],
)
async def test_artifacts_of_the_parent_come_by_need_alone(
    tmp_path: Path, wanted: str, status: str, files: set[str] | None
) -> None:
    made = job(
        "gen", stage="build", script=("make",), artifacts=Artifacts(paths=("made",))
    )
    family = Family(tmp_path, made, bridge(strategy="depend"))
    family.backend.program("make", files={"made": b"1"})
    need = CrossNeed(job=wanted, pipeline="9000")
    family.downstream.jobs["b"] = [
        job("with", cross_needs=(need,)),
        job("without", stage="deploy", when="always"),
    ]

    finished = await family.run()

    assert finished.results[JobName("b / with")].status == status
    layers = [len(spec.layers) for spec in family.backend.workspaces.specs]
    assert layers == ([0, 0] if files is None else [0, 1, 0])


async def test_children_go_on_after_the_death_of_the_engine(tmp_path: Path) -> None:
    made = job(
        "gen", stage="build", script=("make",), artifacts=Artifacts(paths=("made",))
    )
    family = Family(
        tmp_path,
        made,
        bridge("b", "depend", stage="test"),
        bridge("c", "depend", stage="deploy"),
    )
    backend = family.backend
    backend.program("make", files={"made": b"1"})
    need = CrossNeed(job=JobName("gen"), pipeline="9000")
    work = job("work", script=("boom",), cross_needs=(need,), retry=Retry(max=1))
    family.downstream.jobs = {"b": [work], "c": [work]}
    heir = backend.heir()
    heir.engine.programs = []

    async def emit(event: Event) -> None:
        await family.events(event)
        if isinstance(event, ChildPipelineStarted):
            backend.die()

    finished = await execute(
        family.plan, backend.port, emit, downstream=family.downstream
    )

    assert backend.opened == 1
    assert {
        name: (str(result.status), result.attempt)
        for name, result in finished.results.items()
    } == dict.fromkeys(("gen", "b", "b / work", "c", "c / work"), ("success", 1))
    assert [len(spec.layers) for spec in heir.workspaces.specs] == [1, 1]
