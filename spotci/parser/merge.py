"""Merges maps: of files, and of jobs by ``extends``.

GitLab's deep merge: two maps are merged key by key; in every other case (list, text,
null, different types) the later value replaces the earlier one as a whole. Nodes are
immutable and shared, so every value keeps the place that it came from.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import KeywordError, YamlError
from spotci.parser.nodes import Entry, Mapping, Scalar, Sequence
from spotci.parser.problems import did_you_mean
from spotci.parser.yaml import TOO_BIG

if TYPE_CHECKING:
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["MAX_EXTENDS", "deep_merge", "extend_all", "without"]

#: Bases above a job, in a chain of ``extends``.
MAX_EXTENDS = 10
_EXTENDS = "extends"
#: Entries that ``extends`` may copy in all: each job has maps of its own.
MAX_COPIES = 2_000_000
#: Unknown bases that get a hint.
_HINTS = 20
#: Where a chain is followed no further: it has been too deep for long.
_DEEPEST = 4 * MAX_EXTENDS


@dataclass(slots=True)
class _Budget:
    """How many entries may still be copied."""

    left: int = MAX_COPIES

    def take(self, entries: int, node: Node) -> None:
        self.left -= entries
        if self.left < 0:
            hint = "jobs with large maps extend each other"
            raise YamlError(TOO_BIG, span=node.span, hint=hint)


def deep_merge(base: Mapping, over: Mapping, budget: _Budget | None = None) -> Mapping:
    """Return ``over`` merged on top of ``base``.

    Raises YamlError where that takes more than the budget, if there is one.
    """
    if not base.entries:
        return over
    if not over.entries:
        return base
    if budget is not None:
        budget.take(len(base.entries) + len(over.entries), over)
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        below = entries.get(key)
        if (
            below is not None
            and isinstance(entry.value, Mapping)
            and isinstance(below.value, Mapping)
        ):
            merged = deep_merge(below.value, entry.value, budget)
            entries[key] = Entry(key, merged, entry.span)
        else:
            entries[key] = entry
    return Mapping(MappingProxyType(entries), span=over.span)


def without(mapping: Mapping, key: str) -> Mapping:
    """Return a map without one of its keys."""
    if key not in mapping.entries:
        return mapping
    entries = {name: entry for name, entry in mapping.entries.items() if name != key}
    return replace(mapping, entries=MappingProxyType(entries))


def extend_all(root: Mapping, problems: Problems, *, complete: bool = True) -> Mapping:
    """Return the root with ``extends`` applied to every map at the top level.

    What cannot be extended is reported and left as it is; unknown bases only where the
    root is ``complete``, for a file that could not be read may have them. Raises
    YamlError where the result is too big.
    """
    extension = _Extension(root, problems, complete=complete)
    entries = dict(root.entries)
    for key, entry in root.entries.items():
        if isinstance(entry.value, Mapping) and _EXTENDS in entry.value.entries:
            extended = extension.extend(str(key), entry.value)
            entries[key] = Entry(key, extended, entry.span)
    return replace(root, entries=MappingProxyType(entries))


class _Extension:
    """Extends jobs, each once, however many jobs have it as a base."""

    def __init__(self, root: Mapping, problems: Problems, *, complete: bool) -> None:
        self._root = root
        self._complete = complete
        self._budget = _Budget()
        self._hints = _HINTS
        self._problems = problems
        self._done: dict[str, Mapping] = {}
        #: Length of the longest chain of bases above each job.
        self._depth: dict[str, int] = {}

    def extend(self, name: str, job: Mapping, below: tuple[str, ...] = ()) -> Mapping:
        """Return a job merged over its bases; ``below`` are the jobs that led here."""
        if name in self._done:
            return self._done[name]
        bases = self._bases(name, job)
        merged = Mapping(span=job.span)
        depth = 0
        for base, value, node in bases:
            if base in (name, *below):
                # GitLab names the job that it meets for the second time.
                self._error(
                    base, "circular dependency detected in `extends`", node,
                    hint=" extends ".join((*below, name, base)),
                )  # fmt: skip
                continue
            if len(below) > _DEEPEST:
                depth = MAX_EXTENDS
            elif _EXTENDS in value.entries:
                value = self.extend(base, value, (*below, name))  # noqa: PLW2901
            depth = max(depth, 1 + self._depth.get(base, 0))
            merged = deep_merge(merged, value, self._budget)
        if depth > MAX_EXTENDS:
            hint = f"a chain of extends has at most {MAX_EXTENDS + 1} jobs"
            self._error(
                name, "nesting too deep in `extends`", job.get(_EXTENDS), hint=hint
            )
        self._depth[name] = depth
        self._done[name] = deep_merge(merged, job, self._budget)
        return self._done[name]

    def _bases(self, name: str, job: Mapping) -> list[tuple[str, Mapping, Node]]:
        """Return the bases that can be merged; report the others."""
        bases: list[tuple[str, Mapping, Node]] = []
        unknown: list[tuple[str, Node]] = []
        invalid: list[tuple[str, Node]] = []
        for node in _listed(job.get(_EXTENDS)):
            base = _name(node)
            is_text = isinstance(node, Scalar) and isinstance(node.value, str)
            value = self._root.get(base) if is_text else None
            if value is None:
                unknown.append((base, node))
            elif isinstance(value, Mapping):
                bases.append((base, value, node))
            else:
                invalid.append((base, node))
        if unknown and self._complete:
            names = ", ".join(base for base, _ in unknown)
            base, node = unknown[0]
            self._error(
                name,
                f"unknown keys in `extends` ({names})",
                node,
                hint=self._closest(base, name),
            )
        if invalid:
            names = ", ".join(base for base, _ in invalid)
            self._error(
                name, f"invalid base hashes in `extends` ({names})", invalid[0][1]
            )
        return bases

    def _closest(self, base: str, name: str) -> str | None:
        if self._hints == 0:
            return None
        self._hints -= 1
        known = (key for key in self._root.entries if isinstance(key, str))
        return did_you_mean(base, (key for key in known if key != name))

    def _error(
        self, name: str, message: str, node: Node | None, *, hint: str | None = None
    ) -> None:
        span = None if node is None else node.span
        self._problems.error(f"{name}: {message}", span, hint=hint, kind=KeywordError)


def _listed(node: Node | None) -> tuple[Node, ...]:
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return ()
    return node.items if isinstance(node, Sequence) else (node,)


def _name(node: Node) -> str:
    """Return the name of a base, also where it is no text; then none is found."""
    return str(node.value) if isinstance(node, Scalar) else type(node).__name__.lower()
