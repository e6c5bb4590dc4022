"""The run as a stream of lines: each bears the name of its job."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spotci.events import (
    ChildPipelineFinished,
    ChildPipelineStarted,
    JobFinished,
    JobLog,
    JobStatus,
    JobStatusChanged,
    Notice,
    PipelineStarted,
    Progress,
)
from spotci.report.terminal import (
    Paint,
    fit,
    open_colours,
    pad,
    printable,
    without_colours,
)
from spotci.report.words import (
    count_of,
    describe_bytes,
    describe_duration,
    describe_failure,
    status_sign,
    status_style,
    status_word,
)

if TYPE_CHECKING:
    from typing import TextIO

    from spotci.events import (
        Event,
        JobResult,
    )
    from spotci.pipeline import JobName

__all__ = [
    "PlainReport",
    "describe_child",
    "describe_child_end",
    "describe_end",
    "describe_failed",
    "describe_start",
]

_WIDEST_NAME = 32
#: Seconds between two lines about one transfer.
_PROGRESS_EVERY = 10.0


class PlainReport:
    """Writes ``job | line`` for every line of a log, and a line for each end.

    With ``timestamps`` each line begins with when it came, in UTC and to the
    millisecond, in the form of GitLab's logs with ``FF_TIMESTAMPS``.
    """

    def __init__(
        self, stream: TextIO, *, paint: Paint, timestamps: bool = False
    ) -> None:
        self._stream = stream
        self._paint = paint
        self._timestamps = timestamps
        self._width = 0
        self._prefixes: dict[JobName, str] = {}
        self._colours: dict[JobName, str] = {}
        self._shown: dict[tuple[str, str], float] = {}

    def handle(self, event: Event) -> None:
        """Write what the event has to say."""
        text = self._text(event)
        if text:
            if self._timestamps:
                text = self._timed(text, event.at)
            self._stream.write(text + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Nothing is held."""

    def _timed(self, text: str, at: float) -> str:
        moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
        stamp = self._paint("dim", moment.removesuffix("+00:00") + "Z") + " "
        return stamp + text.replace("\n", "\n" + stamp)

    def _text(self, event: Event) -> str:
        match event:
            case PipelineStarted():
                names = [printable(job.name) for job in event.jobs]
                widest = max(map(len, names), default=0)
                self._width = min(_WIDEST_NAME, widest)
                return self._paint("bold", describe_start(event))
            case ChildPipelineStarted():
                self._widen(event)
                return self._prefix(event.job) + describe_child(event)
            case ChildPipelineFinished():
                return self._prefix(event.job) + describe_child_end(event, self._paint)
            case JobLog():
                return self._log(event.job, event.text)
            case JobStatusChanged(status=JobStatus.RUNNING) if event.attempt > 1:
                return self._prefix(event.job) + f"attempt {event.attempt}"
            case JobStatusChanged(status=status, message=str(message)):
                text = f"{status_word(status)}: {printable(message)}"
                return self._prefix(event.job) + self._paint("dim", text)
            case JobFinished(result=result):
                return self._prefix(result.job) + describe_end(result, self._paint)
            case Progress():
                return self._progress(event)
            case Notice():
                style = "yellow" if event.level == "warning" else "dim"
                return self._paint(style, f"spotci: {printable(event.text)}")
            case _:
                return ""

    def _widen(self, event: ChildPipelineStarted) -> None:
        widest = max((len(printable(job.name)) for job in event.jobs), default=0)
        if min(_WIDEST_NAME, widest) > self._width:
            self._width = min(_WIDEST_NAME, widest)
            colours = list(self._prefixes)
            self._prefixes.clear()
            # The names are padded anew, in their order, so that each keeps its colour.
            for name in colours:
                self._prefix(name)

    def _log(self, job: JobName, text: str) -> str:
        prefix = self._prefix(job)
        if not self._paint.enabled:
            text = without_colours(text)
        elif "\x1b" in text or job in self._colours:
            return self._coloured(job, prefix, text)
        return prefix + text.replace("\n", "\n" + prefix)

    def _coloured(self, job: JobName, prefix: str, text: str) -> str:
        """Let no colour run into a prefix, and take it up again behind it."""
        lines = []
        carried = self._colours.pop(job, "")
        for line in text.split("\n"):
            lines.append(f"{prefix}{carried}{line}\x1b[0m")
            carried = open_colours(carried, line)
        if carried:
            self._colours[job] = carried
        return "\n".join(lines)

    def _prefix(self, job: JobName) -> str:
        if job not in self._prefixes:
            colour = Paint.JOBS[len(self._prefixes) % len(Paint.JOBS)]
            name = printable(job)
            if self._width:
                name = pad(fit(name, self._width), self._width)
            self._prefixes[job] = self._paint.code(colour, f"{name} |") + " "
        return self._prefixes[job]

    def _progress(self, event: Progress) -> str:
        key = (event.what, event.subject)
        last = self._shown.get(key)
        if event.finished:
            # A transfer that was never slow enough to be shown needs no end.
            if self._shown.pop(key, None) is None:
                return ""
        elif last is None:
            self._shown[key] = event.at
            return ""
        elif event.at - last < _PROGRESS_EVERY:
            return ""
        else:
            self._shown[key] = event.at
        return self._paint("dim", f"spotci: {_describe_progress(event)}")


def describe_start(event: PipelineStarted) -> str:
    """Return the head line of a run."""
    stages = len({job.stage for job in event.jobs})
    jobs = count_of(len(event.jobs), "job")
    name = f" “{event.name}”" if event.name else ""
    commit = f" at {event.sha[:8]}" if event.sha else ""
    return printable(
        f"run {event.run}{name}: {event.source} on {event.ref}{commit}, "
        f"{jobs} in {count_of(stages, 'stage')}"
    )


def describe_child(event: ChildPipelineStarted) -> str:
    """Return the line of a pipeline that a bridge started."""
    name = f" “{event.name}”" if event.name else ""
    return printable(f"downstream pipeline{name}: {count_of(len(event.jobs), 'job')}")


def describe_child_end(event: ChildPipelineFinished, paint: Paint) -> str:
    """Return how a pipeline ended that a bridge started."""
    warning = event.status is JobStatus.SUCCESS and event.passed_with_warnings
    sign = status_sign(event.status, warning=warning)
    word = "passed with warnings" if warning else status_word(event.status)
    text = f"{sign} downstream pipeline {word} in {describe_duration(event.duration)}"
    return paint(status_style(event.status, warning=warning), text)


def describe_end(result: JobResult, paint: Paint) -> str:
    """Return how a job ended, such as ``✗ failed after 3.1 s: script_failure``."""
    warning = result.status is JobStatus.FAILED and result.allow_failure
    word = status_word(result.status)
    text = f"{status_sign(result.status, warning=warning)} {word}"
    if result.duration is not None:
        joint = "in" if result.status is JobStatus.SUCCESS else "after"
        text += f" {joint} {describe_duration(result.duration)}"
    if result.status is JobStatus.FAILED:
        text += f"{' (allowed)' if warning else ''}: {describe_failure(result)}"
    elif result.message:
        text += f": {result.message}"
    return paint(status_style(result.status, warning=warning), printable(text))


def describe_failed(result: JobResult) -> str:
    """Return why a job failed, and whether it may, such as ``script_failure``."""
    allowed = "allowed, " if result.allow_failure else ""
    return printable(f"{allowed}{describe_failure(result)}")


def _describe_progress(event: Progress) -> str:
    text = f"{event.what} {event.subject}: {event.text or 'working'}"
    if event.finished:
        return f"{event.what} {event.subject}: done"
    if event.total:
        text += f" {describe_bytes(event.done)} of {describe_bytes(event.total)}"
    return printable(text)
