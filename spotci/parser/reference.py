"""``!reference [job, keyword, …]``: values of other jobs, looked up after ``extends``.

See "Use the !reference tag" in GitLab's documentation of YAML optimization.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.errors import YamlError
from spotci.parser.nodes import Entry, Mapping, Reference, Scalar, Sequence
from spotci.parser.problems import did_you_mean
from spotci.parser.yaml import MAX_DEPTH, TOO_BIG

if TYPE_CHECKING:
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["contains_reference", "resolve_references"]


#: Nodes of the whole configuration, each counted as often as it stands there.
MAX_NODES = 1_000_000
#: References that are not found and get a hint.
_HINTS = 20


def resolve_references(
    root: Mapping, problems: Problems, *, complete: bool = True
) -> Mapping:
    """Return the root with every reference replaced by what it points at.

    A reference that cannot be resolved is reported once for its place, and becomes
    null; one that is not found only where the root is ``complete``. Raises YamlError
    where the result is too big: references multiply.
    """
    try:
        resolved = _Resolver(root, problems, complete=complete).resolve(root)
    except RecursionError as error:
        raise YamlError(TOO_BIG, span=None, hint="references nest too deep") from error
    assert isinstance(resolved, Mapping)  # noqa: S101 - a map stays one
    if resolved is not root:
        _check_size(resolved)
    return resolved


def _check_size(root: Mapping) -> None:
    """Count nodes as often as they stand there, each distinct one visited once."""
    sizes: dict[int, tuple[int, int]] = {}
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, visited = stack.pop()
        if id(node) in sizes:
            continue
        inside = _children(node)
        if inside and not visited:
            stack.append((node, True))
            stack += [(child, False) for child in inside]
            continue
        nodes = 1 + sum(sizes[id(child)][0] for child in inside)
        depth = 1 + max((sizes[id(child)][1] for child in inside), default=0)
        sizes[id(node)] = nodes, depth
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise YamlError(TOO_BIG, span=node.span, hint="references multiply")


def _children(node: Node) -> list[Node]:
    if isinstance(node, Mapping):
        return [entry.value for entry in node.entries.values()]
    return list(node.items) if isinstance(node, Sequence) else []


def contains_reference(node: Node) -> bool:
    """Return whether there is a reference anywhere in a value."""
    if isinstance(node, Mapping):
        return any(contains_reference(entry.value) for entry in node.entries.values())
    if isinstance(node, Sequence):
        return any(map(contains_reference, node.items))
    return isinstance(node, Reference)


class _Resolver:
    def __init__(self, root: Mapping, problems: Problems, *, complete: bool) -> None:
        self._root = root
        self._complete = complete
        self._hints = _HINTS
        self._problems = problems
        self._done: dict[tuple[str, ...], Node] = {}
        #: Paths under way, in the order in which they were reached.
        self._chain: dict[tuple[str, ...], None] = {}
        self._reported: set[tuple[str, str, int, int]] = set()

    def resolve(self, node: Node) -> Node:
        """Return a value without references; the value itself where it has none."""
        if isinstance(node, Scalar):
            return node
        if isinstance(node, Sequence):
            items = tuple([self.resolve(item) for item in node.items])
            same = all(new is old for new, old in zip(items, node.items, strict=True))
            return node if same else Sequence(items, node.span)
        if isinstance(node, Mapping):
            return self._resolve_map(node)
        return self._look_up(node)

    def _resolve_map(self, node: Mapping) -> Mapping:
        entries = None
        for key, entry in node.entries.items():
            value = self.resolve(entry.value)
            if value is not entry.value:
                entries = dict(node.entries) if entries is None else entries
                entries[key] = Entry(key, value, entry.span)
        if entries is None:
            return node
        return Mapping(MappingProxyType(entries), span=node.span)

    def _look_up(self, reference: Reference) -> Node:
        path = _path(reference.argument)
        if path is None:
            return self._fail(reference, "is not valid", _EXAMPLE)
        if path in self._chain:
            chain = [*list(self._chain)[list(self._chain).index(path) :], path]
            hint = " → ".join(" ".join(step) for step in chain)
            return self._fail(reference, "is part of a circular chain", hint)
        if path in self._done:
            return self._done[path]
        target = self._dig(path)
        if target is None:
            if not self._complete:
                return Scalar(None, reference.span)
            return self._fail(reference, "could not be found", self._closest(path))
        self._chain[path] = None
        try:
            found = self.resolve(target)
        finally:
            del self._chain[path]
        # Kept even where a circle has cut it short: the error has been told, and to
        # look again would take time that grows exponentially with the chain.
        self._done[path] = found
        return found

    def _dig(self, path: tuple[str, ...]) -> Node | None:
        node: Node | None = self._root
        for key in path:
            if not isinstance(node, Mapping):
                return None
            node = node.get(key)
        # GitLab asks Ruby whether there is a value: false is none to it, either.
        nothing = isinstance(node, Scalar) and (
            node.value is None or node.value is False
        )
        return None if nothing else node

    def _closest(self, path: tuple[str, ...]) -> str | None:
        node: Node | None = self._root
        for key in path:
            if not isinstance(node, Mapping):
                return None
            if key not in node.entries:
                if self._hints == 0:
                    return None
                self._hints -= 1
                known = [name for name in node.entries if isinstance(name, str)]
                return did_you_mean(key, known)
            node = node.get(key)
        if isinstance(node, Scalar) and node.value is False:
            return "GitLab takes false for nothing: write it where it is needed"
        return None

    def _fail(self, reference: Reference, what: str, hint: str | None) -> Node:
        span = reference.span
        place = (what, span.file.name, span.line, span.column)
        if place not in self._reported:
            self._reported.add(place)
            self._problems.error(
                f"!reference {_inspect(reference.argument)} {what}",
                span,
                hint=hint,
                kind=YamlError,
            )
        return Scalar(None, span)


_EXAMPLE = "write !reference [job, keyword]"


def _path(argument: Node) -> tuple[str, ...] | None:
    """Return the keys to follow, or None where they are not a list of texts."""
    if not isinstance(argument, Sequence) or not argument.items:
        return None
    keys = [item.value for item in argument.items if isinstance(item, Scalar)]
    texts = tuple(key for key in keys if isinstance(key, str))
    return texts if len(texts) == len(argument.items) else None


def _inspect(node: Node) -> str:
    """Return a value as Ruby shows it."""
    match node:
        case Scalar(None):
            return "nil"
        case Scalar(value):
            return json.dumps(value, ensure_ascii=False)
        case Sequence(items):
            return f"[{', '.join(map(_inspect, items))}]"
        case Mapping():
            pairs = (
                f"{json.dumps(str(key), ensure_ascii=False)}=>{_inspect(entry.value)}"
                for key, entry in node.entries.items()
            )
            return "{" + ", ".join(pairs) + "}"
        case Reference():
            return f"!reference {_inspect(node.argument)}"
