"""Trees and configurations from YAML text, without includes, extends and references."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING

from spotci.parser.config import decode
from spotci.parser.nodes import Mapping
from spotci.parser.problems import Problems
from spotci.parser.yaml import parse
from spotci.source import SourceFile

if TYPE_CHECKING:
    from spotci.parser.model import Config, JobConfig

__all__ = ["decoded", "errors_of", "job_of", "job_with", "messages_of", "tree"]


def tree(text: str, name: str = ".gitlab-ci.yml") -> Mapping:
    """Return the tree of a text whose top is a map."""
    node, *_ = parse(SourceFile(name=name, text=text))
    assert isinstance(node, Mapping)
    return node


def decoded(text: str) -> tuple[Config, Problems]:
    """Return the configuration of a text, and what is wrong with it."""
    problems = Problems()
    return decode(tree(text), problems), problems


def errors_of(text: str) -> list[str]:
    """Return the errors of a text as they are printed."""
    return [str(error) for error in decoded(text)[1].errors]


def messages_of(text: str) -> list[str]:
    """Return the messages of the errors of a text, without places."""
    return [error.message for error in decoded(text)[1].errors]


def job_with(keywords: str) -> str:
    """Return the text of a job ``build`` with a script and further keywords."""
    return "build:\n  script: make\n" + indent(keywords, "  ")


def job_of(keywords: str) -> JobConfig:
    """Return the configuration of the job of :func:`job_with`, which is valid."""
    config, problems = decoded(job_with(keywords))
    assert [error.message for error in problems.errors] == []
    return config.jobs["build"]
