from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import anyio

from spotci.events import JobLog, JobStatus
from spotci.executor.backend import ContainerId, SessionSpec
from spotci.executor.debug import StopKind
from spotci.executor.job import JobRunner
from spotci.executor.session_program import Purpose, session_command
from spotci.executor.shell import open_shell_backend
from spotci.executor.shell_sessions import ShellKeptJobs
from spotci.pipeline import Artifacts
from spotci.tree import SourceTree, TreeEntry
from tests.builders import job, plan
from tests.fakes import Events

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from spotci.events import JobResult
    from spotci.executor.debug import Stop
    from spotci.pipeline import Job


@dataclass
class Typist:
    """A debugger that types the same at every stop, and notes what was answered."""

    text: str = "exit\n"
    taken_over: str = ""
    failures: bool = False
    breaks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    stops: list[tuple[StopKind, str]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def takes_over(self, job: Job) -> bool:
        return job.name == self.taken_over

    def looks_at_failure(self, job: Job) -> bool:
        del job
        return self.failures

    def breakpoints(self, job: Job) -> frozenset[str]:
        return self.breaks.get(job.name, frozenset())

    async def enter(self, stop: Stop) -> int:
        self.stops.append((stop.kind, stop.text))
        purpose = Purpose(job=stop.job, pause=stop.pause)
        spec = SessionSpec(
            command=session_command(purpose, terminal=True),
            environment={
                **stop.environment,
                "CI_PROJECT_DIR": stop.project_dir,
            },
            working_dir=stop.project_dir,
            terminal=(24, 200),
        )
        output = b""
        with anyio.fail_after(30):
            async with stop.open(spec) as session:
                await session.send(self.text.encode())
                async for _, data in session:
                    output += data
                code = await session.wait()
        self.answers.append(output.decode())
        return code


class World:
    """Jobs as processes of this machine, with somebody who looks into them."""

    def __init__(self, folder: Path, *jobs: Job, **options: Any) -> None:
        root = folder / "project"
        root.mkdir()
        (root / "tracked").write_text("content\n")
        entry = TreeEntry(path="tracked", mode=0o100644, size=8, mtime_ns=0)
        tree = SourceTree(root=root, entries=(entry,), tracked=frozenset({"tracked"}))
        self.kept = folder / "kept"
        self.plan = replace(plan(*jobs, record=folder / "record", **options), tree=tree)
        self.events = Events()

    async def run(self) -> JobResult:
        """Run the first job."""
        (first, *_) = self.plan.pipeline.jobs.values()
        async with open_shell_backend(kept=self.kept) as backend:
            snapshot = await backend.workspaces.snapshot(self.plan.tree)
            async with JobRunner(self.plan, backend, self.events, snapshot) as runner:
                return await runner.run(first)

    def log(self) -> str:
        return "\n".join(event.text for event in self.events.of(JobLog))


async def test_a_session_takes_the_place_of_the_script(tmp_path: Path) -> None:
    typist = Typist("cat tracked; echo $MINE; exit 7\n", taken_over="build")
    build = job(
        "build",
        script=("echo script",),
        after_script=("echo after",),
        variables={"MINE": "set"},
        artifacts=Artifacts(paths=("tracked",)),
    )
    world = World(tmp_path, build, debugger=typist)

    result = await world.run()

    assert (result.status, result.exit_code) == (JobStatus.FAILED, 7)
    assert "content\r\nset\r\n" in typist.answers[0]
    assert "$ echo" not in world.log()
    assert list((tmp_path / "record").rglob("tracked")) == []


async def test_a_failed_script_is_looked_at_before_after_script(
    tmp_path: Path,
) -> None:
    typist = Typist("ls; touch seen\nexit\n", failures=True)
    build = job("build", script=("touch made; exit 3",), after_script=("ls",))
    world = World(tmp_path, build, debugger=typist)

    result = await world.run()

    assert result.exit_code == 3
    assert typist.stops == [(StopKind.FAILURE, "")]
    assert "made" in typist.answers[0]
    assert "seen" in world.log()


async def test_a_script_that_passes_is_not_looked_at(tmp_path: Path) -> None:
    typist = Typist(failures=True)
    world = World(tmp_path, job("build"), debugger=typist)

    assert (await world.run()).status is JobStatus.SUCCESS
    assert typist.stops == []


async def test_breakpoints_count_over_before_script_and_script(tmp_path: Path) -> None:
    typist = Typist(breaks={"build": frozenset({"2", "after"})})
    build = job(
        "build",
        before_script=("echo one",),
        script=("echo two", "echo three"),
        after_script=("echo four",),
        # Nobody who looks is hurried.
        timeout=None,
    )
    world = World(tmp_path, build, debugger=typist)

    result = await world.run()

    assert result.status is JobStatus.SUCCESS
    assert typist.stops == [
        (StopKind.BREAKPOINT, "echo two"),
        (StopKind.BREAKPOINT, "echo four"),
    ]
    assert "spotci-break" not in world.log()


async def test_other_jobs_do_not_stop(tmp_path: Path) -> None:
    typist = Typist(breaks={"other": frozenset({"1"})})
    world = World(tmp_path, job("build"), debugger=typist)

    await world.run()

    assert typist.stops == []


async def test_a_failed_job_outlives_its_run(tmp_path: Path) -> None:
    build = job("build", script=("touch made", "exit 3"), variables={"MINE": "set"})
    world = World(tmp_path, build, keep=True)

    await world.run()

    kept = ShellKeptJobs(world.kept)
    (found,) = await kept.of(str(world.plan.tree.root))
    assert (found.job, found.end) == ("build", "exit code 3")
    assert found.environment["MINE"] == "set"
    assert found.environment["CI_JOB_STATUS"] == "failed"
    spec = SessionSpec(
        command=("sh", "-c", "ls"), environment={}, working_dir=found.project_dir
    )
    async with kept.sessions.open(ContainerId(found.container), spec) as session:
        output = b"".join([data async for _, data in session])
    assert output == b"made\ntracked\n"
    await kept.remove({found.run})
    assert await kept.of(str(world.plan.tree.root)) == ()


async def test_a_job_that_passed_is_not_kept(tmp_path: Path) -> None:
    world = World(tmp_path, job("build"), keep=True)

    await world.run()

    assert await ShellKeptJobs(world.kept).of(str(world.plan.tree.root)) == ()
