"""A command on a terminal of its own, and somebody who types there."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Terminal"]

_LONG = 60


class Terminal:
    """A command on a terminal, and somebody who types."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.ours, theirs = pty.openpty()
        termios.tcsetwinsize(self.ours, (30, 90))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "spotci", *arguments],
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""

    def expect(self, pattern: str) -> str:
        """Wait until what is shown next matches, and return what does."""
        ends = time.monotonic() + _LONG
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < ends, f"no {pattern!r} in {self.seen!r}"
            self.seen += os.read(self.ours, 65536).decode("utf-8", "replace")
        self.seen = self.seen[found.end() :]
        return found[0]

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self.ours, (rows, columns))
        self.process.send_signal(signal.SIGWINCH)

    def end(self) -> int:
        """Read to the end, and return the exit code."""
        try:
            while data := os.read(self.ours, 65536):
                self.seen += data.decode("utf-8", "replace")
        except OSError:
            pass  # so a terminal ends
        return self.process.wait(_LONG)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(_LONG)
        os.close(self.ours)
