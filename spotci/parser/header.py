"""A file with a ``spec:`` header: its inputs are resolved and put into its content."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spotci.errors import KeywordError, YamlError
from spotci.parser.inputs import InputsError, resolve_inputs
from spotci.parser.interpolation import (
    PREFIX,
    InterpolationError,
    Values,
    interpolate,
)
from spotci.parser.keywords.decoding import plain
from spotci.parser.nodes import Entry, Mapping, Reference, Scalar, Sequence
from spotci.parser.problems import did_you_mean
from spotci.parser.yaml import MAX_NODES, TOO_BIG

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as MappingType

    from spotci.parser.inputs import InputError
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems
    from spotci.source import SourceFile, Span
    from spotci.variables import Variable

__all__ = ["content_of", "read_header"]

_SPEC_KEYS = ("component", "include", "inputs")
_COMPONENT_KEYS = ("name", "sha", "version", "reference")
_NO_HEADER = (
    "Given inputs not defined in the `spec` section of the included configuration file"
)
#: Characters that the blocks of one file may become.
MAX_CHARACTERS = 16 * 1024 * 1024


def content_of(
    documents: tuple[Node, ...],
    file: SourceFile,
    inputs: MappingType[str, Any],
    problems: Problems,
    *,
    given_at: Span | None = None,
    variables: MappingType[str, Variable] = MappingProxyType({}),
    shared_inputs: Callable[[Node], Mapping | None] = lambda _: None,
) -> Node | None:
    """Return the content of a file, interpolated; None for an empty one.

    ``inputs`` are the values that were given at ``given_at``. ``shared_inputs`` reads
    what ``spec:include`` names. What is wrong goes to ``problems``; raises YamlError
    where the inputs make the content too big.
    """
    header, content = _split(documents)
    if header is None:
        if inputs:
            _report_given(_NO_HEADER, given_at, problems)
        return content
    spec = read_header(header, problems)
    if spec is None:
        return content
    definitions = spec.get("inputs")
    if (included := spec.get("include")) is not None:
        definitions = _with_shared(definitions, shared_inputs(included))
    try:
        resolved = resolve_inputs(_plain_or_none(definitions), inputs)
    except InputsError as error:
        for each in error.errors:
            _report_input(each, file, definitions, given_at, problems)
        return None
    if content is None or PREFIX not in file.text:
        return content
    values = Values(
        inputs=resolved, component=_component(spec, file), variables=variables
    )
    return _Interpolation(values, problems).apply(content)


def read_header(header: Mapping, problems: Problems) -> Mapping | None:
    """Return the value of ``spec``, or None where the header is wrong."""
    _check_keys(header, ("spec",), "header config", problems)
    spec = header.get("spec")
    if spec is None or (isinstance(spec, Scalar) and spec.value is None):
        return Mapping(span=header.span)
    if not isinstance(spec, Mapping):
        problems.error("header:spec config should be a hash", spec.span)
        return None
    _check_keys(spec, _SPEC_KEYS, "header:spec config", problems)
    component = spec.get("component")
    if component is not None:
        names = component.items if isinstance(component, Sequence) else ()
        for name in names:
            value = name.value if isinstance(name, Scalar) else None
            if value not in _COMPONENT_KEYS:
                problems.error(
                    "header:spec:component config contains unknown values:"
                    f" {plain(name)}",
                    name.span,
                    hint=did_you_mean(str(value), _COMPONENT_KEYS),
                )
        if not isinstance(component, Sequence):
            problems.error(
                "header:spec:component config should be an array of strings",
                component.span,
            )
    return spec


def _split(documents: tuple[Node, ...]) -> tuple[Mapping | None, Node | None]:
    """Return header and content; a file whose first document has ``spec`` has one.

    Empty documents do not count, nor does what follows the second.
    """
    filled = [
        node
        for node in documents
        if not (isinstance(node, Scalar) and node.value is None)
    ]
    if not filled:
        return None, None
    first = filled[0]
    if isinstance(first, Mapping) and "spec" in first.entries:
        return first, filled[1] if len(filled) > 1 else None
    return None, first


def _check_keys(
    mapping: Mapping, known: tuple[str, ...], subject: str, problems: Problems
) -> None:
    for key, entry in mapping.entries.items():
        if key not in known:
            problems.error(
                f"{subject} contains unknown keys: {key}",
                entry.span,
                hint=did_you_mean(str(key), known),
            )


def _with_shared(own: Node | None, shared: Mapping | None) -> Node | None:
    """Return the inputs of a header over those that it includes."""
    if shared is None:
        return own
    if own is None or not isinstance(own, Mapping):
        return shared
    entries = {**shared.entries, **own.entries}
    return Mapping(MappingProxyType(entries), span=own.span)


def _plain_or_none(node: Node | None) -> Any:  # noqa: ANN401 - any YAML value
    return None if node is None else plain(node)


def _component(spec: Mapping, file: SourceFile) -> dict[str, str | None]:
    """Return what the header asks to know of the component, and nothing else."""
    asked = spec.get("component")
    if file.component is None or not isinstance(asked, Sequence):
        return {}
    names = {name.value for name in asked.items if isinstance(name, Scalar)}
    known = {key: getattr(file.component, key) for key in _COMPONENT_KEYS}
    return {key: value for key, value in known.items() if key in names}


def _report_given(message: str, span: Span | None, problems: Problems) -> None:
    problems.error(message, span, hint="give the file a spec:inputs header")


def _report_input(
    error: InputError,
    file: SourceFile,
    definitions: Node | None,
    given_at: Span | None,
    problems: Problems,
) -> None:
    """Report at the definition of the input, or where it was given."""
    span = given_at
    message = error.message
    if isinstance(definitions, Mapping) and error.name in definitions.entries:
        span = definitions.entries[error.name].span
    if file.included_from and not message.startswith("header:"):
        message = f"`{file.name}`: {message}"
    problems.error(message, span, kind=KeywordError)


class _Interpolation:
    def __init__(self, values: Values, problems: Problems) -> None:
        self._values = values
        self._problems = problems
        self._characters = self._nodes = 0

    def apply(self, node: Node) -> Node:
        """Return a value with the blocks in all its texts and keys replaced."""
        match node:
            case Scalar(str() as text, span):
                if PREFIX not in text:
                    return node
                return self._as_node(self._replace(text, span), span)
            case Sequence(items, span):
                return Sequence(tuple([self.apply(item) for item in items]), span)
            case Mapping():
                entries: dict[str | int | float | bool | None, Entry] = {}
                for key, entry in node.entries.items():
                    name = key
                    if isinstance(key, str) and PREFIX in key:
                        name = _as_key(self._replace(key, entry.span))
                    entries[name] = Entry(name, self.apply(entry.value), entry.span)
                return Mapping(MappingProxyType(entries), span=node.span)
            case Reference():
                return Reference(self.apply(node.argument), node.span)
            case _:
                return node

    def _replace(self, text: str, span: Span) -> Any:  # noqa: ANN401 - any input
        try:
            value = interpolate(text, self._values)
        except InterpolationError as error:
            line = span.file.line(span.line)
            found = line.find(text[error.start : error.end], span.column - 1)
            if found >= 0:
                start = found - span.column + 1
                span = span.shifted(start, start + error.end - error.start)
            message = error.message
            if span.file.included_from:
                message = f"`{span.file.name}`: {message}"
            self._problems.error(message, span)
            return text
        self._count(span, characters=len(value) if isinstance(value, str) else 0)
        return value

    def _as_node(self, value: Any, span: Span) -> Node:  # noqa: ANN401 - any input
        self._count(span, nodes=1)
        if isinstance(value, list):
            return Sequence(tuple([self._as_node(item, span) for item in value]), span)
        if isinstance(value, dict):
            entries = {
                key: Entry(key, self._as_node(item, span), span)
                for key, item in value.items()
            }
            return Mapping(MappingProxyType(entries), span=span)
        return Scalar(value, span)

    def _count(self, span: Span, *, characters: int = 0, nodes: int = 0) -> None:
        """Bound what the inputs become: one may stand in many places."""
        self._characters += characters
        self._nodes += nodes
        if self._characters > MAX_CHARACTERS or self._nodes > MAX_NODES:
            raise YamlError(TOO_BIG, span=span, hint="inputs multiply")


def _as_key(value: Any) -> str | int | float | bool | None:  # noqa: ANN401 - any input
    return str(value) if isinstance(value, list) else value
