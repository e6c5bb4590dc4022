"""Text and places in it: what every error and every explanation points at."""

from __future__ import annotations

from dataclasses import field

from spotci.dataclass import dataclass

__all__ = ["Component", "Origin", "SourceFile", "Span"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The repository that a file was read from; both None is the user's own.

    Nested ``include:local`` entries resolve in the repository and at the commit
    of the file that contains them. ``host`` is None for the project's own server.
    """

    project: str | None = None
    ref: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """What ``$[[ component.… ]]`` says of the CI/CD component that a file is.

    ``reference`` is what stood behind the ``@``, ``version`` the version that it was
    resolved to, None for a branch or a commit, ``sha`` the commit.
    """

    name: str
    sha: str
    version: str | None
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A text with the name that the user knows it by.

    ``name`` is ``.gitlab-ci.yml`` for the root file, the path for a local include,
    ``path@group/project`` or the URL for others.
    """

    name: str
    text: str = field(repr=False)
    origin: Origin = field(default_factory=Origin)
    component: Component | None = None
    #: The include entries that led to the file, the nearest first.
    included_from: tuple[Span, ...] = field(default=(), compare=False, repr=False)
    _lines: list[str] = field(
        default_factory=list, init=False, repr=False, compare=False, hash=False
    )

    def line(self, number: int) -> str:
        """Return the 1-based line without its end, or an empty text past the end."""
        if not self._lines:
            self._lines.extend(self.text.splitlines())
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A place in a file: 1-based line and columns, the end column exclusive.

    ``str()`` gives ``file:line:column``, which editors open. A span of several
    lines ends, for the marker, at the end of its first line.
    """

    file: SourceFile
    line: int
    column: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}:{self.column}"

    def shifted(self, start: int, end: int) -> Span:
        """Return the part from ``start`` to ``end``, 0-based offsets in this span."""
        first = self.column + start
        return Span(
            file=self.file,
            line=self.line,
            column=first,
            end_column=max(first + 1, self.column + end),
        )
