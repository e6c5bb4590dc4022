"""Which reports a run has on the terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from spotci.cli.loading import record_folder
from spotci.events import JobStatus
from spotci.report.terminal import Paint, terminal_width, use_colour
from spotci.runs import RunStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotci.cli.planning import Task
    from spotci.pipeline import JobName
    from spotci.report.protocol import Reporter

__all__ = ["OUTPUTS", "earlier_durations", "is_watched", "reporters_of"]

OUTPUTS = ("live", "plain", "json", "quiet")
#: Earlier runs that are asked how long a job takes.
_EARLIER = 5


def reporters_of(task: Task) -> list[Reporter]:
    """Return the reports that the settings and the options ask for.

    ``auto`` is the live board where a person looks on, and plain lines elsewhere and
    where their times are asked for. They step aside where the task has a person look
    into its jobs or choose among them.
    """
    reporters = _chosen(task)
    person = task.debugger or task.player
    return person.screen.share(reporters) if person else reporters


def _chosen(task: Task) -> list[Reporter]:
    settings = task.loaded.project.settings.run
    output = settings.output
    if output == "auto":
        output = "live" if is_watched() and not settings.timestamps else "plain"
    if output == "json":
        from spotci.report.jsonl import JsonLinesReport  # noqa: PLC0415 - as used

        return [JsonLinesReport(sys.stdout)]
    from spotci.report.summary import SummaryReport  # noqa: PLC0415 - as used

    paint = Paint(enabled=use_colour(sys.stdout, os.environ))
    summary = SummaryReport(
        sys.stdout,
        paint=paint,
        options=task.options,
        width=terminal_width(sys.stdout),
    )
    if output == "quiet":
        return [summary]
    if output == "live":
        from spotci.report.live import LiveReport  # noqa: PLC0415 - rich is slow

        store = RunStore(record_folder(task.loaded.project))
        live = LiveReport(
            sys.stdout, paint=paint, earlier=lambda: earlier_durations(store)
        )
        return [live, summary]
    from spotci.report.plain import PlainReport  # noqa: PLC0415 - as used

    plain = PlainReport(sys.stdout, paint=paint, timestamps=settings.timestamps)
    return [plain, summary]


def earlier_durations(store: RunStore) -> Mapping[JobName, float]:
    """Return how many seconds each job took when it last passed, in a recent run."""
    found: dict[JobName, float] = {}
    for run in store.list(newest=_EARLIER):
        for name, result in run.results.items():
            if result.status is JobStatus.SUCCESS and result.duration is not None:
                found.setdefault(name, result.duration)
    return found


def is_watched() -> bool:
    """Say whether a person looks at the output on a terminal."""
    return (
        sys.stdout.isatty()
        and os.environ.get("TERM") != "dumb"
        and not os.environ.get("CI")
    )
