"""Runs whose engine dies: what fails, what goes on, and what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spotci.errors import EngineError, EngineUnavailableError
from spotci.events import (
    ArtifactsSaved,
    JobFinished,
    JobStatusChanged,
    Notice,
    PipelineFinished,
)
from spotci.executor.revival import MOST_DEATHS
from spotci.executor.run import execute
from spotci.pipeline import Artifacts, Retry
from tests.builders import job, plan
from tests.fakes import Events, FakeBackend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spotci.pipeline import Job

DIED = "the engine died (docker 28.2 in memory)"
STARTED = (f"{DIED}: starting it again", "the engine runs again, and the run goes on")
EMPTIED = (
    "the engine has lost its volumes: caches begin empty, and images that jobs built "
    "are gone"
)
ONCE = Retry(max=1, when=("runner_system_failure",))
ARTIFACTS = Artifacts(paths=("out.txt",))


class Run:
    """A run on an engine that dies while a script with ``hang`` runs in it."""

    def __init__(self, record: Path, *jobs: Job, **options: Any) -> None:
        self.plan = plan(*jobs, record=record, **options)
        self.backend = FakeBackend()
        self.backend.program("hang", hangs=True)
        self.backend.program("make", files={"out.txt": b"made"})
        self.events = Events()
        self.fault: EngineError | None = None

    async def go(
        self,
        *backends: FakeBackend,
        hanging: int = 1,
        after: Callable[[], object] = lambda: True,
    ) -> None:
        """Run it; each backend dies when so many of its jobs hang, and ``after``."""
        async with anyio.create_task_group() as tasks:
            for backend in backends:
                tasks.start_soon(_kill, backend, hanging, after)
            try:
                await execute(self.plan, self.backend.port, self.events)
            except EngineError as error:
                self.fault = error
            tasks.cancel_scope.cancel()
        assert isinstance(
            next(e for e in reversed(self.events.all) if not isinstance(e, Notice)),
            PipelineFinished,
        )

    @property
    def ends(self) -> dict[str, str]:
        """How each job ended: its status, with the reason where it failed."""
        return {
            event.result.job: ": ".join(
                filter(None, (event.result.status, event.result.failure_reason))
            )
            for event in self.events.of(JobFinished)
        }

    @property
    def notices(self) -> tuple[str, ...]:
        return tuple(event.text for event in self.events.of(Notice))


async def _kill(
    backend: FakeBackend, hanging: int, after: Callable[[], object]
) -> None:
    await until(lambda: sum(map(_hangs, backend.engine.created)) >= hanging)
    await until(after)
    backend.die()


def _hangs(container: Any) -> bool:
    return container.running and any(b"hang" in (s or b"") for s in container.scripts)


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - nobody tells of it
            await anyio.sleep(0.001)


async def test_a_retry_runs_on_an_engine_started_again(tmp_path: Path) -> None:
    run = Run(tmp_path, job("work", script=("hang",), retry=ONCE))
    heir = run.backend.heir()
    heir.engine.programs = []

    await run.go(run.backend)

    assert run.fault is None
    assert run.ends == {"work": "success"}
    assert run.notices == STARTED
    assert [c.spec.name for c in heir.engine.created] == ["spot-ci-test-work-2"]
    assert heir.left() == []


async def test_the_source_tree_and_artifacts_are_there_again(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        job("build", stage="build", script=("make",), artifacts=ARTIFACTS),
        job("work", stage="test", script=("hang",), retry=ONCE),
    )
    heir = run.backend.heir()
    heir.engine.programs = []

    await run.go(run.backend)

    (spec,) = heir.workspaces.specs
    assert spec.snapshot in heir.workspaces.snapshots
    assert [heir.workspaces.gates.reached.count("adopt"), len(spec.layers)] == [0, 1]
    assert run.ends == {"build": "success", "work": "success"}


async def test_without_retry_a_job_fails_and_others_go_on(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        job("work", stage="build", script=("hang",)),
        job("behind", stage="test"),
        job("always", stage="test", when="always"),
        job("mending", stage="test", when="on_failure"),
        job("branch", stage="test", needs=()),
        concurrency=1,
    )
    run.backend.heir()

    await run.go(run.backend)

    assert run.ends == {
        "work": "failed: runner_system_failure",
        "behind": "skipped",
        "always": "success",
        "mending": "success",
        "branch": "success",
    }
    failed = next(
        e.result for e in run.events.of(JobFinished) if e.result.job == "work"
    )
    assert failed.message == "the engine died while the job ran"
    assert isinstance(run.fault, EngineUnavailableError)
    assert str(run.fault) == (
        "the engine died while work ran; "
        "spotci rerun --failed runs again what did not pass"
    )


async def test_an_allowed_failure_is_no_fault_of_the_run(tmp_path: Path) -> None:
    run = Run(tmp_path, job("work", script=("hang",), allow_failure=True))
    run.backend.heir()

    await run.go(run.backend)

    assert run.ends == {"work": "failed: runner_system_failure"}
    assert run.fault is None
    assert run.notices == ()


async def test_all_that_wait_share_one_start(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    run = Run(tmp_path, *(job(name, script=("hang",), retry=ONCE) for name in names))
    heir = run.backend.heir()
    heir.engine.programs = []

    await run.go(run.backend, hanging=len(names))

    assert run.backend.opened == 1
    assert run.ends == dict.fromkeys(names, "success")
    assert run.notices == STARTED


async def test_a_job_that_had_not_begun_loses_no_attempt(tmp_path: Path) -> None:
    run = Run(
        tmp_path, job("first", stage="build"), job("second", stage="test", retry=ONCE)
    )
    run.backend.heir()
    emit = run.events

    async def die_between(event: object) -> None:
        await emit(event)  # type: ignore[arg-type]
        if isinstance(event, JobFinished) and event.result.job == "first":
            run.backend.die()

    await execute(run.plan, run.backend.port, die_between)

    assert run.ends == {"first": "success", "second": "success"}
    assert max(event.attempt for event in run.events.of(JobStatusChanged)) == 1


async def test_an_engine_that_dies_again_and_again_ends_the_run(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        job(
            "work",
            stage="build",
            script=("hang",),
            retry=Retry(max=2, when=("always",)),
        ),
        job("next", stage="test", when="always"),
        job("last", stage="deploy", when="always"),
    )
    second = run.backend.heir()
    third = second.heir()
    third.heir()

    await run.go(run.backend, second, third)

    assert MOST_DEATHS == 3
    assert run.ends == {
        "work": "failed: runner_system_failure",
        "next": "failed: runner_system_failure",
        "last": "canceled",
    }
    given_up = f"{DIED} 3 times in this run: it is not started again"
    assert run.notices == (*STARTED, *STARTED, given_up)
    assert str(run.fault) == given_up
    assert third.opened == 0


@pytest.mark.parametrize(
    ("heirs", "reason"),
    [
        pytest.param(
            None, f"{DIED}, and is not spotci's to start again", id="not-ours"
        ),
        pytest.param(
            [],
            "the engine died, and cannot be started again: "
            "it does not answer after 60 s",
            id="does-not-start",
        ),
    ],
)
async def test_an_engine_that_does_not_come_back_ends_the_run(
    tmp_path: Path, heirs: list[FakeBackend] | None, reason: str
) -> None:
    run = Run(
        tmp_path,
        job("work", stage="build", script=("hang",), retry=ONCE),
        job("last", stage="test", when="always"),
    )
    run.backend.heirs = heirs

    await run.go(run.backend)

    assert run.ends == {"work": "failed: runner_system_failure", "last": "canceled"}
    assert str(run.fault) == reason
    assert run.notices[-1] == reason


async def test_artifacts_come_from_the_record_where_volumes_are_lost(
    tmp_path: Path,
) -> None:
    run = Run(
        tmp_path,
        job("build", stage="build", script=("make",), artifacts=ARTIFACTS),
        job("work", stage="test", script=("hang",), retry=ONCE),
    )
    heir = run.backend.heir(keeps_volumes=False)
    heir.engine.programs = []

    await run.go(run.backend, after=lambda: run.events.of(ArtifactsSaved))

    assert run.notices == (*STARTED, EMPTIED)
    assert run.ends == {"build": "success", "work": "success"}
    (spec,) = heir.workspaces.specs
    assert [heir.workspaces.layers.get(layer) for layer in spec.layers] == [None]
    assert heir.gates.reached.count("adopt") == 1


async def test_a_copy_that_the_death_cut_is_made_again(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        job("build", stage="build", script=("make",), artifacts=ARTIFACTS),
        job("work", stage="test", script=("hang",), retry=ONCE),
    )
    run.backend.heir().engine.programs = []
    held = run.backend.gates.closed["export"] = anyio.Event()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_release_when_dead, run.backend, held)
        await run.go(run.backend)

    assert run.ends == {"build": "success", "work": "success"}
    assert (tmp_path / "artifacts/build/out.txt").read_bytes() == b"made"
    assert run.notices == STARTED


async def test_what_is_lost_is_told(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        job("build", stage="build", script=("make",), artifacts=ARTIFACTS),
        job("work", stage="test", script=("hang",), retry=ONCE),
        job("other", stage="test", needs=()),
    )
    run.backend.heir(keeps_volumes=False)
    held = run.backend.gates.closed["export"] = anyio.Event()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_release_when_dead, run.backend, held)
        await run.go(run.backend)

    assert run.ends == {
        "build": "success",
        "work": "failed: missing_dependency_failure",
        "other": "success",
    }
    assert (
        "the artifacts of build went with the engine, before they were copied to the "
        "record"
    ) in run.notices
    assert run.fault is None


async def _release_when_dead(backend: FakeBackend, held: anyio.Event) -> None:
    await until(lambda: backend.gates.dead)
    held.set()
