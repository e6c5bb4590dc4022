"""Writes the record of a run: its events, the logs of its jobs, how it ended."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from spotci import runs
from spotci.event_json import encode_event
from spotci.events import (
    ChildPipelineStarted,
    JobFinished,
    JobLog,
    PipelineFinished,
    PipelineStarted,
    Progress,
)
from spotci.report.terminal import printable

if TYPE_CHECKING:
    from spotci.events import (
        Event,
    )
    from spotci.pipeline import JobName

__all__ = ["Recorder"]


class Recorder:
    """A report into the folder of a run.

    It keeps no log in memory: each piece goes to its file when it comes, unbuffered,
    so that ``spotci logs --follow`` in another terminal shows it at once.
    """

    def __init__(self, run: runs.Run) -> None:
        self._run = run
        self._events: BinaryIO = run.events_file.open("ab")
        self._logs: dict[JobName, BinaryIO] = {}
        self._slugs: dict[JobName, str] = {}

    @property
    def run(self) -> runs.Run:
        """The run as it is recorded now."""
        return self._run

    def handle(self, event: Event) -> None:
        """Record an event."""
        if isinstance(event, JobLog):
            text = printable(event.text) + "\n"
            self._log(event.job).write(text.encode("utf-8", "surrogateescape"))
            return
        if isinstance(event, Progress):
            return
        self._events.write(encode_event(event).encode() + b"\n")
        self._events.flush()
        match event:
            case PipelineStarted():
                self._slugs = runs.job_slugs(job.name for job in event.jobs)
                self._save(runs.started(self._run, event))
            case ChildPipelineStarted():
                self._slugs |= runs.child_slugs(self._slugs, event)
            case JobFinished():
                self._close_log(event.result.job)
            case PipelineFinished():
                self._save(runs.finished(self._run, event))
            case _:
                pass

    def close(self) -> None:
        """Close the files. A run without an end is left as it is."""
        for job in tuple(self._logs):
            self._close_log(job)
        self._events.close()

    def _log(self, job: JobName) -> BinaryIO:
        log = self._logs.get(job)
        if log is None:
            if job not in self._slugs:
                self._slugs = runs.job_slugs([*self._slugs, job])
            path = self._run.folder / "logs" / f"{self._slugs[job]}.log"
            log = self._logs[job] = path.open("ab", buffering=0)
        return log

    def _close_log(self, job: JobName) -> None:
        with suppress(KeyError):
            self._logs.pop(job).close()

    def _save(self, run: runs.Run) -> None:
        self._run = run
        runs.write_run(run)
