"""``needs`` of jobs, trigger jobs and rules, and ``dependencies``.

An entry is one of five kinds, told apart by its keys; where it stands decides which
kinds are allowed. GitLab: ``Entry::Needs`` and ``Entry::Need``, with those of its paid
editions.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.parser.keywords.decoding import (
    boolean,
    flattened,
    given,
    is_blank,
    one_string,
    unknown_keys,
)
from spotci.parser.keywords.parallel import decode_parallel
from spotci.parser.model import NeedConfig
from spotci.parser.nodes import Mapping, Scalar, Sequence
from spotci.pipeline import CrossNeed

if TYPE_CHECKING:
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["Needs", "NeedsOf", "decode_needs"]

_CROSS_PIPELINE_LIMIT = 5


class _Kind(StrEnum):
    """The kinds of an entry, as GitLab names them."""

    JOB = "job"
    CROSS_DEPENDENCY = "cross_dependency"
    BRIDGE = "bridge"


class NeedsOf(Enum):
    """Where ``needs`` stands; the value is the kinds that are allowed there."""

    JOB = (_Kind.JOB, _Kind.CROSS_DEPENDENCY)
    BRIDGE = (_Kind.JOB, _Kind.BRIDGE)
    RULE = (_Kind.JOB,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The entries by kind; ``upstream`` are the projects of ``needs:pipeline``."""

    jobs: tuple[NeedConfig, ...] = ()
    cross: tuple[CrossNeed, ...] = ()
    upstream: tuple[str, ...] = ()


def decode_needs(
    node: Node, place: str, problems: Problems, *, of: NeedsOf
) -> Needs | None:
    """Return the entries of ``needs``; None means that the value is no list of them."""
    items = _items(node, place, problems)
    if items is None:
        return None
    jobs: list[NeedConfig] = []
    cross: list[CrossNeed] = []
    upstream: list[str] = []
    kinds: list[_Kind] = []
    for item in items:
        kind, need = _need(item, f"{place}:need", problems)
        if kind is not None and kind not in kinds:
            kinds.append(kind)
        if isinstance(need, NeedConfig):
            jobs.append(need)
        elif isinstance(need, CrossNeed):
            cross.append(need)
        elif need is not None:
            upstream.append(need)
    extra = [kind for kind in kinds if kind not in of.value]
    if extra:
        problems.error(
            f"{place} config uses invalid types: {', '.join(extra)}", node.span
        )
    if sum(need.pipeline is not None for need in cross) > _CROSS_PIPELINE_LIMIT:
        problems.error(
            f"{place} config must be less than or equal to {_CROSS_PIPELINE_LIMIT}",
            node.span,
            hint="these are the needs on other pipelines",
        )
    return Needs(jobs=tuple(jobs), cross=tuple(cross), upstream=tuple(upstream))


def _items(node: Node, place: str, problems: Problems) -> list[Node] | None:
    match node:
        case Sequence():
            items = list(flattened(node))
        case Mapping(entries) if entries:
            items = [node]
        case Mapping():
            problems.error(f"{place} config can not be an empty hash", node.span)
            return None
        case _:
            text = node.value if isinstance(node, Scalar) else None
            problems.error(
                f"{place} config can only be a hash or an array",
                node.span,
                hint=f"write it as a list: [{text}]" if isinstance(text, str) else None,
            )
            return None
    if any(map(_has_count, items)):
        problems.error(f'{place} config cannot use "parallel: <number>".', node.span)
    return items


def _has_count(node: Node) -> bool:
    parallel = given(node, "parallel") if isinstance(node, Mapping) else None
    return (
        isinstance(parallel, Scalar)
        and isinstance(parallel.value, int | float)
        and not isinstance(parallel.value, bool)
    )


def _need(
    node: Node, place: str, problems: Problems
) -> tuple[_Kind | None, NeedConfig | CrossNeed | str | None]:
    """Return the kind of an entry and, where it is right, its value."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        if is_blank(node):
            problems.error(f"{place} config can't be blank", node.span)
            return _Kind.JOB, None
        return _Kind.JOB, NeedConfig(job=node.value, span=node.span)
    if not isinstance(node, Mapping):
        problems.error(f"{place} has an unsupported type", node.span)
        return None, None
    keys = node.entries
    if "project" in keys:
        return _Kind.CROSS_DEPENDENCY, _project(node, place, problems)
    if "pipeline" in keys and "job" in keys:
        return _Kind.CROSS_DEPENDENCY, _pipeline(node, place, problems)
    if "job" in keys and "ref" not in keys:
        return _Kind.JOB, _job(node, place, problems)
    if "job" in keys:
        return _Kind.CROSS_DEPENDENCY, _project(node, place, problems)
    if "pipeline" in keys:
        unknown_keys(node, {"pipeline"}, place, problems)
        return _Kind.BRIDGE, one_string(node, "pipeline", place, problems)
    problems.error(
        f"{place} has an unsupported type",
        node.span,
        hint='an entry names the job that it needs: "job: NAME"',
    )
    return None, None


def _job(node: Mapping, place: str, problems: Problems) -> NeedConfig | None:
    unknown_keys(node, {"job", "artifacts", "optional", "parallel"}, place, problems)
    job = one_string(node, "job", place, problems)
    artifacts = _switch(node, "artifacts", place, problems, default=True)
    optional = _switch(node, "optional", place, problems, default=False)
    parallel = given(node, "parallel")
    selected = None
    if parallel is not None and not _has_count(node):
        selected = decode_parallel(parallel, f"{place}:parallel", problems)
    if job is None:
        return None
    return NeedConfig(
        job=job,
        artifacts=artifacts,
        optional=optional,
        matrix=() if selected is None else selected.matrix,
        span=node.entries["job"].value.span,
    )


def _pipeline(node: Mapping, place: str, problems: Problems) -> CrossNeed | None:
    unknown_keys(node, {"pipeline", "job", "artifacts"}, place, problems)
    pipeline = one_string(node, "pipeline", place, problems)
    job = one_string(node, "job", place, problems)
    artifacts = _switch(node, "artifacts", place, problems, default=True)
    if pipeline is None or job is None:
        return None
    return CrossNeed(job=job, pipeline=pipeline, artifacts=artifacts)


def _project(node: Mapping, place: str, problems: Problems) -> CrossNeed | None:
    unknown_keys(node, {"project", "ref", "job", "artifacts"}, place, problems)
    project = one_string(node, "project", place, problems)
    ref = one_string(node, "ref", place, problems)
    job = one_string(node, "job", place, problems)
    artifacts = _switch(node, "artifacts", place, problems, default=True)
    if project is None or ref is None or job is None:
        return None
    return CrossNeed(job=job, project=project, ref=ref, artifacts=artifacts)


def _switch(
    node: Mapping, key: str, place: str, problems: Problems, *, default: bool
) -> bool:
    value = given(node, key)
    if value is None:
        return default
    decoded = boolean(value, f"{place} {key}", problems)
    return default if decoded is None else decoded
