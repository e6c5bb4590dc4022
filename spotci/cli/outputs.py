"""Which reports a run has on the terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from spotci.report.terminal import Paint, use_colour

if TYPE_CHECKING:
    from spotci.cli.planning import Task
    from spotci.report.protocol import Reporter

__all__ = ["OUTPUTS", "reporters_of"]

OUTPUTS = ("live", "plain", "json", "quiet")


def reporters_of(task: Task) -> list[Reporter]:
    """Return the reports that the settings and the options ask for.

    ``auto`` is the live board where a person looks on, and plain lines elsewhere.
    """
    output = task.loaded.project.settings.run.output
    if output == "auto":
        output = "live" if _watched() else "plain"
    if output == "json":
        from spotci.report.jsonl import JsonLinesReport  # noqa: PLC0415 - as used

        return [JsonLinesReport(sys.stdout)]
    from spotci.report.summary import SummaryReport  # noqa: PLC0415 - as used

    paint = Paint(enabled=use_colour(sys.stdout, os.environ))
    summary = SummaryReport(sys.stdout, paint=paint, options=task.options)
    if output == "quiet":
        return [summary]
    if output == "live":
        from spotci.report.live import LiveReport  # noqa: PLC0415 - rich is slow

        return [LiveReport(sys.stdout, paint=paint), summary]
    from spotci.report.plain import PlainReport  # noqa: PLC0415 - as used

    return [PlainReport(sys.stdout, paint=paint), summary]


def _watched() -> bool:
    return (
        sys.stdout.isatty()
        and os.environ.get("TERM") != "dumb"
        and not os.environ.get("CI")
    )
