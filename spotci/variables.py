"""Variables: their levels, and the expanders of the server and of the runner (pure).

GitLab documents the precedence under "CI/CD variable precedence" and the expanders
under "Where variables can be used".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spotci.source import Span

__all__ = ["Level", "Variable"]


class Level(IntEnum):
    """Precedence of a variable: of two with one name the higher level wins."""

    PREDEFINED = 10
    DEPLOYMENT = 20
    ROOT = 30
    WORKFLOW = 35
    JOB = 40
    MATRIX = 45
    RULE = 50
    #: ``GITLAB_USER_*``, which YAML cannot override.
    USER = 55
    DOTENV = 60
    INSTANCE = 70
    GROUP = 80
    PROJECT = 90
    PIPELINE = 100
    #: Given when a manual job is played.
    MANUAL = 110
    #: Set by the runner after all others, such as ``CI_PROJECT_DIR``.
    RUNNER = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable before expansion.

    ``expand`` is False for ``variables:NAME:expand: false``; ``file`` marks a file
    variable, whose value is the content of the file. ``origin`` says where the value
    came from, for ``spotci explain``: a file name, an option, ``predefined``.
    """

    name: str
    value: str
    level: Level = Level.JOB
    expand: bool = True
    file: bool = False
    masked: bool = False
    origin: str = ""
    span: Span | None = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        # A secret must not leak through a traceback or a log of this object.
        value = "[MASKED]" if self.masked else self.value
        return f"Variable({self.name}={value!r}, {self.level.name})"
