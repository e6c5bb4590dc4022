"""What the user reads when a command fails, and the exit code that goes with it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from spotci.errors import ConfigError, EngineError, SpotciError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "ENGINE_FAILED",
    "INTERNAL_ERROR",
    "INTERRUPTED",
    "PIPELINE_FAILED",
    "USAGE",
    "config_errors",
    "leaves",
    "nobody_reads",
    "report",
]

PIPELINE_FAILED = 1
USAGE = 2
ENGINE_FAILED = 3
INTERNAL_ERROR = 70
INTERRUPTED = 130


def report(error: BaseException) -> int:
    """Print an error to stderr, the way its kind asks for; return the exit code."""
    if (code := _from_click(error)) is not None:
        return code
    found = list(leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in found):
        _print("interrupted")
        return INTERRUPTED
    if not all(isinstance(leaf, SpotciError) for leaf in found):
        return _bug(error)
    configuration = config_errors(found)
    if configuration:
        _print("\n\n".join(map(str, configuration)))
        count = len(configuration)
        _print(f"\n{count} {'error' if count == 1 else 'errors'}")
        return USAGE
    for text in dict.fromkeys(f"error: {leaf}" for leaf in found):
        _print(_wrapped(text))
    engine = any(isinstance(leaf, EngineError) for leaf in found)
    return ENGINE_FAILED if engine else USAGE


def nobody_reads(error: BaseException) -> bool:
    """Say whether the reader of our output has gone, as ``head`` does."""
    return any(isinstance(leaf, BrokenPipeError) for leaf in leaves(error))


def config_errors(errors: Iterable[BaseException]) -> list[ConfigError]:
    """Return the configuration errors in the order of the files, each once."""
    found = [
        leaf
        for error in errors
        for leaf in leaves(error)
        if isinstance(leaf, ConfigError)
    ]
    unique = {(str(error.span), error.message): error for error in found}
    return sorted(unique.values(), key=_place)


def _place(error: ConfigError) -> tuple[str, int, int]:
    if error.span is None:
        return ("", 0, 0)
    return (error.span.file.name, error.span.line, error.span.column)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Return the errors of a group of whatever depth, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield error


def _from_click(error: BaseException) -> int | None:
    """Return the code of an error of click's, after printing it; None for others."""
    import click  # noqa: PLC0415 - loaded by now, unless its import failed

    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.Abort):
        _print("interrupted")
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        error.show(sys.stderr)
        return USAGE
    return None


def _bug(error: BaseException) -> int:
    """Write the traceback to a file: it helps the developers, not the user."""
    import tempfile  # noqa: PLC0415 - start-up time
    import traceback  # noqa: PLC0415 - start-up time

    text = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile(
        "w", prefix="spotci-bug-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    _print(f"spotci has a bug: {type(error).__name__}: {error}")
    _print(f"its traceback is in {file.name}: please send it to the developers")
    return INTERNAL_ERROR


def _wrapped(text: str) -> str:
    """Break sentences at blanks where the terminal is narrow."""
    from spotci.report.terminal import (  # noqa: PLC0415 - only on failure
        terminal_width,
        wrap,
    )

    return "\n".join(wrap(text, terminal_width(sys.stderr), indent="  "))


def _print(text: str) -> None:
    from spotci.report.terminal import printable  # noqa: PLC0415 - only on failure

    print(printable(text), file=sys.stderr)
