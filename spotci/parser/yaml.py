"""YAML text → nodes that know their places, as GitLab's loader reads it.

GitLab loads with Ruby's Psych: YAML 1.1 as libyaml parses it, scalars resolved by
:mod:`spotci.parser.scalars`, the last of duplicate keys wins, and ``<<`` merges at its
own position, so that keys before it are overwritten and keys after it win.

The libyaml that comes with ruamel.yaml is older than Psych's and refuses ``:`` and
``?`` inside a plain text between brackets, as in ``[redis:7]``. A text that it refuses
is read once more, with other characters in the place of these.

Text is hostile until proven otherwise: size, depth and the number of nodes (each alias
counted with all that it stands for) are bounded while reading.
"""

from __future__ import annotations

import re
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from spotci.dataclass import dataclass
from spotci.errors import YamlError
from spotci.parser.nodes import Entry, Mapping, Reference, Scalar, Sequence
from spotci.parser.scalars import UnspecifiedClassError, resolve, resolve_tagged
from spotci.source import Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from spotci.parser.nodes import Node
    from spotci.source import SourceFile

__all__ = ["MAX_DEPTH", "MAX_DOCUMENTS", "MAX_NODES", "MAX_SIZE", "TOO_BIG", "parse"]

#: Characters of one file.
MAX_SIZE = 2 * 1024 * 1024
#: Collections within collections.
MAX_DEPTH = 100
#: Nodes of one file, those behind aliases counted each time. GitLab bounds the memory
#: of what it has read by 2 MiB, where each text takes 40 bytes: it takes fewer.
MAX_NODES = 500_000
#: Documents of one file, of which GitLab reads two.
MAX_DOCUMENTS = 100

#: GitLab's words for a text that breaks one of these bounds.
TOO_BIG = "The parsed YAML is too big"
#: A ``:`` or ``?`` that Psych takes for a part of the text around it; directives and
#: tags are skipped.
_INNER_SIGN = re.compile(
    r"""^%.* | (?<![^\s\[{,])!\S*
    | (?<=[^\s"'\[\]{},])(?P<sign>:(?=[^\s,?\[\]{}]) | \?)""",
    re.MULTILINE | re.VERBOSE,
)
#: The private use area of Unicode, where the characters for them come from.
_PRIVATE = range(0xE000, 0xF8FF)
_REFERENCE = "!reference"
_MERGE = "<<"

#: Write the fields of a new span past the guard of its frozen class. Its ``__init__``
#: takes three times as long, and a span for each node is a third of what reading costs.
_SET_FILE, _SET_LINE, _SET_COLUMN, _SET_END_COLUMN = (
    getattr(Span, name).__set__ for name in ("file", "line", "column", "end_column")
)

_Key: TypeAlias = "str | int | float | bool | None"


def parse(
    file: SourceFile, on_repeated: Callable[[Scalar], None] | None = None
) -> tuple[Node, ...]:
    """Return the documents of a file; raises YamlError.

    An empty document is a null scalar; a file without any has no documents.
    ``on_repeated`` hears of keys that stand in their map already: the last one wins.
    """
    # Imported here: a command that reads no YAML does not pay for it.
    from _ruamel_yaml import CParser  # noqa: PLC0415 - start-up time
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415 - same

    if len(file.text) > MAX_SIZE:
        hint = f"a file may have {MAX_SIZE // 1024} KiB; split it with include"
        raise YamlError(TOO_BIG, span=None, hint=hint)
    try:
        try:
            return _Builder(file, on_repeated).build(CParser(file.text))
        except MarkedYAMLError:
            text, signs = _without_inner_signs(file.text)
            if not signs:
                raise
            return _Builder(file, on_repeated, signs).build(CParser(text))
    except MarkedYAMLError as error:
        raise _from_libyaml(error, file) from error
    except (YAMLError, UnicodeError) as error:
        raise _unreadable(error, file) from error


def _without_inner_signs(text: str) -> tuple[str, dict[int, str]]:
    """Return the text with stand-ins for the inner signs, and what they stand for.

    Each is one character, so that every place stays what it is.
    """
    free = (chr(code) for code in _PRIVATE if chr(code) not in text)
    stand_ins = dict(zip(":?", free, strict=False))

    def replace(match: re.Match[str]) -> str:
        sign = match["sign"]
        return match[0] if sign is None else stand_ins.get(sign, sign)

    replaced = _INNER_SIGN.sub(replace, text)
    if replaced == text:
        return text, {}
    return replaced, {ord(stand_in): sign for sign, stand_in in stand_ins.items()}


def _from_libyaml(error: Any, file: SourceFile) -> YamlError:  # noqa: ANN401 - untyped
    """Return an error in the words of Psych, which names the place of the context.

    The span is the place of the problem itself: it is where to look.
    """
    words = " ".join(part for part in (error.problem, error.context) if part)
    context = error.context_mark or error.problem_mark
    problem = error.problem_mark or error.context_mark
    if problem is None:
        return YamlError(f"(<unknown>): {words}", span=None)
    return YamlError(
        f"(<unknown>): {words} at line {context.line + 1} column {context.column + 1}",
        span=_point(file, problem.line, problem.column),
        hint=_advice(file.line(problem.line + 1)),
    )


def _unreadable(error: Any, file: SourceFile) -> YamlError:  # noqa: ANN401 - untyped
    """Return an error about a character that is not allowed; Psych names no place."""
    if isinstance(error, UnicodeError):
        start = getattr(error, "start", 0)
        reason = "the text is not valid Unicode"
    else:
        # libyaml counts bytes.
        before = file.text.encode()[: error.position]
        start, reason = len(before.decode(errors="ignore")), error.reason
    lines = file.text[:start].split("\n")
    span = _point(file, len(lines) - 1, len(lines[-1]))
    return YamlError(f"(<unknown>): {reason} at line 1 column 1", span=span)


def _point(file: SourceFile, line: int, column: int) -> Span:
    """Return the place of one character; libyaml counts from 0."""
    return Span(file=file, line=line + 1, column=column + 1, end_column=column + 2)


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
    #: Whether ``<<`` has put entries here, which others may well replace.
    merged: bool = False


class _Builder:
    """Builds the nodes of one file from the events of libyaml, without recursion."""

    def __init__(
        self,
        file: SourceFile,
        on_repeated: Callable[[Scalar], None] | None,
        signs: dict[int, str] | None = None,
    ) -> None:
        self._file = file
        self._on_repeated = on_repeated
        #: What characters of the text stand for.
        self._signs = signs
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
        get_event = parser.get_event
        while (event := get_event()) is not None:
            kind = type(event)
            if kind not in by_type:
                by_type[kind] = handlers.get(kind.__name__)
            if (handle := by_type[kind]) is not None:
                handle(event)
        return tuple(self._documents)

    def _begin_document(self, event: Any) -> None:  # noqa: ANN401 - C, untyped
        if len(self._documents) >= MAX_DOCUMENTS:
            hint = f"at most {MAX_DOCUMENTS} documents"
            raise YamlError(TOO_BIG, span=self._span(event), hint=hint)
        self._anchors.clear()

    def _scalar(self, event: Any) -> None:  # noqa: ANN401 - C, untyped
        span, text = self._span(event), event.value
        if self._signs is not None:
            text = text.translate(self._signs)
        plain, quoted = event.implicit
        if quoted:
            self._add(Scalar(text, span), 1, event.anchor)
            return
        tag = None if plain else event.tag
        try:
            value = resolve(text) if tag is None else resolve_tagged(text, tag)
        except UnspecifiedClassError as error:
            hint = f'quote it: "{text}"' if tag is None else None
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
        span, anchor = self._span(event), event.anchor
        if len(self._open) >= MAX_DEPTH:
            raise YamlError(TOO_BIG, span=span, hint=f"at most {MAX_DEPTH} levels")
        if anchor is not None:
            self._anchors[anchor] = None
        reference = not event.implicit and event.tag == _REFERENCE
        self._open.append(_Open(span, anchor, reference, entries))

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
        span, anchor = self._span(event), event.anchor
        if anchor not in self._anchors:
            raise YamlError(f"Unknown alias: {anchor}", span=span)
        target = self._anchors[anchor]
        if target is None:
            hint = f"the alias *{anchor} stands inside its own anchor"
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
            parent.key = _as_key(node)
        else:
            key, parent.key = parent.key, None
            if key.value == _MERGE and self._merge(parent, node, alias=alias):
                parent.merged = True
                return
            if key.value in parent.entries and not parent.merged and self._on_repeated:
                self._on_repeated(key)
            parent.entries[key.value] = Entry(key.value, node, key.span)

    def _merge(self, into: _Open, value: Node, *, alias: bool) -> bool:
        """Merge what stands behind ``<<``; False where it cannot be merged.

        In a list earlier maps win over later ones. As in Psych, an alias of a list is
        not taken for a list of aliases.
        """
        if isinstance(value, Mapping):
            maps = [value]
        elif alias or not isinstance(value, Sequence):
            return False
        else:
            maps = [item for item in value.items if isinstance(item, Mapping)]
            if len(maps) != len(value.items):
                return False
        entries = into.entries
        assert entries is not None  # noqa: S101 - only maps are merged into
        for each in reversed(maps):
            entries.update(each.entries)
        return True

    def _span(self, event: Any) -> Span:  # noqa: ANN401 - C, untyped
        start, end = event.start_mark, event.end_mark
        row, column = start.line, start.column + 1
        if end.line == row:
            end_column = end.column + 1
        else:
            end_column = len(self._file.line(row + 1)) + 1
        span = object.__new__(Span)
        _SET_FILE(span, self._file)
        _SET_LINE(span, row + 1)
        _SET_COLUMN(span, column)
        _SET_END_COLUMN(span, end_column if end_column > column else column + 1)
        return span


def _as_key(node: Node) -> Scalar:
    if isinstance(node, Scalar):
        return node
    raise YamlError(
        "a key must be a text, a number or a boolean",
        span=node.span,
        hint="quote a text that begins with [, { or !",
    )
