"""The program that a person's shell in a job begins with. Pure.

It runs in the container of the job, whose best shell it becomes, as that of the job
did. What is to happen before the first prompt, such as ``before_script``, is a file
that the shell reads and removes: so what it sets, and the folder it goes to, stay.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.executor.script import SHELLS, echo_command, quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spotci.executor.breakpoints import Pause

__all__ = ["LONGEST_VALUE", "Purpose", "session_command", "shell_environment"]

#: Bytes of ``NAME=VALUE`` that Linux hands to a program: MAX_ARG_STRLEN.
LONGEST_VALUE = 131_071
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_BEGIN = f"""\
umask 0
for shell in {" ".join(SHELLS)}; do if [ -x "$shell" ]; then break; fi; done
"""
#: ``$1`` is what the shell reads before its first prompt.
_INTERACTIVE = """\
rc=$CI_PROJECT_DIR.tmp/.spotci-$$
if (umask 077; printf '%s\\n' "rm -f '$rc'" "$1" >"$rc") 2>/dev/null; then
  case $shell in
    */bash) "$shell" --rcfile "$rc" -i ;;
    *) ENV=$rc "$shell" -i ;;
  esac
else
  "$shell" -i
fi
"""
_GREETING = """\
unset ENV
if [ -n "${BASH_VERSION-}" ]; then
  if [ -f ~/.bashrc ]; then . ~/.bashrc; fi
  PS1='(%s) \\w \\$ '
else
  PS1='(%s) $PWD $ '
fi
"""
_COMMAND = """\
exec "$shell" -c "$1"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a session is for.

    ``command`` runs in place of a shell that reads its input. ``before`` are lines of
    a script to run first. ``pause`` is the breakpoint that the session is at.
    """

    job: str
    command: str | None = None
    before: tuple[str, ...] = ()
    pause: Pause | None = None


def session_command(purpose: Purpose, *, terminal: bool) -> tuple[str, ...]:
    """Return the command of a session, as the words that start it."""
    if terminal and purpose.command is None:
        greeting = _GREETING.replace("%s", _prompt_name(purpose.job))
        text = greeting + _echoed(purpose.before)
        if purpose.pause is None:
            program = _BEGIN + _INTERACTIVE
        else:
            text += purpose.pause.greeting()
            program = _BEGIN + purpose.pause.around(_INTERACTIVE)
        return _words(program, text)
    text = _strict(purpose.before)
    if purpose.command is not None:
        return _words(_BEGIN + _COMMAND, text + purpose.command)
    if not purpose.before:
        return _words(_BEGIN + 'exec "$shell"\n', "")
    # The shell that ran these lines has to run what comes, too.
    return _words(_BEGIN + _COMMAND, f'{text}eval "$(cat)"\n')


def shell_environment(
    values: Mapping[str, str],
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the variables that can be given to a program, and the names of others.

    Names that no shell accepts are left out, as in the job itself.
    """
    given: dict[str, str] = {}
    left: list[str] = []
    for name, value in values.items():
        if not _NAME.fullmatch(name):
            continue
        text = value.partition("\0")[0]
        if len(f"{name}={text}".encode("utf-8", "surrogateescape")) > LONGEST_VALUE:
            left.append(name)
        else:
            given[name] = text
    return given, tuple(left)


def _words(program: str, text: str) -> tuple[str, ...]:
    return ("sh", "-c", program, "spotci", text)


def _echoed(lines: Sequence[str]) -> str:
    return "".join(echo_command(line) for line in lines)


def _strict(lines: Sequence[str]) -> str:
    """Return lines that end the session where one fails, as they end a job."""
    if not lines:
        return ""
    return f"set -o errexit\neval {quote(_echoed(lines))}\nset +o errexit\n"


def _prompt_name(job: str) -> str:
    """Return the name of the job without what a prompt would expand."""
    return re.sub(r"[^\w.:/\[\], -]", "_", job)
