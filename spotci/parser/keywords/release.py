"""``release``: checked and recorded; nothing is published from here.

GitLab: ``Entry::Release``, ``Release::Assets`` and ``Assets::Link``.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.parser.keywords.decoding import (
    attribute,
    choice,
    given,
    hash_of,
    is_blank,
    nested,
    one_string,
    plain_mapping,
    string,
    strings_or_string,
    unknown_keys,
)
from spotci.parser.nodes import Mapping, Scalar, Sequence
from spotci.pipeline import Release

if TYPE_CHECKING:
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["decode_release"]

_KEYS = frozenset(
    {
        *("tag_name", "tag_message", "name", "description", "ref"),
        *("released_at", "milestones", "assets"),
    }
)
# What git refuses in the name of a ref; variables are expanded later.
_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/]|[/.]$|\.lock$")


# A variable may hold the whole of it.
_URL = re.compile(r"https?://|\$", re.IGNORECASE)


class _LinkType(StrEnum):
    """Values of ``link_type``."""

    OTHER = "other"
    RUNBOOK = "runbook"
    IMAGE = "image"
    PACKAGE = "package"


def decode_release(node: Node, place: str, problems: Problems) -> Release | None:
    """Return ``release``; None where what it must have is missing."""
    mapping = hash_of(node, place, problems)
    if mapping is None:
        return None
    unknown_keys(mapping, _KEYS, place, problems)
    tag_name = one_string(mapping, "tag_name", place, problems)
    description = one_string(mapping, "description", place, problems)
    attribute(mapping, "tag_message", string, place, problems)
    attribute(mapping, "milestones", strings_or_string, place, problems)
    attribute(mapping, "released_at", _datetime, place, problems)
    attribute(mapping, "ref", _ref, place, problems)
    nested(mapping, "assets", _assets, place, problems)
    if tag_name is None or description is None:
        return None
    return Release(
        tag_name=tag_name,
        description=description,
        fields=MappingProxyType(plain_mapping(mapping)),
    )


def _datetime(node: Node, subject: str, problems: Problems) -> datetime | None:
    text = node.value if isinstance(node, Scalar) else None
    try:
        return datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        problems.error(
            f"{subject} must be a valid datetime",
            node.span,
            hint="write it as ISO 8601, such as '2025-03-15T08:00:00Z'",
        )
        return None


def _ref(node: Node, subject: str, problems: Problems) -> str | None:
    text = node.value if isinstance(node, Scalar) else None
    if isinstance(text, str) and text and not _BAD_REF.search(text):
        return text
    problems.error(f"{subject} must be a valid ref", node.span)
    return None


def _assets(node: Node, place: str, problems: Problems) -> None:
    mapping = hash_of(node, place, problems)
    if mapping is None:
        return
    unknown_keys(mapping, {"links"}, place, problems)
    links = given(mapping, "links")
    if links is None or is_blank(links):
        problems.error(
            f"{place} links can't be blank",
            mapping.span if links is None else links.span,
        )
        return
    items = links.items if isinstance(links, Sequence) else None
    if items is None or not all(isinstance(item, Mapping) for item in items):
        problems.error(f"{place} links should be an array of hashes", links.span)
        return
    for item in items:
        if isinstance(item, Mapping):
            _link(item, f"{place}:links:link", problems)


def _link(node: Mapping, place: str, problems: Problems) -> None:
    unknown_keys(node, {"name", "url", "filepath", "link_type"}, place, problems)
    one_string(node, "name", place, problems)
    url = one_string(node, "url", place, problems)
    if url is not None and not _URL.match(url):
        problems.error(
            f"{place} url is blocked: only allowed schemes are http, https",
            node.entries["url"].value.span,
        )
    attribute(node, "filepath", string, place, problems)
    attribute(node, "link_type", _link_type, place, problems)


def _link_type(node: Node, subject: str, problems: Problems) -> _LinkType | None:
    return choice(node, subject, _LinkType, problems)
