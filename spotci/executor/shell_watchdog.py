"""Ends the jobs without containers when spotci dies, however it dies.

A process of its own is told of each group of processes that begins and ends. Its input
ends with spotci, be it by SIGKILL: then it kills the groups that are left, and ends.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import Self

__all__ = ["Watchdog"]

# A signal for spotci's terminal or session is none for it: it still has work to do.
_PROGRAM = r"""
trap '' HUP INT QUIT TERM
groups=
while read -r word group; do
  case $word in
    begins) groups="$groups $group" ;;
    ends)
      others=
      for each in $groups; do
        [ "$each" = "$group" ] || others="$others $each"
      done
      groups=$others
      ;;
  esac
done
for group in $groups; do
  kill -KILL "-$group"
done
"""


class Watchdog:
    """Watches over process groups, as a context; it starts with the first of them.

    Leaving the context ends it, and what it still knows then.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate()

    def begins(self, group: int) -> None:
        """Tell of a group; raise OSError where no watchdog can be started."""
        if self._process is None:
            self._process = subprocess.Popen(
                ["sh", "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        self._tell("begins", group)

    def ends(self, group: int) -> None:
        """Tell that a group is no more: its number may become somebody else's."""
        self._tell("ends", group)

    def _tell(self, word: str, group: int) -> None:
        if self._process is None or self._process.stdin is None:
            return
        # Whoever killed the watchdog has to look after the jobs himself.
        with suppress(BrokenPipeError):
            os.write(self._process.stdin.fileno(), f"{word} {group}\n".encode())
