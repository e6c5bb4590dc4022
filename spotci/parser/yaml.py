"""YAML text → nodes that know their places, as GitLab's loader reads it.

GitLab loads with Ruby's Psych: YAML 1.1 as libyaml parses it, scalars resolved by
:mod:`spotci.parser.scalars`, the last of duplicate keys wins, and ``<<`` merges at its
own position, so that keys before it are overwritten and keys after it win.

Text is hostile until proven otherwise: size, depth and the number of nodes (each alias
counted with all that it stands for) are bounded while reading.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from spotci.errors import YamlError
from spotci.parser.nodes import Entry, Mapping, Reference, Scalar, Sequence
from spotci.parser.scalars import UnspecifiedClassError, resolve
from spotci.source import Span

if TYPE_CHECKING:
    from spotci.parser.nodes import Node
    from spotci.source import SourceFile

__all__ = ["MAX_DEPTH", "MAX_NODES", "MAX_SIZE", "TOO_BIG", "parse"]

#: Characters of one file.
MAX_SIZE = 2 * 1024 * 1024
#: Collections within collections.
MAX_DEPTH = 100
#: Nodes of one file, those behind aliases counted each time.
MAX_NODES = 1_000_000

#: GitLab's words for a text that breaks one of these bounds.
TOO_BIG = "The parsed YAML is too big"
_REFERENCE = "!reference"
_STRING_TAGS = ("tag:yaml.org,2002:str", "!")
_MERGE = "<<"

_Key: TypeAlias = "str | int | float | bool | None"


def parse(file: SourceFile) -> tuple[Node, ...]:
    """Return the documents of a file; raises YamlError.

    An empty document is a null scalar; a file without any has no documents.
    """
    # Imported here: a command that reads no YAML does not pay for it.
    from _ruamel_yaml import CParser  # noqa: PLC0415 - start-up time
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415 - same

    if len(file.text) > MAX_SIZE:
        hint = f"a file may have {MAX_SIZE // 1024} KiB; split it with include"
        raise YamlError(TOO_BIG, span=None, hint=hint)
    try:
        return _Builder(file).build(CParser(file.text))
    except MarkedYAMLError as error:
        raise _from_libyaml(error, file) from error
    except (YAMLError, UnicodeError) as error:
        raise YamlError(_unreadable(error), span=None) from error


def _from_libyaml(error: Any, file: SourceFile) -> YamlError:  # noqa: ANN401 - untyped
    mark = error.problem_mark or error.context_mark
    problem = " ".join(part for part in (error.problem, error.context) if part)
    if mark is None:
        return YamlError(f"(<unknown>): {problem}", span=None)
    line, column = mark.line + 1, mark.column + 1
    span = Span(file=file, line=line, column=column, end_column=column + 1)
    place = f"at line {line} column {column}"
    return YamlError(
        f"(<unknown>): {problem} {place}", span=span, hint=_advice(file.line(line))
    )


def _unreadable(error: Exception) -> str:
    return f"(<unknown>): {str(error).splitlines()[0]}"


def _advice(line: str) -> str | None:
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent with spaces: YAML does not allow tabs"
    if ": " in line.lstrip().partition(": ")[2] or line.rstrip().endswith("%"):
        return "quote the text: a colon with a space begins a mapping"
    return None


@dataclass(slots=True)
class _Open:
    """A collection that has begun and not ended."""

    span: Span
    anchor: str | None
    reference: bool
    #: None in a sequence.
    entries: dict[_Key, Entry] | None
    items: list[Node] = field(default_factory=list)
    #: Nodes inside, aliases with all that they stand for.
    weight: int = 1
    key: Scalar | None = None


class _Builder:
    """Builds the nodes of one file from the events of libyaml, without recursion."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._open: list[_Open] = []
        self._documents: list[Node] = []
        #: The node of each anchor and its weight; None while it has not ended.
        self._anchors: dict[str, tuple[Node, int] | None] = {}
        self._nodes = 0

    def build(self, parser: Any) -> tuple[Node, ...]:  # noqa: ANN401 - C, untyped
        """Read all events."""
        handlers = {
            "ScalarEvent": self._scalar,
            "MappingStartEvent": self._begin_mapping,
            "SequenceStartEvent": self._begin_sequence,
            "MappingEndEvent": self._end,
            "SequenceEndEvent": self._end,
            "AliasEvent": self._alias,
            "DocumentStartEvent": self._begin_document,
        }
        by_type: dict[type, Any] = {}
        while (event := parser.get_event()) is not None:
            kind = type(event)
            if kind not in by_type:
                by_type[kind] = handlers.get(kind.__name__)
            if (handle := by_type[kind]) is not None:
                handle(event)
        return tuple(self._documents)

    def _begin_document(self, _event: Any) -> None:  # noqa: ANN401 - C, untyped
        self._anchors.clear()

    def _scalar(self, event: Any) -> None:  # noqa: ANN401 - C, untyped
        span, text, tag = self._span(event), event.value, event.tag
        value: str | int | float | bool | None = text
        if not event.style and tag not in _STRING_TAGS:
            try:
                value = resolve(text)
            except UnspecifiedClassError as error:
                hint = f'quote it: "{text}"'
                raise YamlError(str(error), span=span, hint=hint) from error
        node: Node = Scalar(value, span)
        if tag == _REFERENCE:
            node = Reference(node, span)
        self._add(node, 1, event.anchor)

    def _begin_mapping(self, event: Any) -> None:  # noqa: ANN401 - C, untyped
        self._begin(event, {})

    def _begin_sequence(self, event: Any) -> None:  # noqa: ANN401 - C, untyped
        self._begin(event, None)

    def _begin(self, event: Any, entries: dict[_Key, Entry] | None) -> None:  # noqa: ANN401
        span = self._span(event)
        if len(self._open) >= MAX_DEPTH:
            raise YamlError(TOO_BIG, span=span, hint=f"at most {MAX_DEPTH} levels")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open.append(_Open(span, event.anchor, event.tag == _REFERENCE, entries))

    def _end(self, _event: Any) -> None:  # noqa: ANN401 - C, untyped
        ended = self._open.pop()
        node: Node
        if ended.entries is None:
            node = Sequence(tuple(ended.items), ended.span)
        else:
            node = Mapping(MappingProxyType(ended.entries), span=ended.span)
        if ended.reference:
            node = Reference(node, ended.span)
        self._add(node, ended.weight, ended.anchor)

    def _alias(self, event: Any) -> None:  # noqa: ANN401 - C, untyped
        span = self._span(event)
        if event.anchor not in self._anchors:
            raise YamlError(f"Unknown alias: {event.anchor}", span=span)
        target = self._anchors[event.anchor]
        if target is None:
            hint = f"the alias *{event.anchor} stands inside its own anchor"
            raise YamlError(TOO_BIG, span=span, hint=hint)
        node, weight = target
        self._nodes += weight - 1
        self._add(node, weight, None, alias=True)

    def _add(
        self, node: Node, weight: int, anchor: str | None, *, alias: bool = False
    ) -> None:
        """Put a finished node where it belongs."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            hint = "aliases multiply what they stand for"
            raise YamlError(TOO_BIG, span=node.span, hint=hint)
        if anchor is not None:
            self._anchors[anchor] = (node, weight)
        if not self._open:
            self._documents.append(node)
            return
        parent = self._open[-1]
        parent.weight += weight
        if parent.entries is None:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = self._as_key(node)
        else:
            key, parent.key = parent.key, None
            if key.value == _MERGE and _merge(parent.entries, node, alias=alias):
                return
            parent.entries[key.value] = Entry(key.value, node, key.span)

    def _as_key(self, node: Node) -> Scalar:
        if isinstance(node, Scalar):
            return node
        raise YamlError(
            "a key must be a text, a number or a boolean",
            span=node.span,
            hint="quote a text that begins with [, { or !",
        )

    def _span(self, event: Any) -> Span:  # noqa: ANN401 - C, untyped
        start, end = event.start_mark, event.end_mark
        line, column = start.line + 1, start.column + 1
        if end.line == start.line:
            end_column = max(end.column + 1, column + 1)
        else:
            end_column = max(len(self._file.line(line)) + 1, column + 1)
        return Span(file=self._file, line=line, column=column, end_column=end_column)


def _merge(entries: dict[_Key, Entry], value: Node, *, alias: bool) -> bool:
    """Merge what stands behind ``<<``; False where it cannot be merged.

    In a list earlier maps win over later ones. As in Psych, an alias of a list is not
    taken for a list of aliases.
    """
    if isinstance(value, Mapping):
        entries.update(value.entries)
        return True
    if alias or not isinstance(value, Sequence):
        return False
    maps = [item for item in value.items if isinstance(item, Mapping)]
    if len(maps) != len(value.items):
        return False
    for item in reversed(maps):
        entries.update(item.entries)
    return True
