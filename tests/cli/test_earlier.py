from __future__ import annotations

from itertools import count
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from spotci.cli.earlier import earlier_jobs
from spotci.cli.loading import load
from spotci.cli.options import Chosen
from spotci.cli.selection import Request, select
from spotci.events import (
    ArtifactsSaved,
    JobFinished,
    JobResult,
    JobStatus,
    PipelineFinished,
    PipelineStarted,
    PlannedJob,
)
from spotci.executor.plan import EarlierJob
from spotci.pipeline import JobName
from spotci.report.record import Recorder
from spotci.runs import RunStore
from spotci.variables import Level, Variable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.command_line import CommandLine

PIPELINE = dedent("""\
    build:
      stage: build
      script: x
      artifacts: {paths: [out], reports: {dotenv: build.env}}
    docs: {stage: build, script: x}
    test: {stage: test, script: x}
    ship: {stage: deploy, script: x, needs: [build]}
    """)
BUILD = JobName("build")
TICKS = count(1_760_000_000)


def record(
    folder: Path, *, status: JobStatus = JobStatus.SUCCESS, name: str = BUILD
) -> Path:
    """Record a run whose build, or another job, left artifacts; return their folder."""
    job = JobName(name)
    store = RunStore(folder / ".spotci", clock=lambda: float(next(TICKS)))
    recorder = Recorder(store.create())
    artifacts = recorder.run.folder / "artifacts" / job
    artifacts.mkdir()
    (artifacts / "app").write_text("1")
    variables = recorder.run.folder / "dotenv" / f"{job}.env"
    variables.parent.mkdir()
    variables.write_text("VERSION=1.2\n")
    plan = PlannedJob(name=job, stage="build", when="on_success")
    result = JobResult(job=job, status=status)
    for event in (
        PipelineStarted(
            at=0, run="r", name=None, source="push", ref="main", sha="",
            stages=("build",), jobs=(plan,),
        ),
        ArtifactsSaved(
            at=0, job=job, path=str(artifacts.relative_to(folder)), files=1, bytes=9
        ),
        JobFinished(at=0, result=result),
        PipelineFinished(at=0, status=status, results={job: result}),
    ):  # fmt: skip
        recorder.handle(event)
    recorder.close()
    return artifacts


def earlier(name: str) -> dict[JobName, EarlierJob]:
    loaded = load(Chosen())
    request = Request(names=(name,), needs=False)
    return earlier_jobs(loaded, select(loaded.pipeline, {}, request))


@pytest.mark.parametrize("name", ["ship", "test"])
def test_artifacts_and_variables_of_the_last_run_that_passed(
    project: Callable[..., CommandLine], name: str
) -> None:
    line = project({".gitlab-ci.yml": PIPELINE})
    record(line.folder)
    newest = record(line.folder)
    record(line.folder, status=JobStatus.FAILED)

    assert earlier(name) == {
        BUILD: EarlierJob(
            artifacts=newest,
            variables=(
                Variable(
                    name="VERSION",
                    value="1.2",
                    level=Level.DOTENV,
                    origin="dotenv of build",
                ),
            ),
        )
    }


def test_what_a_job_takes_comes_in_the_order_of_the_pipeline(
    project: Callable[..., CommandLine],
) -> None:
    names = [f"part{number}" for number in range(12)]
    text = "".join(
        f"{name}: {{stage: build, script: x, artifacts: {{paths: [out]}}}}\n"
        for name in names
    )
    line = project({".gitlab-ci.yml": f"{text}test: {{stage: test, script: x}}\n"})
    for name in reversed(names):
        record(line.folder, name=name)

    # The last one wins where two wrote one file.
    assert list(earlier("test")) == names


def test_a_job_that_needs_nothing_gets_nothing(
    project: Callable[..., CommandLine],
) -> None:
    line = project({".gitlab-ci.yml": PIPELINE})
    record(line.folder)

    assert earlier("build") == {}


def test_artifacts_that_are_gone_are_not_found(
    project: Callable[..., CommandLine],
) -> None:
    line = project({".gitlab-ci.yml": PIPELINE})
    artifacts = record(line.folder)
    (artifacts / "app").unlink()
    artifacts.rmdir()

    assert earlier("ship") == {}
