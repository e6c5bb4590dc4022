"""The shell program of a job, as it is written to the stdin of its container.

The container starts with a detector that becomes the best shell of the image, and
that shell reads what :func:`build_script` makes. No variable of the job is in the
arguments or the environment of the container, where anybody could read it.

GitLab Runner's "Shells supported by GitLab Runner" and its feature flags describe
what a script may count on: errexit, pipefail where there is, no nounset, the commands
in a subshell without input, each one echoed before it runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from spotci.executor.breakpoints import Breaks

__all__ = [
    "DETECT_SHELL",
    "SHELLS",
    "ScriptOptions",
    "build_script",
    "echo_command",
    "quote",
]

#: The shells that are looked for in an image, the best first.
SHELLS = (
    "/usr/local/bin/bash",
    "/usr/bin/bash",
    "/bin/bash",
    "/usr/local/bin/sh",
    "/usr/bin/sh",
    "/bin/sh",
    "/busybox/sh",
)
#: The command of a job's container; the entrypoint of its image comes before it.
DETECT_SHELL = (
    "sh",
    "-c",
    (
        f"for shell in {' '.join(SHELLS)}; do "
        'if [ -x "$shell" ]; then exec "$shell"; fi; '
        "done; echo shell not found; exit 1"
    ),
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_GREEN = "\x1b[32;1m"
_RESET = "\x1b[0;m"

#: bash reads a program on a pipe byte by byte, 0.5 ms for a kilobyte. Other shells
#: read ahead, so that there is nothing left for ``cat``.
_LARGE = 8 * 1024
_READ_AT_ONCE = (
    'if [ -n "${BASH_VERSION-}" ] && command -v cat >/dev/null 2>&1; then '
    'eval "$(cat)"; exit; fi\n'
)
#: Errors go the way of the output: two pipes are read one after the other, and an error
#: would come before the command that made it. GitLab's logs have that fault.
_OPTIONS = """\
exec 2>&1
if (set -o pipefail) 2>/dev/null; then set -o pipefail; fi
set -o errexit
set +o noclobber
umask 0000
"""
#: What a script writes to ``GITLAB_ENV``, ``NAME=value`` a line, is a variable in the
#: scripts that the job runs after it.
_HANDED_ON = "gitlab_runner_env"
_TAKE_OVER = """\
if [ -r "$GITLAB_ENV" ]; then
while IFS= read -r line; do export "$line"; done <"$GITLAB_ENV"
unset line
fi
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptOptions:
    """Switches of a script, from variables of the job.

    ``trace`` is ``CI_DEBUG_TRACE``, ``sections`` is ``FF_SCRIPT_SECTIONS`` and
    ``exit_checks`` is ``FF_ENABLE_BASH_EXIT_CODE_CHECK``.
    """

    trace: bool = False
    sections: bool = False
    exit_checks: bool = False

    @staticmethod
    def of(variables: Mapping[str, str]) -> ScriptOptions:
        """Return what the variables of a job switch on."""

        def is_on(name: str) -> bool:
            return variables.get(name, "").strip().lower() in ("true", "1", "t")

        return ScriptOptions(
            trace=is_on("CI_DEBUG_TRACE"),
            sections=is_on("FF_SCRIPT_SECTIONS"),
            exit_checks=is_on("FF_ENABLE_BASH_EXIT_CODE_CHECK"),
        )


def build_script(
    commands: Sequence[str],
    *,
    variables: Mapping[str, str],
    project_dir: str,
    options: ScriptOptions | None = None,
    breaks: Breaks | None = None,
) -> bytes:
    """Return the program that exports the variables and runs the commands.

    With ``breaks`` it stops before some of them. Its exit code is that of the commands.
    A variable whose name no shell accepts is left out, and so is what stands behind a
    NUL, which no shell can hold.
    """
    options = options or ScriptOptions()
    body = "".join(
        (f"spotci_break {index + 1}\n" if breaks else "")
        + _command(command.strip(), index, options)
        for index, command in enumerate(commands)
    )
    if breaks is not None:
        body = breaks.function() + body
    program = "".join(
        [
            _OPTIONS,
            "set -o xtrace\n" if options.trace else "",
            *_exports(variables),
            f"export GITLAB_ENV={quote(f'{project_dir}.tmp/{_HANDED_ON}')}\n",
            _TAKE_OVER,
            f"cd {quote(project_dir)}\n",
            f"(eval {quote(body)}) </dev/null\n",
        ]
    )
    if len(program) > _LARGE:
        program = _READ_AT_ONCE + program
    return program.encode("utf-8", "surrogateescape")


def quote(text: str) -> str:
    """Return the text as one word of a POSIX shell, which is the very same text."""
    text = text.partition("\0")[0]
    return "'" + text.replace("'", "'\\''") + "'"


def echo_command(command: str) -> str:
    """Return the shell text of one entry of a script, with its echo."""
    return _command(command.strip(), 0, ScriptOptions())


def _exports(variables: Mapping[str, str]) -> Iterator[str]:
    for name, value in variables.items():
        if _NAME.fullmatch(name):
            yield f"export {name}={quote(value)}\n"


def _command(command: str, index: int, options: ScriptOptions) -> str:
    """Return the shell text of one entry of ``script``: its echo, and the entry."""
    if not command:
        return "echo\n"
    first, newline, _ = command.partition("\n")
    if newline and options.sections:
        return _section(command, first, index, options)
    shown = f"$ {first} # collapsed multi-line command" if newline else f"$ {command}"
    return _echo(shown) + _run(command, options)


def _section(command: str, first: str, index: int, options: ScriptOptions) -> str:
    name = f"section_script_step_{index}"
    begin = f"section_start:0:{name}[hide_duration=true,collapsed=true]\r\x1b[0K"
    end = f"section_end:0:{name}\r\x1b[0K"
    return (
        f"printf '%s' {quote(begin)}\n"
        + _echo(f"$ {first}")
        + "".join(_echo(line) for line in command.split("\n"))
        + f"printf '%s\\n' {quote(end)}\n"
        + _run(command, options)
    )


def _echo(text: str) -> str:
    # printf, as the echo of some shells reads backslashes.
    return f"printf '%s\\n' {quote(_GREEN + text + _RESET)}\n"


def _run(command: str, options: ScriptOptions) -> str:
    check = 'c=$?; if [ "$c" -ne 0 ]; then exit "$c"; fi\n'
    return f"{command}\n" + (check if options.exit_checks else "")
