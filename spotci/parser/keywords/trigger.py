"""``trigger``: a pipeline of another project, or a child pipeline.

GitLab: ``Entry::Trigger``, ``Trigger::Forward`` and ``Entry::Include``.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spotci.parser.keywords.decoding import (
    attribute,
    boolean,
    choice,
    given,
    hash_of,
    is_blank,
    nested,
    one_string,
    plain_mapping,
    string,
    unknown_keys,
)
from spotci.parser.nodes import Mapping, Scalar, Sequence
from spotci.pipeline import Trigger, TriggerForward, TriggerStrategy

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["decode_trigger"]

_PROJECT_KEYS = frozenset({"project", "branch", "strategy", "forward", "inputs"})
_CHILD_KEYS = frozenset({"strategy", "include", "forward"})
_INCLUDE_KINDS = (
    *("local", "project", "remote", "template", "component"),
    "artifact",
)
_INCLUDE_KEYS = frozenset(
    {
        *_INCLUDE_KINDS,
        *("file", "ref", "job", "integrity", "cache", "inputs", "rules"),
    }
)
_INCLUDE_LIMIT = 3
_URL = re.compile(r"https?://", re.IGNORECASE)


def decode_trigger(node: Node, place: str, problems: Problems) -> Trigger | None:
    """Return ``trigger``; None means that the value is wrong."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        if is_blank(node):
            problems.error(f"{place} config can't be blank", node.span)
            return None
        _doubt_path(node, place, problems)
        return Trigger(project=node.value)
    if not isinstance(node, Mapping):
        problems.error(f"{place} has to be either a string or a hash", node.span)
        return None
    if not node.entries:
        problems.error(f"{place} config can't be blank", node.span)
        return None
    if "include" in node.entries:
        return _child(node, place, problems)
    unknown_keys(node, _PROJECT_KEYS, place, problems)
    if (project := given(node, "project")) is not None:
        _doubt_path(project, place, problems)
    inputs = attribute(node, "inputs", _hash, place, problems)
    return Trigger(
        project=one_string(node, "project", place, problems),
        branch=attribute(node, "branch", string, place, problems),
        strategy=attribute(node, "strategy", _strategy, place, problems),
        forward=_forward(node, place, problems),
        inputs=MappingProxyType({} if inputs is None else plain_mapping(inputs)),
    )


def _doubt_path(node: Node, place: str, problems: Problems) -> None:
    """Warn of what is no path of a project: GitLab lets the job run, and fail."""
    text = node.value if isinstance(node, Scalar) else None
    if not isinstance(text, str) or not text or "$" in text:
        return
    if "/" not in text.strip("/") or text != text.strip("/"):
        problems.warn(
            f"{place} `{text}` is not the path of a project: the job would fail, as"
            " GitLab finds no such project",
            node.span,
            hint="a path has a group and no slash at its ends: group/project",
        )


def _child(node: Mapping, place: str, problems: Problems) -> Trigger:
    unknown_keys(node, _CHILD_KEYS, place, problems)
    return Trigger(
        include=nested(node, "include", _includes, place, problems) or (),
        strategy=attribute(node, "strategy", _strategy, place, problems),
        forward=_forward(node, place, problems),
    )


def _hash(node: Node, subject: str, problems: Problems) -> Mapping | None:
    if isinstance(node, Mapping):
        return node
    problems.error(f"{subject} should be a hash", node.span)
    return None


def _strategy(node: Node, subject: str, problems: Problems) -> TriggerStrategy | None:
    complaint = "should be depend or mirror"
    return choice(node, subject, TriggerStrategy, problems, complaint=complaint)


def _forward(node: Mapping, place: str, problems: Problems) -> TriggerForward:
    forward = nested(node, "forward", hash_of, place, problems)
    if forward is None:
        return TriggerForward()
    place = f"{place}:forward"
    unknown_keys(forward, {"yaml_variables", "pipeline_variables"}, place, problems)
    yaml = attribute(forward, "yaml_variables", boolean, place, problems)
    pipeline = attribute(forward, "pipeline_variables", boolean, place, problems)
    return TriggerForward(
        yaml_variables=yaml is not False, pipeline_variables=pipeline is True
    )


def _includes(
    node: Node, place: str, problems: Problems
) -> tuple[MappingType[str, Any], ...]:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return (_file(node.value),)
    if not isinstance(node, Sequence):
        problems.error(
            f"{place} config should be an array or a string",
            node.span,
            hint="put a dash before it" if isinstance(node, Mapping) else None,
        )
        return ()
    if len(node.items) > _INCLUDE_LIMIT:
        problems.error(
            f"{place} config is too long (maximum is {_INCLUDE_LIMIT})", node.span
        )
    decoded = (_include(item, f"{place}:include", problems) for item in node.items)
    return tuple(include for include in decoded if include is not None)


def _file(text: str) -> MappingType[str, Any]:
    return MappingProxyType({"remote" if _URL.match(text) else "local": text})


def _include(
    node: Node, place: str, problems: Problems
) -> MappingType[str, Any] | None:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return _file(node.value)
    if not isinstance(node, Mapping):
        problems.error(f"{place} config should be a hash or a string", node.span)
        return None
    unknown_keys(node, _INCLUDE_KEYS, place, problems)
    subject = f"{place} config"
    if given(node, "project") is not None and _absent(node, "file"):
        problems.error(
            f"{subject} must specify the file where to fetch the config from", node.span
        )
    if given(node, "artifact") is not None and _absent(node, "job"):
        problems.error(
            f"{subject} must specify the job where to fetch the artifact from",
            node.span,
        )
    kinds = [kind for kind in _INCLUDE_KINDS if given(node, kind) is not None]
    if not kinds:
        problems.error(
            f"{subject} must specify the project where to fetch the config from"
            if "file" in node.entries
            else f"{subject} does not have a valid subkey for include",
            node.span,
            hint=f"an include has one of: {', '.join(_INCLUDE_KINDS)}",
        )
    elif len(kinds) > 1:
        problems.error(
            f"{subject} each include must use only one of: {', '.join(kinds)}",
            node.span,
        )
    _integrity(node, subject, problems)
    return MappingProxyType(plain_mapping(node))


def _absent(node: Mapping, key: str) -> bool:
    value = given(node, key)
    return value is None or is_blank(value)


def _integrity(node: Mapping, subject: str, problems: Problems) -> None:
    value = given(node, "integrity")
    if value is None:
        return
    if _absent(node, "remote"):
        problems.error(
            f"{subject} integrity can only be specified for remote includes", value.span
        )
    text = value.value if isinstance(value, Scalar) else None
    if not isinstance(text, str) or not text.startswith("sha256-"):
        problems.error(
            f"{subject} integrity hash must start with 'sha256-'", value.span
        )
        return
    try:
        b64decode(text.removeprefix("sha256-"), validate=True)
    except (Base64Error, ValueError):
        problems.error(f"{subject} integrity hash must be base64 encoded", value.span)
