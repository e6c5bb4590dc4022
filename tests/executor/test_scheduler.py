from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.events import (
    FailureReason,
    JobFinished,
    JobResult,
    JobStatus,
    JobStatusChanged,
)
from spotci.executor.scheduler import run_pipeline
from spotci.pipeline import AllowFailure, JobName, Retry, Trigger
from tests.builders import job, plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.events import Event, PipelineFinished
    from spotci.executor.plan import RunPlan
    from spotci.pipeline import Job

S = JobStatus


@dataclass
class Recorder:
    """Runs jobs in memory: they end at once, or when their gate is opened."""

    exit_codes: dict[str, list[int]] = field(default_factory=dict)
    gates: dict[str, anyio.Event] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    together: int = 0

    async def run(self, job: Job, attempt: int) -> JobResult:
        self.started.append(job.name)
        self.together = max(
            self.together,
            len(self.started) - len(self.ended) - len(self.canceled),
        )
        try:
            await anyio.lowlevel.checkpoint()
            if job.name in self.gates:
                await self.gates[job.name].wait()
        except anyio.get_cancelled_exc_class():
            self.canceled.append(job.name)
            raise
        self.ended.append(job.name)
        codes = self.exit_codes.get(job.name, [0])
        code = codes[min(attempt, len(codes)) - 1]
        return JobResult(
            job=job.name,
            status=S.FAILED if code else S.SUCCESS,
            exit_code=code,
            failure_reason=FailureReason.SCRIPT_FAILURE if code else None,
            attempt=attempt,
            coverage=float(attempt) * 10,
        )

    async def emit(self, event: Event) -> None:
        self.events.append(event)

    def gate(self, *names: str) -> None:
        self.gates |= {name: anyio.Event() for name in names}

    async def play(
        self, plan: RunPlan, stop: anyio.Event | None = None
    ) -> dict[str, str]:
        finished = await self.run_plan(plan, stop)
        return {
            str(name): str(result.status) for name, result in finished.results.items()
        }

    async def run_plan(
        self, plan: RunPlan, stop: anyio.Event | None = None
    ) -> PipelineFinished:
        with anyio.fail_after(10):
            return await run_pipeline(plan, self.run, self.emit, stop=stop)

    def told(self, name: str) -> list[str]:
        return [
            str(event.status)
            for event in self.events
            if isinstance(event, JobStatusChanged) and event.job == name
        ]


async def test_a_job_starts_the_moment_its_needs_allow() -> None:
    recorder = Recorder()
    recorder.gate("slow")
    asked = plan(
        job("quick", stage="build"),
        job("slow", stage="build"),
        job("after quick", needs=["quick"]),
        job("after stage"),
    )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(recorder.play, asked)
        await anyio.wait_all_tasks_blocked()
        assert recorder.ended == ["quick", "after quick"]
        recorder.gates["slow"].set()

    assert recorder.ended == ["quick", "after quick", "slow", "after stage"]


async def test_a_failure_skips_later_stages_but_not_what_waits_for_failures() -> None:
    recorder = Recorder({"build": [1]})

    result = await recorder.play(
        plan(
            job("build", stage="build"),
            job("test"),
            job("mourn", stage="deploy", when="on_failure"),
            job("tidy", stage="deploy", when="always"),
        )
    )

    assert result == {
        "build": "failed",
        "test": "skipped",
        "mourn": "success",
        "tidy": "success",
    }


async def test_every_job_ends_exactly_once_in_the_events() -> None:
    recorder = Recorder({"b": [1]})

    await recorder.play(plan(job("a"), job("b"), job("c", needs=["b"])))

    ends = [e.result.job for e in recorder.events if isinstance(e, JobFinished)]
    assert sorted(ends) == ["a", "b", "c"]


async def test_retry_runs_a_failed_job_again_and_only_the_last_attempt_counts() -> None:
    recorder = Recorder({"flaky": [1, 1, 0]})
    asked = plan(job("flaky", retry=Retry(max=2)), job("next", stage="deploy"))

    finished = await recorder.run_plan(asked)

    assert recorder.started == ["flaky", "flaky", "flaky", "next"]
    assert finished.status is S.SUCCESS
    assert finished.results[JobName("flaky")].attempt == 3
    assert recorder.told("flaky") == ["pending", "running"] * 3


async def test_an_exit_code_outside_the_allowed_ones_fails_the_pipeline() -> None:
    only_three = AllowFailure(exit_codes=(3,))
    recorder = Recorder({"a": [3], "b": [4]})

    passed = await recorder.run_plan(plan(replace(job("a"), allow_failure=only_three)))
    failed = await recorder.run_plan(plan(replace(job("b"), allow_failure=only_three)))

    assert (passed.status, passed.passed_with_warnings) == (S.SUCCESS, True)
    assert passed.results[JobName("a")].allow_failure
    assert (failed.status, failed.passed_with_warnings) == (S.FAILED, False)


@pytest.mark.parametrize(
    ("manual", "expected"),
    [
        pytest.param(frozenset(), "manual", id="left"),
        pytest.param(frozenset({"ship"}), "success", id="by name"),
        pytest.param(frozenset({"all"}), "success", id="all"),
    ],
)
async def test_manual_jobs(manual: frozenset[str], expected: str) -> None:
    result = await Recorder().play(
        plan(job("ship", when="manual", allow_failure=True), job("x"), manual=manual)
    )

    assert result == {"ship": expected, "x": "success"}


async def test_a_blocking_manual_job_holds_later_stages_and_the_run_is_no_failure() -> (
    None
):
    finished = await Recorder().run_plan(
        plan(job("gate", when="manual"), job("later", stage="deploy"))
    )

    assert finished.status is S.MANUAL
    assert JobName("later") not in finished.results


async def test_a_job_that_is_named_runs_though_it_is_manual() -> None:
    result = await Recorder().play(
        plan(job("ship", when="manual"), named=frozenset({JobName("ship")}))
    )

    assert result == {"ship": "success"}


async def test_a_delayed_job_waits_for_its_time() -> None:
    recorder = Recorder()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    delayed = job("later", when="delayed", start_in=timedelta(minutes=30))
    await run_pipeline(plan(delayed), recorder.run, recorder.emit, sleep=sleep)
    await run_pipeline(
        plan(delayed, no_delay=True), recorder.run, recorder.emit, sleep=sleep
    )

    assert slept == [1800.0]
    assert recorder.ended == ["later", "later"]
    assert recorder.told("later")[:2] == ["scheduled", "pending"]


async def test_jobs_of_one_resource_group_run_one_at_a_time() -> None:
    recorder = Recorder()
    recorder.gate("a")
    a, b = (
        job(name, resource_group="$WHERE", variables={"WHERE": "prod"}) for name in "ab"
    )
    asked = plan(a, b, job("c"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(recorder.play, asked)
        await anyio.wait_all_tasks_blocked()
        assert recorder.started == ["a", "c"]
        assert recorder.told("b") == ["pending", "waiting_for_resource"]
        recorder.gates["a"].set()

    assert recorder.ended == ["c", "a", "b"]


async def test_concurrency_is_a_bound_and_bridges_hold_no_slot() -> None:
    recorder = Recorder()
    jobs = [job(f"j{n}") for n in range(9)]

    await recorder.play(plan(*jobs, concurrency=2))
    assert recorder.together == 2

    bridge = job("bridge", trigger=Trigger(project="a/b"))
    result = await Recorder().play(plan(bridge, job("x"), concurrency=1))
    assert result == {"bridge": "success", "x": "success"}


async def test_stop_cancels_what_runs_and_what_waits_and_reports_all_of_it() -> None:
    recorder = Recorder()
    recorder.gate("running")
    stop = anyio.Event()
    asked = plan(
        job("done", stage="build"), job("running"), job("waiting", stage="deploy")
    )
    results: dict[str, str] = {}

    async def play() -> None:
        results.update(await recorder.play(asked, stop))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(play)
        await anyio.wait_all_tasks_blocked()
        stop.set()

    assert recorder.canceled == ["running"]
    assert results == {"done": "success", "running": "canceled", "waiting": "canceled"}


async def test_fail_fast_cancels_the_rest() -> None:
    recorder = Recorder({"bad": [1]})
    recorder.gate("long")

    result = await recorder.play(plan(job("bad"), job("long"), fail_fast=True))

    assert result == {"bad": "failed", "long": "canceled"}


async def test_auto_cancel_on_job_failure_spares_allowed_failures() -> None:
    recorder = Recorder({"may fail": [1]})
    asked = plan(job("may fail", allow_failure=True), job("other"), fail_fast=True)

    assert await recorder.play(asked) == {"may fail": "failed", "other": "success"}


async def test_the_time_of_the_whole_run_is_bounded() -> None:
    recorder = Recorder()
    recorder.gate("endless")

    finished = await recorder.run_plan(
        plan(job("endless"), timeout=timedelta(seconds=0.05))
    )

    assert finished.status is S.CANCELED
    assert finished.results[JobName("endless")].message == (
        "the run took longer than 0.05 s"
    )


async def test_a_fault_of_ours_cancels_every_job_and_is_raised() -> None:
    recorder = Recorder()
    recorder.gate("long")

    async def run(job: Job, attempt: int) -> JobResult:
        if job.name == "broken":
            raise ZeroDivisionError
        return await recorder.run(job, attempt)

    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        await run_pipeline(plan(job("long"), job("broken")), run, recorder.emit)

    assert recorder.canceled == ["long"]


async def test_coverage_is_the_mean_over_the_jobs() -> None:
    finished = await Recorder({"b": [1, 0]}).run_plan(
        plan(job("a"), job("b", retry=Retry(max=1)))
    )

    assert finished.coverage == 15.0


@given(
    st.lists(
        st.tuples(st.sets(st.integers(0, 11)), st.booleans()), min_size=1, max_size=12
    )
)
def test_no_job_starts_before_its_needs_have_succeeded(
    graph: list[tuple[set[int], bool]],
) -> None:
    jobs = [
        job(f"j{n}", needs=[f"j{need}" for need in sorted(needs) if need < n])
        for n, (needs, _) in enumerate(graph)
    ]
    recorder = Recorder({f"j{n}": [int(fails)] for n, (_, fails) in enumerate(graph)})

    result = anyio.run(recorder.play, plan(*jobs, concurrency=3))

    for each in jobs:
        needs = [need.job for need in each.needs or ()]
        if each.name in recorder.started:
            before = recorder.started.index(each.name)
            assert all(result[need] == "success" for need in needs)
            assert all(recorder.started.index(need) < before for need in needs)
        else:
            assert any(result[need] != "success" for need in needs)


@dataclass
class Person:
    """Plays these manual jobs when asked, and notes what was offered."""

    plays: tuple[str, ...]
    offered: list[list[str]] = field(default_factory=list)

    async def choose(self, jobs: Sequence[Job]) -> list[JobName]:
        self.offered.append([job.name for job in jobs])
        await anyio.lowlevel.checkpoint()
        return [job.name for job in jobs if job.name in self.plays]


async def test_a_person_is_asked_once_about_each_manual_job() -> None:
    person = Person(("gate", "ship"))

    result = await Recorder().play(
        plan(
            job("gate", stage="build", when="manual"),
            job("docs", stage="build", when="manual", allow_failure=True),
            job("test", stage="test"),
            job("ship", stage="deploy", when="manual"),
            job("last", stage="deploy", when="manual"),
            player=person,
        )
    )

    assert person.offered == [["gate", "docs"], ["ship", "last"]]
    assert result == {
        **dict.fromkeys(("gate", "test", "ship"), "success"),
        **dict.fromkeys(("docs", "last"), "manual"),
    }


async def test_nobody_is_asked_while_jobs_run() -> None:
    recorder, person = Recorder(), Person(())
    recorder.gate("slow")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(
            recorder.play,
            plan(job("ship", when="manual"), job("slow"), player=person),
        )
        await anyio.wait_all_tasks_blocked()
        assert person.offered == []
        recorder.gates["slow"].set()

    assert person.offered == [["ship"]]


async def test_a_run_that_is_stopped_waits_for_no_answer() -> None:
    class Silent(Person):
        async def choose(self, jobs: Sequence[Job]) -> list[JobName]:
            await anyio.sleep_forever()
            return await super().choose(jobs)

    stop, person, results = anyio.Event(), Silent(()), {}

    async def play() -> None:
        results.update(
            await Recorder().play(plan(job("ship", when="manual"), player=person), stop)
        )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(play)
        await anyio.wait_all_tasks_blocked()
        stop.set()

    assert results == {"ship": "manual"}
