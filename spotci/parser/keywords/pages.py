"""``pages`` and its older form ``publish``.

GitLab: ``Entry::Pages``, and ``pages_job?`` of ``Entry::Job``.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spotci.parser.keywords.decoding import (
    attribute,
    duration,
    given,
    plain_mapping,
    string,
    unknown_keys,
)
from spotci.parser.nodes import Mapping, Scalar
from spotci.pipeline import Artifacts

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["PAGES_JOB", "decode_pages", "with_published_path"]

#: The name that makes a job publish unless it says ``pages: false``.
PAGES_JOB = "pages"

_DEFAULT_PATH = "public"


def decode_pages(
    job: Mapping, name: str, place: str, problems: Problems
) -> bool | MappingType[str, Any] | None:
    """Return what a job publishes: True, its settings, or None for nothing.

    ``publish`` of the job is taken into the settings.
    """
    node = given(job, "pages")
    publish = attribute(job, "publish", string, place, problems)
    settings: bool | MappingType[str, Any] | None
    if node is None:
        settings = True if name == PAGES_JOB else None
    else:
        settings = _settings(node, f"{place}:pages", problems) or None
    if publish is not None and settings is None:
        problems.error(
            f"{place} publish can only be used within a `pages` job",
            job.entries["publish"].span,
            hint="add pages: true",
        )
    if settings is True and publish is not None:
        return MappingProxyType({"publish": publish})
    if isinstance(settings, MappingProxyType) and publish is not None:
        return MappingProxyType({"publish": publish, **settings})
    return settings


def with_published_path(
    artifacts: Artifacts | None, *, pages: bool | MappingType[str, Any] | None
) -> Artifacts | None:
    """Return the artifacts of a job, with the directory that ``pages`` publishes."""
    if not pages:
        return artifacts
    path = _DEFAULT_PATH
    if not isinstance(pages, bool):
        path = str(pages.get("publish") or _DEFAULT_PATH)
    artifacts = artifacts or Artifacts()
    if path in artifacts.paths:
        return artifacts
    return replace(artifacts, paths=(*artifacts.paths, path))


def _settings(
    node: Node, place: str, problems: Problems
) -> bool | MappingType[str, Any]:
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    if not isinstance(node, Mapping):
        problems.error(f"{place} config should be a hash or a boolean value", node.span)
        return False
    unknown_keys(node, {"path_prefix", "expire_in", "publish"}, place, problems)
    attribute(node, "path_prefix", string, place, problems)
    attribute(node, "expire_in", _expire_in, place, problems)
    attribute(node, "publish", string, place, problems)
    return MappingProxyType(plain_mapping(node))


def _expire_in(node: Node, subject: str, problems: Problems) -> str | None:
    return duration(node, subject, problems, never=True, variables=True)
