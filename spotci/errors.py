"""Everything that spotci raises on purpose.

::

    SpotciError                     the command line prints str(error), no traceback
    ├── UsageError                  wrong command line or environment           exit 2
    ├── ConfigError                 wrong YAML; has span and hint; in a group   exit 2
    │   ├── YamlError               not YAML, or a bad !reference
    │   ├── KeywordError            unknown keyword, wrong type or value
    │   ├── ExpressionError         a rules:if expression that cannot be read
    │   ├── IncludeError            an include that cannot be read; cycle; limits
    │   └── GraphError              unknown stage or need, cycle
    ├── ReadError                   a file outside cannot be had; becomes IncludeError
    └── EngineError                 Docker failed us                            exit 3
        ├── EngineUnavailableError  no daemon answers
        ├── ImagePullError          becomes FailureReason.IMAGE_PULL_FAILURE
        └── ContainerError          a container could not be made, started or read

A failed pipeline is no error: exit 1. Ctrl-C: 130. Anything else is a bug: 70.

Configuration errors are reported together, as ``ExceptionGroup[ConfigError]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from spotci.source import Span

__all__ = [
    "ConfigError",
    "ConfigWarning",
    "ContainerError",
    "EngineError",
    "EngineUnavailableError",
    "ExpressionError",
    "GraphError",
    "ImagePullError",
    "IncludeError",
    "KeywordError",
    "ReadError",
    "SpotciError",
    "UsageError",
    "YamlError",
]


class SpotciError(Exception):
    """Base of all errors that have been explained to the user by their text."""


class UsageError(SpotciError):
    """The command line or the environment is wrong; ``hint`` says what to do."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"


class ConfigError(SpotciError):
    """The configuration is wrong, at a place that can be shown.

    ``message`` says what is wrong in GitLab's words; ``hint`` says what to write
    instead, or is None where spotci cannot know. ``span`` is None only where there
    is no text to point at, such as an empty file. ``included_from`` is the chain of
    include entries that led to the file, the nearest first; the file knows it.
    """

    def __init__(
        self,
        message: str,
        *,
        span: Span | None,
        hint: str | None = None,
        included_from: tuple[Span, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message, self.span, self.hint = message, span, hint
        if not included_from and span is not None:
            included_from = span.file.included_from
        self.included_from = included_from

    def __str__(self) -> str:
        return _render("error", self.message, self.span, self.hint, self.included_from)


class YamlError(ConfigError):
    """The text is not YAML as GitLab reads it."""


class KeywordError(ConfigError):
    """A keyword is unknown, or its value has the wrong type or content."""


class ExpressionError(ConfigError):
    """A ``rules:if`` expression cannot be read."""


class IncludeError(ConfigError):
    """An included file cannot be read, or includes form a cycle or are too many."""


class GraphError(ConfigError):
    """A stage, need or dependency is unknown, or the jobs form a cycle."""


class ReadError(SpotciError):
    """A file of an include cannot be had; ``message`` is in GitLab's words.

    ``hint`` says how it could be had, or is None.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class EngineError(SpotciError):
    """The container engine failed us.

    ``operation`` is what was tried (``create container``), ``subject`` is on what,
    ``status`` the HTTP status of the engine, if there was one.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        subject: str = "",
        status: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.operation, self.subject = message, operation, subject
        self.status, self.hint = status, hint

    def __str__(self) -> str:
        what = " ".join(part for part in (self.operation, self.subject) if part)
        text = f"{what}: {self.message}" if what else self.message
        return text if self.hint is None else f"{text}\nhint: {self.hint}"


class EngineUnavailableError(EngineError):
    """No container engine answers."""


class ImagePullError(EngineError):
    """An image cannot be had; ``message`` holds the registry's answer."""


class ContainerError(EngineError):
    """A container could not be created, started, read or removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigWarning:
    """Something that GitLab accepts and the user should know, with its place."""

    message: str
    span: Span | None = None
    hint: str | None = None

    def __str__(self) -> str:
        return _render("warning", self.message, self.span, self.hint, ())


def _render(
    kind: str,
    message: str,
    span: Span | None,
    hint: str | None,
    included_from: tuple[Span, ...],
) -> str:
    if span is None:
        lines = [f"{kind}: {message}"]
    else:
        gutter = f"{span.line:>5} | "
        text = span.file.line(span.line)
        width = max(1, min(span.end_column, len(text) + 1) - span.column)
        lines = [
            f"{span}: {kind}: {message}",
            gutter + text,
            " " * (len(gutter) - 2) + "| " + " " * (span.column - 1) + "^" * width,
        ]
    lines += [f"included from {place}" for place in included_from]
    if hint is not None:
        lines.append(f"hint: {hint}")
    return "\n".join(lines)
