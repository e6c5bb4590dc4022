"""The entry: from the arguments to an exit code.

=====  ==========================================
0      passed
1      the pipeline failed
2      wrong usage or configuration
3      the engine failed
70     a bug
130    interrupted
=====  ==========================================
"""

from __future__ import annotations

import os
import sys

# Not from typing, whose import would take longer than --version itself.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; nothing is raised."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["--version"], ["-V"]):
        # Answered before click is imported: it takes three times as long as Python.
        from spotci import __version__  # noqa: PLC0415 - this way alone needs it

        print(f"spotci {__version__}")
        return 0
    _print_anything()
    try:
        return _run(arguments)
    except BrokenPipeError:
        # The reader, such as ``head``, has seen enough. Python would complain again
        # when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _print_anything() -> None:
    """Let an output that cannot take a character, as in ASCII, show a mark for it."""
    for stream in (sys.stdout, sys.stderr):
        # Tests and programs may have put something else in their place.
        if getattr(stream, "errors", None) == "strict":
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]


def _run(arguments: list[str]) -> int:
    from spotci.cli import failure  # noqa: PLC0415 - start-up time of --version

    try:
        from spotci.cli.app import app  # noqa: PLC0415 - an interrupt may come early

        if "_SPOTCI_COMPLETE" in os.environ:
            from spotci.cli import bash_completion  # noqa: PLC0415 - a shell asks

            bash_completion.register()
        code = app.main(arguments, prog_name="spotci", standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as leaving:
        # So click leaves when the reader of its output has gone.
        if leaving.code != 1:
            raise
        raise BrokenPipeError from None
    except BaseException as error:  # noqa: BLE001 - the last place that can explain
        if failure.nobody_reads(error):
            raise BrokenPipeError from None
        sys.stdout.flush()
        return failure.report(error)
    return code if isinstance(code, int) else 0
