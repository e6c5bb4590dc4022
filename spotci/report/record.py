"""Writes the record of a run: its events, the logs of its jobs, how it ended."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from spotci import runs
from spotci.event_json import encode_event
from spotci.events import (
    ChildPipelineStarted,
    JobFinished,
    JobLog,
    PipelineFinished,
    PipelineStarted,
    Progress,
    SectionFinished,
    SectionStarted,
)

if TYPE_CHECKING:
    from io import RawIOBase

    from spotci.events import Event
    from spotci.pipeline import JobName

__all__ = ["Recorder"]


class Recorder:
    """A report into the folder of a run.

    It keeps no log in memory: each piece goes to its file when it comes, unbuffered,
    so that ``spotci logs --follow`` in another terminal shows it at once.
    """

    def __init__(self, run: runs.Run) -> None:
        self._run = run
        self._events: RawIOBase = run.events_file.open("ab", buffering=0)
        self._logs: dict[JobName, RawIOBase] = {}
        self._slugs: dict[JobName, str] = {}

    @property
    def run(self) -> runs.Run:
        """The run as it is recorded now."""
        return self._run

    def handle(self, event: Event) -> None:
        """Record an event; raise OSError where the disk does not take it.

        What is recorded stays whole. The end of the run can be recorded even then: it
        has room of its own.
        """
        if isinstance(event, JobLog):
            data = event.text.encode("utf-8", "surrogateescape") + b"\n"
            _append(self._log(event.job), data)
            return
        if isinstance(event, Progress):
            return
        if isinstance(event, PipelineFinished):
            self._run.free_room()
            self._save(runs.finished(self._run, event))
        if isinstance(event, (SectionStarted, SectionFinished)):
            event = replace(event, offset=self._offset(event.job))
        _append(self._events, encode_event(event).encode() + b"\n")
        match event:
            case PipelineStarted():
                self._slugs = runs.job_slugs(job.name for job in event.jobs)
                self._save(runs.started(self._run, event))
            case ChildPipelineStarted():
                self._slugs |= runs.child_slugs(self._slugs, event)
            case JobFinished():
                self._close_log(event.result.job)
            case _:
                pass

    def close(self) -> None:
        """Close the files. A run without an end is left as it is."""
        for job in tuple(self._logs):
            self._close_log(job)
        self._events.close()

    def _log(self, job: JobName) -> RawIOBase:
        log = self._logs.get(job)
        if log is None:
            if job not in self._slugs:
                self._slugs = runs.job_slugs([*self._slugs, job])
            path = self._run.folder / "logs" / f"{self._slugs[job]}.log"
            log = self._logs[job] = path.open("ab", buffering=0)
        return log

    def _offset(self, job: JobName) -> int:
        """Return how many bytes the log of a job holds."""
        log = self._logs.get(job)
        return 0 if log is None else log.tell()

    def _close_log(self, job: JobName) -> None:
        with suppress(KeyError):
            self._logs.pop(job).close()

    def _save(self, run: runs.Run) -> None:
        runs.write_run(run)
        self._run = run


def _append(file: RawIOBase, data: bytes) -> None:
    """Append all of the data or, where that cannot be, nothing."""
    start, left = os.fstat(file.fileno()).st_size, memoryview(data)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as fault:
        with suppress(OSError):
            file.truncate(start)
        raise OSError(
            f"the record of the run cannot go on: {fault.strerror}; to free some room: "
            "spotci clean --runs"
        ) from fault
