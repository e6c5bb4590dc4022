"""Breakpoints between the lines of a script. Pure.

The shell program of a job stops by itself: it makes a named pipe in the folder for
private files, prints a mark that nobody else knows, and reads from the pipe. The mark
is taken out of the output here, so that no log ever has it, and a shell is opened in
the container. When that ends it writes into the pipe how to go on.

What the script has exported, and its folder, are handed to the shell by a file. Nothing
comes back: the script goes on with what it had.
"""

from __future__ import annotations

import re

from spotci.dataclass import dataclass
from spotci.executor.script import quote

__all__ = ["AFTER", "BreakFilter", "Breaks", "Pause"]

#: The name of the place before the first line of ``after_script``.
AFTER = "after"

_FUNCTION = """\
spotci_break() {
  case " @lines@ " in
    *" $1 "*) ;;
    *) [ "${spotci_step-}" = yes ] || return 0 ;;
  esac
  spotci_step=
  rm -f @pipe@
  if ! mkfifo -m 666 @pipe@; then
    echo 'no breakpoint: the image has no mkfifo' >&2
    return 0
  fi
  (umask 077; export -p >@pipe@.env; pwd >@pipe@.pwd)
  printf '%s' @mark@"$1"@end@
  read -r spotci_answer <@pipe@ || spotci_answer=
  rm -f @pipe@ @pipe@.env @pipe@.pwd
  case $spotci_answer in
    step) spotci_step=yes ;;
    abort) echo 'Aborted at a breakpoint' >&2; exit 1 ;;
  esac
}
"""

_GREETING = """\
if [ -f @pipe@.env ]; then
  . @pipe@.env 2>/dev/null
  cd "$(cat @pipe@.pwd)" 2>/dev/null
fi
step() { echo step >@pipe@.answer; exit 0; }
abort() { echo abort >@pipe@.answer; exit 0; }
"""
_AROUND = """\
rm -f @pipe@.answer
%s\
answer=continue
if [ -f @pipe@.answer ]; then read -r answer <@pipe@.answer; rm -f @pipe@.answer; fi
if [ -p @pipe@ ]; then echo "$answer" >@pipe@; fi
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One stop of a script, at ``line``, as the shell that is opened there sees it."""

    pipe: str
    line: int

    def greeting(self) -> str:
        """Return what makes the shell's variables and folder those of the script."""
        return _GREETING.replace("@pipe@", quote(self.pipe))

    def around(self, program: str) -> str:
        """Return a program of a shell, and after it how the script is to go on."""
        return _AROUND.replace("@pipe@", quote(self.pipe)).replace("%s", program)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaks:
    """Where one shell program stops: before these lines, counted from 1.

    ``token`` is what only this run knows; ``folder`` is that of private files.
    """

    lines: frozenset[int]
    token: str
    folder: str

    @property
    def pipe(self) -> str:
        """The named pipe that the program reads from."""
        return f"{self.folder}/.spotci-break"

    @property
    def mark(self) -> bytes:
        """What comes before the number of the line in the output."""
        return f"\x1b]spotci-break;{self.token};".encode()

    def function(self) -> str:
        """Return the shell function that stops."""
        words = {
            "@lines@": " ".join(map(str, sorted(self.lines))),
            "@pipe@": quote(self.pipe),
            "@mark@": quote(self.mark.decode()),
            "@end@": quote(_END.decode()),
        }
        text = _FUNCTION
        for name, value in words.items():
            text = text.replace(name, value)
        return text

    def pause(self, line: int) -> Pause:
        """Return the stop at a line."""
        return Pause(pipe=self.pipe, line=line)


_END = b"\x07"
#: Digits of a number of a line.
_DIGITS = 9


class BreakFilter:
    """Takes the marks of one program out of its output. It does no I/O."""

    def __init__(self, breaks: Breaks) -> None:
        self._mark = breaks.mark
        self._whole = re.compile(re.escape(breaks.mark) + rb"(\d{1,9})" + _END)
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes | int]:
        """Take bytes as they came; return the output and the lines stopped at."""
        data = self._rest + data
        found: list[bytes | int] = []
        position = 0
        for match in self._whole.finditer(data):
            found += [data[position : match.start()], int(match[1])]
            position = match.end()
        kept = self._begun(data, position)
        self._rest = data[kept:]
        found.append(data[position:kept])
        return [part for part in found if part != b""]

    def close(self) -> bytes:
        """Return what looked like a mark and was none."""
        rest, self._rest = self._rest, b""
        return rest

    def _begun(self, data: bytes, position: int) -> int:
        """Return where a mark may begin that has not come whole."""
        longest = len(self._mark) + _DIGITS
        start = max(position, len(data) - longest)
        while (start := data.find(self._mark[:1], start)) >= 0:
            tail = data[start:]
            head, digits = tail[: len(self._mark)], tail[len(self._mark) :]
            if self._mark.startswith(head) and (not digits or digits.isdigit()):
                return start
            start += 1
        return len(data)
