"""A notification on the desktop when a run has ended.

It goes to ``notify-send`` where there is one, else to the terminal: most of those that
have windows show what OSC 9 says, those of VTE and rxvt what OSC 777 says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from spotci.cli import failure
from spotci.events import JobStatus
from spotci.report.terminal import printable, without_colours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotci.runs import Run

__all__ = ["escape_sequence", "notify_end"]

#: Seconds that a notification may take: the run has ended, nobody waits for it.
_LIMIT = 5.0
#: Names of failed jobs in one notification.
_NAMES = 5


def notify_end(run: Run | None, code: int) -> None:
    """Tell how a run ended; no way to do so is no error.

    ``run`` is its record, None where it ended before there was one.
    """
    ends = {0: "passed", failure.INTERRUPTED: "interrupted"}
    title = f"spotci: {ends.get(code, 'failed')}"
    text = "" if run is None else _describe(run)
    desktop = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    program = shutil.which("notify-send")
    if desktop and program is not None:
        words = [program, "--app-name=spotci", "--", title, text]
        try:
            subprocess.run(words, check=True, capture_output=True, timeout=_LIMIT)
        except (OSError, subprocess.SubprocessError):
            pass  # no notification service runs: the terminal is left
        else:
            return
    if sys.stderr.isatty():
        sys.stderr.write(escape_sequence(title, text, os.environ))
        sys.stderr.flush()


def escape_sequence(title: str, text: str, environ: Mapping[str, str]) -> str:
    """Return what makes the terminal notify. Pure."""
    # A semicolon parts the words of OSC 777.
    title, text = _plain(title).replace(";", ","), _plain(text)
    if "VTE_VERSION" in environ or environ.get("TERM", "").startswith("rxvt"):
        sequence = f"\x1b]777;notify;{title};{text}\x07"
    else:
        sequence = f"\x1b]9;{title} {text}".rstrip() + "\x07"
    if "TMUX" in environ:
        # tmux hands on what is wrapped so, where allow-passthrough is on.
        inner = sequence.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{inner}\x1b\\"
    return sequence


def _describe(run: Run) -> str:
    failed = [
        name
        for name, result in run.results.items()
        if result.status is JobStatus.FAILED and not result.allow_failure
    ]
    if not failed:
        return f"run {run.id}"
    more = f" and {len(failed) - _NAMES} more" if len(failed) > _NAMES else ""
    return ", ".join(failed[:_NAMES]) + more


def _plain(text: str) -> str:
    return " ".join(without_colours(printable(text)).split())
