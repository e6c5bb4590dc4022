"""``run``: the steps of the step runner. Checked and recorded as written.

A step has a ``name`` and one of ``script``, ``step``, ``func`` and ``action``. GitLab:
the JSON schema ``run_steps``; the words of its errors are those of the validator.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spotci.parser.keywords.decoding import (
    is_blank,
    key_texts,
    plain_mapping,
    ruby_text,
)
from spotci.parser.nodes import Mapping, Scalar, Sequence
from spotci.parser.problems import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["decode_run"]

#: What a step runs, with the further keys that it takes.
_ACTIONS: MappingType[str, tuple[str, ...]] = MappingProxyType(
    {
        "script": ("env",),
        "step": ("env", "inputs"),
        "func": ("env", "inputs"),
        "action": ("env", "inputs"),
    }
)
_KEYS = ("name", *_ACTIONS, "env", "inputs")
#: Kinds of references to a step: required and further keys.
_REFERENCES: MappingType[str, tuple[tuple[str, ...], tuple[str, ...]]] = (
    MappingProxyType(
        {
            "git": (("url", "rev"), ("dir", "file")),
            "oci": (("registry", "repository", "tag"), ("dir", "file")),
        }
    )
)
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def decode_run(
    node: Node, subject: str, problems: Problems
) -> tuple[MappingType[str, Any], ...]:
    """Return the steps as plain mappings."""
    if not isinstance(node, Sequence):
        problems.error(f"{subject} value at root is not an array", node.span)
        return ()
    steps = []
    for index, item in enumerate(node.items):
        if not isinstance(item, Mapping):
            problems.error(f"{subject} value at `/{index}` is not an object", item.span)
            continue
        _step(item, f"{subject} step {index + 1}", problems)
        steps.append(MappingProxyType(plain_mapping(item)))
    return tuple(steps)


def _step(node: Mapping, subject: str, problems: Problems) -> None:
    actions = [action for action in _ACTIONS if action in node.entries]
    allowed = ("name", *actions, *_ACTIONS[actions[0]]) if actions else _KEYS
    for key, entry in node.entries.items():
        if key not in allowed:
            name = ruby_text(key)
            problems.error(
                f"{subject} contains unknown keys: {name}",
                entry.span,
                hint=did_you_mean(name, allowed),
            )
    if len(actions) != 1:
        problems.error(
            f"{subject} must use exactly one of these keys: {', '.join(_ACTIONS)}",
            node.span,
        )
    _name(node, subject, problems)
    for action in actions:
        value = node.entries[action].value
        if action in {"step", "func"}:
            _reference(value, f"{subject} {action}", problems)
        elif not _is_text(value) or is_blank(value):
            problems.error(f"{subject} {action} should be a string", value.span)
    _named(node, "env", subject, problems, texts=True)
    _named(node, "inputs", subject, problems, texts=False)


def _name(node: Mapping, subject: str, problems: Problems) -> None:
    name = node.get("name")
    if name is None:
        problems.error(f"{subject} missing required keys: name", node.span)
    elif (
        not isinstance(name, Scalar)
        or not isinstance(name.value, str)
        or not _NAME.fullmatch(name.value)
    ):
        problems.error(
            f"{subject} name should be letters, digits and '_',"
            " and should not start with a digit",
            name.span,
        )


def _named(
    node: Mapping, key: str, subject: str, problems: Problems, *, texts: bool
) -> None:
    """Check ``env`` or ``inputs``: names to values, of which ``env`` has texts."""
    value = node.get(key)
    if value is None:
        return
    if not isinstance(value, Mapping):
        problems.error(f"{subject} {key} should be a hash", value.span)
        return
    for name, entry in key_texts(value):
        if not _NAME.fullmatch(name):
            problems.error(f"{subject} {key} has an invalid name: {name}", entry.span)
        elif texts and not _is_text(entry.value):
            problems.error(
                f"{subject} {key} {name} should be a string", entry.value.span
            )


def _reference(node: Node, subject: str, problems: Problems) -> None:
    """Check where a step comes from: a text, or a place in git or a registry."""
    if _is_text(node):
        return
    kinds = (
        [kind for kind in _REFERENCES if kind in node.entries]
        if isinstance(node, Mapping)
        else []
    )
    if not isinstance(node, Mapping) or len(kinds) != 1 or len(node.entries) != 1:
        problems.error(
            f"{subject} should be a string, or a hash with one of: git, oci", node.span
        )
        return
    place = node.entries[kinds[0]].value
    if not isinstance(place, Mapping):
        problems.error(f"{subject} {kinds[0]} should be a hash", place.span)
        return
    required, further = _REFERENCES[kinds[0]]
    missing = [key for key in required if key not in place.entries]
    if missing:
        problems.error(
            f"{subject} {kinds[0]} missing required keys: {', '.join(missing)}",
            place.span,
        )
    for name, entry in key_texts(place):
        if name not in (*required, *further):
            problems.error(
                f"{subject} {kinds[0]} contains unknown keys: {name}", entry.span
            )
        elif not _is_text(entry.value):
            problems.error(
                f"{subject} {kinds[0]} {name} should be a string", entry.value.span
            )


def _is_text(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str)
