"""``variables`` at the root, in jobs, rules and services.

A value is a scalar, or a mapping that says more. What the mapping may hold depends on
where it stands; rules and services take scalars only. GitLab: ``Entry::Variable``.
"""

from __future__ import annotations

from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.parser.keywords.decoding import (
    boolean,
    given,
    hash_of,
    key_text,
    ruby_text,
    strings,
)
from spotci.parser.nodes import Mapping, Scalar
from spotci.variables import Level, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from spotci.parser.nodes import Entry, Node
    from spotci.parser.problems import Problems

__all__ = ["VariablesOf", "decode_variables"]


class VariablesOf(Enum):
    """Where ``variables`` stands."""

    ROOT = auto()
    JOB = auto()
    WORKFLOW_RULE = auto()
    JOB_RULE = auto()
    SERVICE = auto()


_LEVELS: MappingType[VariablesOf, Level] = MappingProxyType(
    {
        VariablesOf.ROOT: Level.ROOT,
        VariablesOf.JOB: Level.JOB,
        VariablesOf.WORKFLOW_RULE: Level.WORKFLOW,
        VariablesOf.JOB_RULE: Level.RULE,
        VariablesOf.SERVICE: Level.JOB,
    }
)
#: What a mapping may hold in place of a value; elsewhere none may stand.
_KEYS: MappingType[VariablesOf, tuple[str, ...]] = MappingProxyType(
    {
        VariablesOf.ROOT: ("value", "description", "expand", "options"),
        VariablesOf.JOB: ("value", "expand"),
    }
)


def decode_variables(
    node: Node, place: str, problems: Problems, *, of: VariablesOf
) -> tuple[Variable, ...]:
    """Return the variables in their order, values unexpanded, numbers as text."""
    mapping = hash_of(node, place, problems)
    if mapping is None:
        return ()
    decoded = (
        _variable(entry, place, problems, of) for entry in mapping.entries.values()
    )
    return tuple(variable for variable in decoded if variable is not None)


def _variable(
    entry: Entry, place: str, problems: Problems, of: VariablesOf
) -> Variable | None:
    name = entry.key if isinstance(entry.key, str) else None
    if name is None:
        subject = f"{place}:{ruby_text(entry.key)}"
        name = key_text(entry, subject, problems)
    if name is None:
        return None
    node, expand = entry.value, True
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        problems.error(
            f"{place}:{name} variable definition must be either a string or a hash",
            node.span,
            hint=_quoted(node.value),
        )
        return None
    if isinstance(node, Scalar) and node.value is not None:
        value = node.value if isinstance(node.value, str) else ruby_text(node.value)
    elif isinstance(node, Mapping):
        value, expand = _mapping(node, f"{place}:{name}", problems, of)
    elif isinstance(node, Scalar):
        value = ""
    else:
        problems.error(
            f"{place}:{name} variable definition must be either a string or a hash",
            node.span,
        )
        return None
    return Variable(
        name=name,
        value=value,
        level=_LEVELS[of],
        expand=expand,
        origin=entry.span.file.name,
        span=entry.span,
    )


def _mapping(
    node: Mapping, place: str, problems: Problems, of: VariablesOf
) -> tuple[str, bool]:
    """Return value and ``expand`` of a variable that is written as a mapping."""
    allowed = _KEYS.get(of)
    if allowed is None:
        problems.error(f"{place} config must be a string", node.span)
        return "", True
    extra = [entry for key, entry in node.entries.items() if key not in allowed]
    if extra:
        names = ", ".join(ruby_text(entry.key) for entry in extra)
        problems.error(
            f"{place} config uses invalid data keys: {names}",
            extra[0].span,
            hint=f"the keys allowed here are {', '.join(allowed)}",
        )
    value = given(node, "value")
    text = ""
    if isinstance(value, Scalar) and isinstance(value.value, bool):
        problems.error(
            f"{place} config value must be an alphanumeric string",
            value.span,
            hint=_quoted(value.value),
        )
    elif isinstance(value, Scalar):
        text = ruby_text(value.value)
    elif value is not None:
        problems.error(f"{place} config value must be a scalar", value.span)
    _description(node, place, problems)
    _options(node, place, problems)
    expand = given(node, "expand")
    if expand is None:
        return text, True
    return text, boolean(expand, f"{place} config expand", problems) is not False


def _quoted(value: object) -> str:
    return f'quote it: "{ruby_text(value)}"'


def _description(node: Mapping, place: str, problems: Problems) -> None:
    description = given(node, "description")
    if description is None:
        return
    value = description.value if isinstance(description, Scalar) else None
    if isinstance(value, bool | float) or value is None:
        problems.error(
            f"{place} config description must be an alphanumeric string",
            description.span,
        )


def _options(node: Mapping, place: str, problems: Problems) -> None:
    options = given(node, "options")
    if options is None:
        return
    words = strings(options, f"{place} config options", problems)
    value = given(node, "value")
    chosen = value.value if isinstance(value, Scalar) else None
    if words and chosen not in words:
        problems.error(
            f"{place} config value must be present in options",
            options.span if value is None else value.span,
            hint=f"the value must be one of the options: {', '.join(words)}",
        )
