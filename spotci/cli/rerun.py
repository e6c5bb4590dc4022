"""``spotci rerun``: a recorded run once more, or what failed of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from spotci.cli.loading import open_here, record_folder
from spotci.cli.logs import recorded_jobs
from spotci.cli.words import complete_jobs, complete_runs
from spotci.errors import UsageError
from spotci.events import ChildPipelineStarted, JobStatus, PipelineStarted
from spotci.pipeline import When
from spotci.runs import RunStore

if TYPE_CHECKING:
    from spotci.events import JobResult
    from spotci.pipeline import JobName
    from spotci.runs import Run

__all__ = ["command"]

#: What a retry of a pipeline runs again: the failed jobs, and what waited for them.
_AGAIN = (JobStatus.FAILED, JobStatus.CANCELED, JobStatus.SKIPPED)


@click.command("rerun")
@click.argument("jobs", metavar="[JOB]...", nargs=-1, shell_complete=complete_jobs)
@click.option(
    "--run",
    "selector",
    metavar="ID",
    help="A run.  [default: the newest]",
    shell_complete=complete_runs,
)
@click.option("--failed", is_flag=True, help="Only jobs that did not pass.")
def command(*, jobs: tuple[str, ...], selector: str | None, failed: bool) -> int:
    """Run a recorded run again, in the same context and with the same options.

    Of single jobs, and of those that failed, only these run again: what they need
    runs where no run has its artifacts any more. A manual job that was not played is
    not played now, unless it is named.

    \b
    spotci rerun --failed        what did not pass in the newest run
    spotci rerun build           one of its jobs
    spotci rerun --run 1qsffj    all of another run
    """  # noqa: D301 - click reads the \b
    run = RunStore(record_folder(open_here())).find(selector)
    if failed and jobs:
        raise UsageError("--failed and names of jobs cannot be used together")
    names = recorded_jobs(run, jobs) if jobs else []
    if failed:
        names = _not_passed(run)
        if not names:
            print(f"all jobs of run {run.id} passed")
            return 0
    return _again(run, _startable(run, names))


def _not_passed(run: Run) -> list[JobName]:
    """Return the jobs to run again; those of a crashed run that never began, too."""
    results, manual = run.results, _manual(run)
    return [
        name
        for name in run.slugs
        if (name not in results and name not in manual)
        or (name in results and _is_again(results[name], manual))
    ]


def _is_again(result: JobResult, manual: frozenset[JobName]) -> bool:
    if result.status is JobStatus.SKIPPED and result.job in manual:
        return False  # nobody played it
    return result.status in _AGAIN and not result.allow_failure


def _manual(run: Run) -> frozenset[JobName]:
    """Return the jobs that wait for somebody to play them."""
    return frozenset(
        job.name
        for event in run.events()
        if isinstance(event, PipelineStarted | ChildPipelineStarted)
        for job in event.jobs
        if job.when == When.MANUAL
    )


def _startable(run: Run, names: list[JobName]) -> list[JobName]:
    """Return the jobs with bridges in the place of jobs of child pipelines."""
    return list(dict.fromkeys(run.bridges.get(name, name) for name in names))


def _again(run: Run, names: list[JobName]) -> int:
    """Give the recorded command again, with other jobs where some are chosen."""
    from spotci.cli.run import command as run_command  # noqa: PLC0415 - as used

    if not run.command or run.command[0] != "run":
        raise UsageError(f"the record of run {run.id} holds no command")
    with run_command.make_context("spotci run", list(run.command[1:])) as context:
        if names:
            chosen: dict[str, Any] = {
                "jobs": tuple(names),
                "more_jobs": (),
                "stages": (),
                "reuse": True,
            }
            context.params.update(chosen)
        code: int = run_command.invoke(context)
        return code
