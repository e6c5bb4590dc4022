"""``default``, its older forms at the root, and ``inherit``.

A job takes whole keywords from ``default``: those that it does not write, or writes as
null. GitLab: ``Entry::Default`` and ``Entry::Inherit``.
"""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spotci.dataclass import dataclass
from spotci.parser.keywords.artifacts import decode_artifacts
from spotci.parser.keywords.cache import decode_caches
from spotci.parser.keywords.decoding import (
    boolean,
    duration,
    given,
    hash_of,
    nested,
    seconds_of,
    strings,
    unknown_keys,
)
from spotci.parser.keywords.image import decode_image, decode_services
from spotci.parser.keywords.retry import decode_retry
from spotci.parser.keywords.script import decode_commands, decode_hooks
from spotci.parser.keywords.secrets import decode_id_tokens, decode_identity
from spotci.parser.nodes import Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as MappingType
    from datetime import timedelta

    from spotci.parser.nodes import Mapping, Node
    from spotci.parser.problems import Problems
    from spotci.source import Span

__all__ = [
    "INHERITABLE",
    "ROOT_DEFAULTS",
    "Defaults",
    "Inherit",
    "decode_defaults",
    "decode_inherit",
]

#: The longest ``timeout``, one month, in seconds.
_TIMEOUT_LIMIT = 2_629_746
_TAGS_LIMIT = 50


def _timeout(node: Node, place: str, problems: Problems) -> timedelta | None:
    text = duration(node, f"{place} config", problems, limit=_TIMEOUT_LIMIT)
    return None if text is None else seconds_of(text)


def _interruptible(node: Node, place: str, problems: Problems) -> bool | None:
    return boolean(node, f"{place} config", problems)


def _tags(node: Node, place: str, problems: Problems) -> tuple[str, ...] | None:
    tags = strings(node, f"{place} config", problems)
    if tags is not None and len(set(tags)) >= _TAGS_LIMIT:
        problems.error(
            f"{place} config must be less than the limit of {_TAGS_LIMIT} tags",
            node.span,
        )
    return tags


#: The keywords that a job can inherit, by the names of the keywords.
INHERITABLE: MappingType[str, Callable[[Node, str, Problems], Any]] = MappingProxyType(
    {
        "before_script": decode_commands,
        "after_script": decode_commands,
        "hooks": decode_hooks,
        "cache": decode_caches,
        "image": decode_image,
        "services": decode_services,
        "interruptible": _interruptible,
        "timeout": _timeout,
        "retry": decode_retry,
        "tags": _tags,
        "artifacts": decode_artifacts,
        "id_tokens": decode_id_tokens,
        "identity": decode_identity,
    }
)
#: Those that may also stand at the root, for all jobs.
ROOT_DEFAULTS = ("before_script", "after_script", "cache", "image", "services")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The decoded values that jobs share, and the places of their keys."""

    values: MappingType[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    spans: MappingType[str, Span] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherit:
    """``inherit``: for both, True is all, False nothing, or the names."""

    default: bool | frozenset[str] = True
    variables: bool | frozenset[str] = True

    def takes(self, key: str) -> bool:
        """Whether a keyword of ``default`` is inherited."""
        return self.default if isinstance(self.default, bool) else key in self.default


def decode_defaults(
    root: Mapping, default: Node | None, problems: Problems
) -> Defaults:
    """Return what ``default`` and the root give to the jobs."""
    values: dict[str, Any] = {}
    spans: dict[str, Span] = {}
    mapping = None if default is None else hash_of(default, "default", problems)
    if mapping is not None:
        unknown_keys(
            mapping,
            INHERITABLE.keys(),
            "default",
            problems,
            hints={
                "variables": "variables stand at the root",
                "stage": "every job names its own stage",
            },
        )
        for key, decode in INHERITABLE.items():
            value = nested(mapping, key, decode, "default", problems)
            if value is not None:
                values[key], spans[key] = value, mapping.entries[key].span
    for key in ROOT_DEFAULTS:
        node = given(root, key)
        if node is None:
            continue
        span = root.entries[key].span
        if mapping is not None and given(mapping, key) is not None:
            problems.error(f"{key} is defined in top-level and `default:` entry", span)
        value = INHERITABLE[key](node, key, problems)
        if value is not None:
            values[key], spans[key] = value, span
    return Defaults(values=MappingProxyType(values), spans=MappingProxyType(spans))


def decode_inherit(node: Node, place: str, problems: Problems) -> Inherit:
    """Return ``inherit``; a key that is not written inherits everything."""
    mapping = hash_of(node, place, problems)
    if mapping is None:
        return Inherit()
    unknown_keys(mapping, {"default", "variables"}, place, problems)
    default = _names(mapping, "default", place, problems)
    if isinstance(default, frozenset) and not default <= INHERITABLE.keys():
        problems.error(
            f"{place}:default config contains unknown values:"
            f" {', '.join(sorted(default - INHERITABLE.keys()))}",
            mapping.entries["default"].value.span,
            hint=f"the keywords are {', '.join(sorted(INHERITABLE))}",
        )
    variables = _names(mapping, "variables", place, problems)
    return Inherit(
        default=True if default is None else default,
        variables=True if variables is None else variables,
    )


def _names(
    mapping: Mapping, key: str, place: str, problems: Problems
) -> bool | frozenset[str] | None:
    """Return all, nothing or the names; None where the key is absent or wrong."""
    node = given(mapping, key)
    if node is None:
        return None
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    if isinstance(node, Sequence):
        names = strings(node, f"{place}:{key} config", problems)
        return None if names is None else frozenset(names)
    problems.error(f"{place}:{key} should be a bool or array of strings", node.span)
    return None
