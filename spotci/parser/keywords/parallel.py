"""``parallel`` and ``parallel:matrix``, of jobs and of ``needs``.

GitLab: ``Entry::Product::Parallel``, ``Matrix`` and ``Variables``.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from spotci.parser.keywords.decoding import (
    given,
    is_blank,
    number_in_range,
    required_keys,
    ruby_text,
    unknown_keys,
)
from spotci.parser.model import MatrixEntry, ParallelConfig
from spotci.parser.nodes import Mapping, Scalar, Sequence

if TYPE_CHECKING:
    from spotci.parser.nodes import Entry, Node
    from spotci.parser.problems import Problems

__all__ = ["PARALLEL_LIMIT", "decode_parallel"]

#: How many jobs one ``parallel`` may make.
PARALLEL_LIMIT = 200


def decode_parallel(
    node: Node, place: str, problems: Problems, *, matrix_only: bool = False
) -> ParallelConfig | None:
    """Return a count or a matrix; with ``matrix_only`` (bridges) no count."""
    if isinstance(node, Mapping):
        return _matrix(node, place, problems)
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        problems.error(f"{place} should be an integer or a hash", node.span)
        return None
    if matrix_only:
        problems.error(f'{place} config cannot use "parallel: <number>".', node.span)
        return None
    count = number_in_range(
        node, f"{place} config", problems, low=1, high=PARALLEL_LIMIT
    )
    return None if count is None else ParallelConfig(count=count)


def _matrix(node: Mapping, place: str, problems: Problems) -> ParallelConfig | None:
    unknown_keys(node, {"matrix"}, place, problems)
    if not required_keys(node, ("matrix",), place, problems):
        return None
    matrix, place = given(node, "matrix"), f"{place}:matrix"
    if matrix is None:
        return None
    items = matrix.items if isinstance(matrix, Sequence) else ()
    maps = [item for item in items if isinstance(item, Mapping)]
    if not isinstance(matrix, Sequence) or len(maps) < len(items):
        problems.error(f"{place} config should be an array of hashes", matrix.span)
        return None
    decoded = (_entry(item, f"{place}:variables", problems) for item in maps)
    entries = tuple(entry for entry in decoded if entry is not None)
    total = sum(prod(len(values) for _, values in entry.variables) for entry in entries)
    if total > PARALLEL_LIMIT:
        problems.error(
            f"{place} config generates too many jobs (maximum is {PARALLEL_LIMIT})",
            matrix.span,
            hint=f"it generates {total}",
        )
        return None
    return ParallelConfig(matrix=entries)


def _entry(node: Mapping, place: str, problems: Problems) -> MatrixEntry | None:
    if not node.entries:
        problems.error(f"{place} config requires at least 1 items", node.span)
        return None
    variables: list[tuple[str, tuple[str, ...]]] = []
    for entry in node.entries.values():
        values = _values(entry)
        if values is None:
            problems.error(
                f"{place} config should be a hash of key value pairs,"
                " value can be an array",
                entry.value.span,
                hint="the values are texts or integers; quote numbers with a point"
                " and true and false",
            )
            return None
        variables.append((ruby_text(entry.key), values))
    return MatrixEntry(variables=tuple(variables), span=node.span)


def _values(entry: Entry) -> tuple[str, ...] | None:
    """Return the values of one variable as texts, or None where they are wrong."""
    node = entry.value
    members = node.items if isinstance(node, Sequence) else (node,)
    if not _is_alphanumeric(entry.key) or is_blank(node):
        return None
    texts: list[str] = []
    for member in members:
        if not isinstance(member, Scalar) or not _is_alphanumeric(member.value):
            return None
        texts.append(ruby_text(member.value))
    return tuple(texts)


def _is_alphanumeric(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)
