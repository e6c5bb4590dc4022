"""Trees and configurations from YAML text, for tests of what stands behind the parser.

Reads the plain part of YAML: no tags, and no includes or extends.
"""

from __future__ import annotations

from textwrap import indent
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from spotci.parser.config import decode
from spotci.parser.nodes import Entry, Mapping, Scalar, Sequence
from spotci.parser.problems import Problems
from spotci.source import SourceFile, Span

if TYPE_CHECKING:
    from spotci.parser.model import Config, JobConfig
    from spotci.parser.nodes import Node

__all__ = ["decoded", "errors_of", "job_of", "job_with", "messages_of", "tree"]

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
    **dict.fromkeys(("", "~", "null"), None),
}


def tree(text: str, name: str = ".gitlab-ci.yml") -> Mapping:
    """Return the tree of a text whose top is a map."""
    file = SourceFile(name=name, text=text)
    node = _node(YAML(typ="safe", pure=True).compose(text), file)
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


def _node(node: Any, file: SourceFile) -> Node:
    start, end = node.start_mark, node.end_mark
    line = file.line(start.line + 1)
    span = Span(
        file=file,
        line=start.line + 1,
        column=start.column + 1,
        end_column=1 + (end.column if end.line == start.line else len(line)),
    )
    if isinstance(node, ScalarNode):
        return Scalar(_value(node), span)
    if isinstance(node, SequenceNode):
        return Sequence(tuple(_node(item, file) for item in node.value), span)
    assert isinstance(node, MappingNode)
    entries = {}
    for key, value in node.value:
        name = _node(key, file)
        assert isinstance(name, Scalar)
        entries[name.value] = Entry(name.value, _node(value, file), name.span)
    return Mapping(MappingProxyType(entries), span=span)


def _value(node: ScalarNode) -> str | int | float | bool | None:
    text: str = node.value
    if node.style is not None:
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
