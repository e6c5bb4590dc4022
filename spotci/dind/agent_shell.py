"""The shell at the other end of the agent: its program and its language. Pure.

The shell reads one line for each command, and answers when the command has ended, in
whatever order commands end::

    →  s1='…'                          a script that is seen for the first time
    →  job 7 12 "$s1" 'argument'⏎      number 7, with twelve bytes of stdin
    →  twelve bytes
    ←  7 0 345 0⏎                      number, exit code, sizes of stdout and of stderr
    ←  345 bytes, 0 bytes

It runs in busybox's ash as in dash, and starts few processes but those of the command:
a fork costs more than all the rest.
"""

from __future__ import annotations

from spotci.dataclass import dataclass

__all__ = ["PROGRAM", "Answer", "AnswerDecoder", "Scripts", "quote"]

# What a command reads and prints lies in memory, in files that no other command ever
# has: whoever gets an answer may send the next command while the shell is still busy
# with the files of the last. Answers take turns: the token in the pipe is taken and put
# back by the shell itself, and a line is then as whole as the bytes after it. Of these
# there are as many as the line says, though something that the command left behind in
# the background may still print.
PROGRAM = r"""
umask 077
export LC_ALL=C LIBMOUNT_FORCE_MOUNT2=always
dir=$(mktemp -d /dev/shm/spot-ci.XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM PIPE
mkfifo "$dir/turn" && exec 3<>"$dir/turn" && echo >&3 || exit 1
n='
'
job() {
  number=$1 size=$2 in=/dev/null
  shift 2
  if [ "$size" -gt 0 ]; then
    in=$dir/i$number
    dd bs="$size" count=1 iflag=fullblock >"$in" 2>/dev/null
  fi
  serve "$@" &
}
serve() {
  trap - EXIT
  out=$dir/o$number err=$dir/e$number
  (
    umask 022
    script=$1
    shift
    eval "$script"
  ) <"$in" >"$out" 2>"$err" 3>&-
  code=$?
  if [ -s "$out" ] || [ -s "$err" ]; then
    sizes=$(stat -c %s "$out" "$err")
    set -- $sizes
    read -r _ <&3
    echo "$number $code $1 $2"
    [ "$1" -eq 0 ] || head -c "$1" "$out"
    [ "$2" -eq 0 ] || head -c "$2" "$err"
  else
    read -r _ <&3
    echo "$number $code 0 0"
  fi
  echo >&3
  rm -f "$dir/i$number" "$out" "$err"
}
echo ready
while IFS= read -r line; do eval "$line"; done
"""


def quote(text: str) -> bytes:
    """Quote a text for one line of the shell.

    Raises ValueError for a text with a NUL, which no shell can take.
    """
    if "\0" in text:
        raise ValueError("a NUL in an argument")
    data = text.encode("utf-8", "surrogateescape")
    inside = data.replace(b"'", b"'\\''").replace(b"\n", b"'\"$n\"'")
    return b"'" + inside + b"'"


class Scripts:
    """The scripts that a shell knows already: each is sent once."""

    def __init__(self) -> None:
        self._names: dict[str, bytes] = {}

    def command(
        self, number: int, script: str, args: tuple[str, ...], size: int
    ) -> bytes:
        """Return the lines that start a script; ``size`` bytes of stdin follow."""
        known = self._names.get(script)
        name = known or b"s%d" % len(self._names)
        words = b" ".join([b'"$%s"' % name, *map(quote, args)])
        line = b"job %d %d %s\n" % (number, size, words)
        if known is not None:
            return line
        definition = b"%s=%s\n" % (name, quote(script))
        self._names[script] = name
        return definition + line


@dataclass(frozen=True, slots=True)
class Answer:
    """How the command of a number ended."""

    number: int
    code: int
    output: bytes
    errors: bytes


class AnswerDecoder:
    """Takes answers out of bytes as they come. It does no I/O."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._head: tuple[int, int, int, int] | None = None

    def feed(self, data: bytes) -> list[Answer]:
        """Take bytes, and return the answers that they completed.

        Raises ValueError for what is no answer; nothing can follow then.
        """
        self._data += data
        answers = []
        while (answer := self._next()) is not None:
            answers.append(answer)
        return answers

    def _next(self) -> Answer | None:
        if self._head is None:
            end = self._data.find(b"\n")
            if end < 0:
                return None
            number, code, output, errors = map(int, self._data[:end].split())
            self._head = number, code, output, errors
            del self._data[: end + 1]
        number, code, output, errors = self._head
        if len(self._data) < output + errors:
            return None
        self._head = None
        content = bytes(self._data[: output + errors])
        del self._data[: output + errors]
        return Answer(number, code, content[:output], content[output:])
