"""The board of a run: its stages, what runs now, what is transferred, what is left.

::

      prepare ✓✓✓  build ✓●○  test ○○○○  deploy ▷
      image postgres:16 ━━━━━━━━━━──────────  120 MiB of 240 MiB
    ⠹ build: [api]   3.1 s of ~8 s  script
        compiling
      ✓ 4  ● 1 running  ○ 6 to come  12 s, about 30 s left

Pure: the state and the time in, lines out. No line is wider than the terminal.
"""

from __future__ import annotations

from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from spotci.events import JobStatus
from spotci.report.estimate import remaining
from spotci.report.terminal import (
    cell_width,
    fit_middle,
    pad,
    printable,
    without_colours,
)
from spotci.report.words import (
    describe_bytes,
    describe_duration,
    status_sign,
    status_style,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from spotci.events import Progress
    from spotci.pipeline import JobName
    from spotci.report.state import JobState, RunState

__all__ = ["Board"]

_ACTIVE = (JobStatus.PREPARING, JobStatus.RUNNING)
_WAITING = (
    JobStatus.CREATED,
    JobStatus.PENDING,
    JobStatus.WAITING_FOR_RESOURCE,
    JobStatus.SCHEDULED,
)
#: Statuses of the footer, and whether they are failures that are allowed.
_ENDED = (
    (JobStatus.SUCCESS, False),
    (JobStatus.FAILED, False),
    (JobStatus.FAILED, True),
    (JobStatus.CANCELED, False),
)
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_TURNS = 8
_BAR = 20
#: Columns of a name at most, and those of the terminal that are not for names.
_WIDEST_NAME = 48
_NOT_NAMES = 30
#: Lines of the last output below each job that runs.
_TAIL = 3
#: Lines of the terminal that are never taken.
_MARGIN = 3
#: Lines that the stages may take, and jobs of a stage that are told by a sign each.
_STAGE_LINES = 3
_SIGNS = 12
#: What the phases of the runner are called here; another section bears its title.
_PHASES = {
    "prepare_executor": "preparing the container",
    "prepare_script": "preparing the container",
    "get_sources": "getting the sources",
    "restore_cache": "restoring the cache",
    "download_artifacts": "getting artifacts",
    "step_script": "script",
    "step_release": "release",
    "after_script": "after_script",
    "archive_cache": "saving the cache",
    "archive_cache_on_failure": "saving the cache",
    "upload_artifacts_on_success": "saving artifacts",
    "upload_artifacts_on_failure": "saving artifacts",
    "cleanup_file_variables": "cleaning up",
}


class Board:
    """Draws the state of a run. ``earlier`` is how many seconds each job took before.

    It remembers nothing but its estimate of a second ago.
    """

    def __init__(self) -> None:
        self.earlier: Mapping[JobName, float] = MappingProxyType({})
        self._estimated: tuple[int, float | None] = (-1, None)

    def draw(
        self, state: RunState, *, now: float, height: int, width: int
    ) -> RenderableType:
        """Return the board for a terminal of this size; it takes fewer lines.

        ``now`` is in seconds since the epoch.
        """
        if state.started is None and not state.progress:
            return Text("")
        active = state.with_status(*_ACTIVE)
        lines = [Text(""), *_stages(state, width)][: max(0, height - _MARGIN)]
        lines += [_transfer(item) for item in state.progress.values()]
        names = max(10, min(_WIDEST_NAME, width - _NOT_NAMES))
        lines += self._jobs(active, now, height - len(lines) - _MARGIN, names)
        if state.started is not None:
            lines.append(self._footer(state, now, len(active)))
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(*lines)

    def _jobs(
        self, jobs: list[JobState], now: float, room: int, names: int
    ) -> list[Text]:
        """Return the jobs that run, with as many of their lines as there is room."""
        shown = jobs[: max(1, room)]
        lines = min(_TAIL, max(0, room // max(1, len(shown)) - 1))
        widest = max((cell_width(printable(job.plan.name)) for job in shown), default=0)
        parts: list[Text] = []
        for job in shown:
            parts.append(self._head(job, now, min(widest, names)))
            tail = [line for line in job.tail if line.strip()][-lines:] if lines else []
            parts += [
                Text(f"    {without_colours(printable(text)).expandtabs()}", "dim")
                for text in tail
            ]
        if len(jobs) > len(shown):
            parts.append(Text(f"  and {len(jobs) - len(shown)} more", "dim"))
        return parts

    def _head(self, job: JobState, now: float, width: int) -> Text:
        elapsed = None if job.running_since is None else now - job.running_since
        time = describe_duration(elapsed)
        if (estimate := self.earlier.get(job.plan.name)) is not None:
            time += f" of ~{describe_duration(estimate)}"
        frame = _SPINNER[int(now * _TURNS) % len(_SPINNER)]
        return Text.assemble(
            (f"{frame} ", "green"),
            (pad(fit_middle(printable(job.plan.name), width), width), "bold cyan"),
            (f"  {time}", "cyan"),
            (f"  {_phase(job)}", "dim"),
        )

    def _footer(self, state: RunState, now: float, active: int) -> Text:
        text = Text("  ")
        for status, warning in _ENDED:
            jobs = [job for job in state.with_status(status) if job.warning is warning]
            if jobs:
                sign = status_sign(status, warning=warning)
                style = status_style(status, warning=warning)
                text.append(f"{sign} {len(jobs)}  ", style=style)
        if active:
            text.append(f"● {active} running  ", style="cyan")
        if waiting := len(state.with_status(*_WAITING)):
            text.append(f"○ {waiting} to come  ", style="dim")
        if state.started is not None:
            text.append(describe_duration(now - state.started.at), style="dim")
        if left := self._left(state, now):
            text.append(f", about {describe_duration(left)} left", style="dim")
        return text

    def _left(self, state: RunState, now: float) -> float | None:
        """Return the estimate, made once a second: a thousand jobs are a long sum."""
        second = int(now)
        if self._estimated[0] != second:
            self._estimated = (second, remaining(state, self.earlier, now=now))
        return self._estimated[1]


def _phase(job: JobState) -> str:
    name = next(reversed(job.sections), "")
    title = _PHASES.get(name) or job.sections.get(name, "")
    return without_colours(printable(title))


def _stages(state: RunState, width: int) -> list[Text]:
    """Return a word for each stage with a sign for each job; few lines, or none."""
    jobs = [job for job in state.jobs.values() if job.bridge is None and job.plan.stage]
    stages = state.started.stages if state.started else ()
    order = {stage: index for index, stage in enumerate(stages)}
    jobs.sort(key=lambda job: order.get(job.plan.stage, len(order)))
    words = [
        _stage(stage, list(found))
        for stage, found in groupby(jobs, key=lambda job: job.plan.stage)
    ]
    lines: list[Text] = []
    for word in words:
        if lines and lines[-1].cell_len + word.cell_len <= width:
            lines[-1].append_text(word)
        else:
            lines.append(word)
    return lines if len(lines) <= _STAGE_LINES else []


def _stage(stage: str, jobs: list[JobState]) -> Text:
    waits = all(job.status in _WAITING for job in jobs)
    text = Text.assemble("  ", (printable(stage), "dim" if waits else "bold"), " ")
    if len(jobs) <= _SIGNS:
        for job in jobs:
            text.append(_sign(job), style=_style(job))
        return text
    signs: dict[tuple[str, str], int] = {}
    for job in jobs:
        key = (_sign(job), _style(job))
        signs[key] = signs.get(key, 0) + 1
    for (sign, style), count in signs.items():
        text.append(f"{sign}{count}", style=style)
    return text


def _sign(job: JobState) -> str:
    waits = job.status in _WAITING
    if waits and job.plan.when == "manual":
        return status_sign(JobStatus.MANUAL)
    return status_sign(job.status, warning=job.warning)


def _style(job: JobState) -> str:
    return status_style(job.status, warning=job.warning)


def _transfer(event: Progress) -> Text:
    text = Text(f"  {event.what} ", "dim")
    text.append(printable(event.subject), style="none")
    if event.total:
        filled = min(_BAR, _BAR * event.done // event.total)
        text.append(f" {'━' * filled}", style="cyan")
        text.append("─" * (_BAR - filled))
        sizes = f"{describe_bytes(event.done)} of {describe_bytes(event.total)}"
        text.append(f"  {sizes}")
    if event.text:
        text.append(f"  {printable(event.text)}")
    return text
