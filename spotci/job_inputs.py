r"""``${{ job.inputs.NAME }}`` in a job: replaced by the value of its input (pure).

::

    template   = { text | "\${{" | "${{" reference "}}" }
    reference  = "job.inputs" access { access }
    access     = "." NAME | "[" TEXT "]" | "[" NUMBER "]"

That is the part of GitLab's Moa language that reads inputs; its operators and functions
are not evaluated here. A job without inputs keeps its texts as they are, as the runner
does. See "Job inputs" in GitLab's documentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotci.pipeline import Job

__all__ = ["FIELDS", "JobInputError", "expand_inputs", "with_inputs"]

#: The fields of a job that may refer to its inputs.
FIELDS = (
    *("script", "before_script", "after_script"),
    *("image", "services", "cache", "artifacts"),
)
_OPEN, _CLOSE = "${{", "}}"
_BLOCK = re.compile(r"\\\$\{\{|\$\{\{(?P<expression>.*?)\}\}", re.DOTALL)
_ACCESS = re.compile(
    r"""\s*(?:\.\s*(?P<name>[A-Za-z_]\w*)
    |\[\s*(?P<index>[0-9]+)\s*\]
    |\[\s*(?P<text>"[^"\\]*"|'[^'\\]*')\s*\])""",
    re.VERBOSE,
)
_ROOT = re.compile(r"\s*job\s*\.\s*inputs\b")

_Value = TypeVar("_Value")


class JobInputError(ValueError):
    """A text refers to an input that is not there, or in a form that is not known."""


def with_inputs(job: Job) -> Job:
    """Return a job with its references replaced by its inputs; raises JobInputError."""
    if not job.inputs:
        return job
    values = {name: getattr(job, name) for name in FIELDS}
    expanded = {name: _expanded(value, job.inputs) for name, value in values.items()}
    return replace(job, **expanded)


def expand_inputs(text: str, inputs: Mapping[str, Any]) -> str:
    r"""Return a text with its references replaced; ``\${{`` stands for itself.

    Raises JobInputError in the words of the runner.
    """
    if _OPEN not in text:
        return text

    def replacement(match: re.Match[str]) -> str:
        expression = match["expression"]
        return _OPEN if expression is None else _text(_value(expression, inputs))

    rest = _BLOCK.sub("", text)
    if _OPEN in rest:
        raise _failed(f"a {_OPEN} is not closed by {_CLOSE}")
    return _BLOCK.sub(replacement, text)


def _value(expression: str, inputs: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as given
    """Return what a reference leads to."""
    shown = expression.strip()
    value: Any = inputs
    for key in _keys(expression):
        found = isinstance(value, Mapping) and key in value
        if isinstance(key, int):
            found = _is_list(value) and key < len(value)
        if not found:
            raise _failed(f"`{shown}`: there is no {key!r}")
        value = value[key]
    return value


def _keys(expression: str) -> Iterator[str | int]:
    """Yield the names and indexes of a reference, at least one."""
    root = _ROOT.match(expression)
    position = len(expression) if root is None else root.end()
    accesses = []
    while match := _ACCESS.match(expression, position):
        accesses.append(match)
        position = match.end()
    if not accesses or expression[position:].strip():
        raise _failed(
            f"`{expression.strip()}`: spotci evaluates job.inputs.NAME and nothing else"
        )
    for access in accesses:
        if access["index"] is not None:
            yield int(access["index"])
        else:
            yield access["name"] or access["text"][1:-1]


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _failed(reason: str) -> JobInputError:
    return JobInputError(f"failed to interpolate job inputs: {reason}")


def _expanded(value: _Value, inputs: Mapping[str, Any]) -> _Value:
    """Return a value with the references in all of its texts replaced."""
    result: Any = value
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        result = expand_inputs(value, inputs)
    elif isinstance(value, tuple):
        result = tuple(_expanded(item, inputs) for item in value)
    elif isinstance(value, Mapping):
        result = {key: _expanded(item, inputs) for key, item in value.items()}
    elif is_dataclass(value) and not isinstance(value, type):
        texts = {
            item.name: _expanded(getattr(value, item.name), inputs)
            for item in fields(value)
            if item.name not in {"span", "origin"}
        }
        result = replace(value, **texts)
    return result  # type: ignore[no-any-return]
