"""A session in a job that has not run: a run of one job that nobody records."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from dataclasses import field
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from spotci.cli import failure
from spotci.cli.backends import open_backend
from spotci.cli.consent import obtain_consent
from spotci.cli.debugger import TerminalDebugger
from spotci.cli.dispatch import ProgressBoard
from spotci.cli.earlier import earlier_jobs, sources_without
from spotci.cli.planning import Task, make_plan, read_source
from spotci.cli.selection import Request, select
from spotci.dataclass import dataclass
from spotci.events import JobFinished, JobLog, Notice, Progress
from spotci.executor.run import execute
from spotci.report.terminal import Paint, printable, use_colour
from spotci.runs import RunStore
from spotci.scratch import scratch_folder

if TYPE_CHECKING:
    from pathlib import Path

    from spotci.cli.loading import Loaded
    from spotci.cli.options import Chosen
    from spotci.events import Event, JobResult
    from spotci.pipeline import JobName

__all__ = ["Wish", "begin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What ``spotci shell`` was asked for.

    ``command`` runs in place of a shell that reads; with ``needs`` the jobs that this
    one downloads from run first, where no earlier run has their artifacts.
    """

    job: JobName
    command: str | None = None
    before_script: bool = False
    needs: bool = True


def begin(loaded: Loaded, chosen: Chosen, wish: Wish) -> int:
    """Open the session, and return its exit code.

    Where the job cannot be prepared it says why, and returns 1.
    """
    excluded = loaded.compilation.excluded_jobs
    alone = select(loaded.pipeline, excluded, Request(names=(wish.job,), needs=False))
    earlier = earlier_jobs(loaded, alone)
    missing = sources_without(loaded, alone, earlier)
    if missing:
        names = ", ".join(printable(name) for name in missing)
        if wish.needs:
            print(f"spotci: runs first, for their artifacts: {names}", file=sys.stderr)
            if code := _run(loaded, chosen, missing):
                return code
            earlier = earlier_jobs(loaded, alone)
        else:
            print(f"spotci: without the artifacts of {names}", file=sys.stderr)
    debugger = TerminalDebugger(
        shell=wish.job, command=wish.command, before_script=wish.before_script
    )
    task = Task(
        loaded=loaded,
        selection=alone,
        full=chosen.full,
        earlier=earlier,
        debugger=debugger,
    )
    obtain_consent(task)
    paint = Paint(enabled=use_colour(sys.stderr, os.environ))
    watcher = _Watcher(paint=paint, debugger=debugger)
    with scratch_folder("files") as scratch:
        anyio.run(_visit, task, watcher, scratch)
    if debugger.exit_code is not None:
        return debugger.exit_code
    watcher.explain()
    return failure.PIPELINE_FAILED


def _run(loaded: Loaded, chosen: Chosen, names: tuple[JobName, ...]) -> int:
    """Run jobs as ``spotci run`` does, with their record."""
    from spotci.cli.run import start  # noqa: PLC0415 - rarely used

    # What a command of the session prints is not to be mixed with this.
    with redirect_stdout(sys.stderr):
        return start(loaded, chosen, Request(names=names), manual=(), settings={})


async def _visit(task: Task, watcher: _Watcher, scratch: Path) -> None:
    run = RunStore(scratch / "record").create(command=())
    board = ProgressBoard(watcher.take)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(board.run)
        async with open_backend(task.loaded.project, run.id, board) as backend:
            tree = await to_thread.run_sync(read_source, task, scratch)
            plan = make_plan(task, run, tree)
            await execute(plan, backend, watcher.take)
        tasks.cancel_scope.cancel()


@dataclass(slots=True, kw_only=True)
class _Watcher:
    """Tells on stderr how the job is prepared, up to the session."""

    paint: Paint
    debugger: TerminalDebugger
    _result: JobResult | None = None
    _told: set[str] = field(default_factory=set)

    async def take(self, event: Event) -> None:
        """Take an event of the run."""
        if self.debugger.entered:
            return
        match event:
            case Notice(text=text):
                self._print(f"spotci: {text}")
            case JobLog(kind="runner", text=text):
                self._lines(text)
            case Progress(text=text) if text and text not in self._told:
                self._told.add(text)
                self._print(text)
            case JobFinished(result=result):
                self._result = result
            case _:
                pass

    def explain(self) -> None:
        """Say why there was no session."""
        if self._result is None:
            return
        reason = self._result.failure_reason
        words = self._result.message or (reason and str(reason)) or "it did not start"
        print(f"spotci: no shell: {printable(words)}", file=sys.stderr)

    def _lines(self, text: str) -> None:
        for line in text.splitlines():
            self._print(line)

    def _print(self, text: str) -> None:
        print(self.paint("dim", printable(text)), file=sys.stderr)
