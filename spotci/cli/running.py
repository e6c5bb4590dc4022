"""Performs a run: supervises it, lets reports and record hear of its end, always."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from spotci.cli import failure
from spotci.cli.backends import open_backend
from spotci.cli.consent import obtain_consent
from spotci.cli.dispatch import ProgressBoard, dispatching
from spotci.cli.interrupt import Interrupt
from spotci.cli.isolation import describe_isolation
from spotci.cli.loading import record_folder
from spotci.cli.outputs import reporters_of
from spotci.cli.planning import make_plan, read_source
from spotci.cli.recorded_variables import record_variables
from spotci.events import (
    JobFinished,
    JobStatus,
    Notice,
    PipelineFinished,
    PipelineStarted,
)
from spotci.report.record import Recorder
from spotci.runs import Quota, RunStore
from spotci.sizes import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.cli.planning import Task
    from spotci.events import (
        Event,
        JobResult,
    )
    from spotci.executor.emit import Emit
    from spotci.pipeline import JobName
    from spotci.report.protocol import Reporter
    from spotci.runs import Run
    from spotci.tree import SourceTree

__all__ = ["perform"]

_PASSED = (JobStatus.SUCCESS, JobStatus.MANUAL, JobStatus.SKIPPED)


def perform(task: Task) -> int:
    """Run the pipeline of a task, report and record it; return the exit code.

    Raises UsageError where jobs may not use Docker, before anything is done, and
    EngineError, and whatever a bug raises, after the record has been completed.
    """
    obtain_consent(task)
    project = task.loaded.project
    store = RunStore(record_folder(project))
    recorder = Recorder(store.create(command=task.command))
    course = _Course()
    reporters = [recorder, *reporters_of(task)]
    try:
        interrupted = anyio.run(_perform, task, recorder.run, reporters, course)
    finally:
        _complete(recorder, course)
        for reporter in reporters:
            reporter.close()
        recorder.run.tidy()
        if course.started is None:
            store.remove(recorder.run)
        else:
            record_variables(task, recorder.run)
        settings = project.settings
        bound = parse_bytes(settings.storage.records)
        store.evict(Quota(runs=settings.run.keep_runs, bytes=bound))
    if interrupted:
        return failure.INTERRUPTED
    passed = course.finished is not None and course.finished.status in _PASSED
    return 0 if passed else failure.PIPELINE_FAILED


def _complete(recorder: Recorder, course: _Course) -> None:
    """Record an end where none arrived: nobody reads our output, or a disk is full."""
    end = course.finished or course.end(JobStatus.CANCELED)
    if end is not None and recorder.run.finished_at is None:
        with suppress(OSError):
            recorder.handle(end)


class _Course:
    """What has been told of a run, to tell its end where the executor cannot."""

    def __init__(self) -> None:
        self.started: PipelineStarted | None = None
        self.finished: PipelineFinished | None = None
        self.results: dict[JobName, JobResult] = {}

    def follow(self, emit: Emit) -> Emit:
        """Return a function that emits events and notes those that arrived."""

        async def emit_and_note(event: Event) -> None:
            await emit(event)
            match event:
                case PipelineStarted():
                    self.started = event
                case JobFinished(result=result):
                    self.results[result.job] = result
                case PipelineFinished():
                    self.finished = event
                case _:
                    pass

        return emit_and_note

    def end(self, status: JobStatus) -> PipelineFinished | None:
        """Return the event that is missing at the end of a run, if one is."""
        if self.started is None or self.finished is not None:
            return None
        now = time.time()
        return PipelineFinished(
            at=now,
            status=status,
            results=dict(self.results),
            duration=now - self.started.at,
        )


async def _perform(
    task: Task,
    run: Run,
    reporters: Sequence[Reporter],
    course: _Course,
) -> bool:
    """Perform the run and return whether the user broke it off."""
    fault: Exception | None = None
    async with dispatching(reporters) as deliver:
        emit = course.follow(deliver)
        with anyio.CancelScope() as scope:
            interrupt = Interrupt(scope)
            try:
                await _supervise(task, run, emit, interrupt)
            except Exception as error:  # noqa: BLE001 - raised when the end is told
                fault = error
        status = JobStatus.CANCELED if fault is None else JobStatus.FAILED
        if (end := course.end(status)) is not None:
            await emit(end)
    if fault is not None:
        raise fault
    return interrupt.happened


async def _supervise(task: Task, run: Run, emit: Emit, interrupt: Interrupt) -> None:
    source = _Source()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.read, task, run)
        tasks.start_soon(interrupt.watch, emit)
        board = ProgressBoard(emit)
        tasks.start_soon(board.run)
        for text in task.notes():
            await emit(Notice(at=time.time(), text=text, level="warning"))
        await emit(Notice(at=time.time(), text=describe_isolation(task)))
        async with open_backend(task.loaded.project, run.id, board) as backend:
            tree = await source.tree()
            plan = make_plan(task, run, tree)
            interrupt.begin()
            from spotci.cli.downstream import ProjectDownstream  # noqa: PLC0415 - loaded by now
            from spotci.executor.run import execute  # noqa: PLC0415 - as above

            downstream = ProjectDownstream(
                project=task.loaded.project,
                context=task.loaded.context,
                run=run.id,
                sha=tree.sha,
                scratch=run.scratch,
            )
            await execute(
                plan, backend, emit, downstream=downstream, stop=interrupt.stop
            )
        tasks.cancel_scope.cancel()


class _Source:
    """The source tree, read while the engine is opened: neither waits for the other."""

    def __init__(self) -> None:
        self._read = anyio.Event()
        self._trees: list[SourceTree] = []

    async def read(self, task: Task, run: Run) -> None:
        """List the files, and load meanwhile what performs the run."""
        self._trees.append(await to_thread.run_sync(read_source, task, run.scratch))
        await to_thread.run_sync(_load)
        self._read.set()

    async def tree(self) -> SourceTree:
        """Return the tree when it has been read."""
        await self._read.wait()
        return self._trees[0]


def _load() -> None:
    import spotci.cli.downstream  # noqa: PLC0415 - start-up time
    import spotci.executor.run  # noqa: F401, PLC0415 - start-up time
