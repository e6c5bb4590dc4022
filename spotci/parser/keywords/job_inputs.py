"""``inputs`` of a job: typed values with defaults, which a user may set for one job.

GitLab: ``Entry::JobInput``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.job_inputs import FIELDS, JobInputError, expand_inputs
from spotci.parser.keywords.decoding import (
    attribute,
    given,
    hash_of,
    key_texts,
    plain,
    ruby_text,
    string,
    unknown_keys,
)
from spotci.parser.nodes import Mapping, Scalar, Sequence
from spotci.parser.regex import compile_re2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Mapping as MappingType

    from spotci.parser.nodes import Node, Plain
    from spotci.parser.problems import Problems

__all__ = ["decode_job_inputs", "doubt_references"]

_KEYS = frozenset({"default", "description", "options", "regex", "type"})
_LIMIT = 50


def _is_string(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str)


def _is_number(node: Node) -> bool:
    value = node.value if isinstance(node, Scalar) else None
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_boolean(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, bool)


def _is_array(node: Node) -> bool:
    return isinstance(node, Sequence)


#: Type to its test and to what GitLab calls a value of it.
_TYPES: MappingType[str, tuple[Callable[[Node], bool], str]] = MappingProxyType(
    {
        "string": (_is_string, "a string"),
        "number": (_is_number, "a number"),
        "boolean": (_is_boolean, "a boolean"),
        "array": (_is_array, "an array"),
    }
)


def decode_job_inputs(
    node: Node, place: str, problems: Problems
) -> MappingType[str, Plain]:
    """Return the default of every input by its name."""
    mapping = hash_of(node, place, problems)
    if mapping is None:
        return MappingProxyType({})
    if len(mapping.entries) > _LIMIT:
        problems.error(f"{place} has too many entries (maximum {_LIMIT})", mapping.span)
    defaults: dict[str, Plain] = {}
    for name, entry in key_texts(mapping):
        definition = hash_of(entry.value, f"{place}:{name}", problems)
        if definition is not None:
            _definition(definition, f"{place}:{name}", problems)
            default = definition.get("default")
            defaults[name] = None if default is None else plain(default)
    return MappingProxyType(defaults)


def doubt_references(
    job: Mapping, inputs: MappingType[str, Plain], place: str, problems: Problems
) -> None:
    """Warn of ``${{ job.inputs.NAME }}`` that the runner could not replace."""
    if not inputs:
        return
    for key in FIELDS:
        entry = job.entries.get(key)
        for node in () if entry is None else _texts(entry.value):
            try:
                expand_inputs(str(node.value), inputs)
            except JobInputError as error:
                problems.warn(
                    f"{place} would fail: {error}",
                    node.span,
                    hint=f"the inputs of the job are: {', '.join(inputs)}",
                )


def _texts(node: Node) -> Iterator[Scalar]:
    match node:
        case Scalar(str()):
            yield node
        case Sequence(items):
            for item in items:
                yield from _texts(item)
        case Mapping(entries):
            for entry in entries.values():
                yield from _texts(entry.value)
        case _:
            return


def _definition(node: Mapping, place: str, problems: Problems) -> None:
    unknown_keys(node, _KEYS, place, problems)
    options = _options(node, place, problems)
    kind = _type(node, place, problems)
    default = given(node, "default")
    if default is None:
        problems.error(f"{place} must have a default value", node.span)
        return
    if kind is None:
        return
    fits, description = _TYPES[kind]
    if not fits(default):
        problems.error(f"{place} default value is not {description}", default.span)
        return
    if options is not None and plain(default) not in options:
        text = ruby_text(default.value) if isinstance(default, Scalar) else "it"
        problems.error(
            f"{place} `{text}` cannot be used because it is not in the list of"
            " allowed options",
            default.span,
        )
    _regex(node, place, problems, default=default)


def _type(node: Mapping, place: str, problems: Problems) -> str | None:
    value = given(node, "type")
    if value is None:
        return "string"
    text = ruby_text(value.value) if isinstance(value, Scalar) else "a list or a map"
    if text in _TYPES:
        return text
    problems.error(
        f"{place} input type unknown value: {text}",
        value.span,
        hint=f"the types are {', '.join(_TYPES)}",
    )
    return None


def _options(node: Mapping, place: str, problems: Problems) -> list[Plain] | None:
    value = given(node, "options")
    if value is None:
        return None
    if not isinstance(value, Sequence):
        problems.error(f"{place} input options should be a array", value.span)
        return None
    if len(value.items) > _LIMIT:
        problems.error(
            f"{place} config cannot define more than {_LIMIT} options", value.span
        )
    options = [plain(item) for item in value.items]
    if None in options:
        problems.error(
            f"{place} config options array cannot contain null values", value.span
        )
    return options


def _regex(node: Mapping, place: str, problems: Problems, *, default: Node) -> None:
    value = given(node, "regex")
    pattern = attribute(node, "regex", string, f"{place} input", problems)
    if value is None or pattern is None:
        return
    try:
        compiled = compile_re2(pattern)
    except ValueError as error:
        problems.error(
            f"{place} input regex is not a valid RE2 pattern",
            value.span,
            hint=str(error),
        )
        return
    text = default.value if isinstance(default, Scalar) else None
    if isinstance(text, str) and not compiled.matches(text):
        problems.error(
            f"{place} default value does not match required RegEx pattern", default.span
        )
