"""``environment``.

GitLab: ``Entry::Environment`` and ``Entry::Kubernetes``.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spotci.parser.keywords.decoding import (
    attribute,
    boolean,
    choice,
    given,
    hash_of,
    is_blank,
    is_null,
    nested,
    plain_mapping,
    ruby_text,
    string,
    unknown_keys,
)
from spotci.parser.nodes import Mapping, Scalar
from spotci.parser.problems import did_you_mean
from spotci.pipeline import Environment, EnvironmentAction

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["decode_environment"]

_KEYS = frozenset(
    {
        *("name", "url", "action", "on_stop", "auto_stop_in"),
        *("kubernetes", "deployment_tier"),
    }
)
_KUBERNETES_KEYS = frozenset(
    {
        *("namespace", "agent", "flux_resource_path"),
        *("managed_resources", "dashboard"),
    }
)
_TIERS = ("production", "staging", "testing", "development", "other")
_NAME = re.compile(r"[a-zA-Z0-9_${}. -](?:[a-zA-Z0-9_/${}. -]*[a-zA-Z0-9_${}. -])?")
_NAME_COMPLAINT = (
    "can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', and spaces,"
    " but it cannot start or end with '/'"
)
_LENGTH = 255
_ACTION_COMPLAINT = "should be start, stop, prepare, verify, or access"


def decode_environment(
    node: Node, place: str, problems: Problems
) -> Environment | None:
    """Return an environment, name and URL unexpanded; None where it has no name."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        text = _name(node, place, problems)
        return None if text is None else Environment(name=text)
    if not isinstance(node, Mapping):
        problems.error(f"{place} config should be a hash or a string", node.span)
        return None
    unknown_keys(node, _KEYS, place, problems)
    name = _name(node.get("name") or node, place, problems)
    action = attribute(node, "action", _action, place, problems)
    url = attribute(node, "url", _short, place, problems)
    on_stop = attribute(node, "on_stop", string, place, problems)
    auto_stop_in = attribute(node, "auto_stop_in", string, place, problems)
    tier = attribute(node, "deployment_tier", _tier, place, problems)
    kubernetes = _kubernetes(node, place, problems)
    if name is None:
        return None
    return Environment(
        name=name,
        action=action or EnvironmentAction.START,
        url=url,
        on_stop=on_stop,
        auto_stop_in=auto_stop_in,
        deployment_tier=tier,
        kubernetes=kubernetes,
    )


def _name(node: Node, place: str, problems: Problems) -> str | None:
    """Return the name; ``node`` is the whole environment where it has none."""
    subject = f"{place} name"
    text = node.value if isinstance(node, Scalar) else None
    if text is None or is_blank(node):
        problems.error(
            f"{subject} can't be blank",
            node.span,
            hint="write environment: NAME, or name: NAME in it",
        )
    elif not isinstance(text, str) or not _NAME.fullmatch(text):
        problems.error(f"{subject} {_NAME_COMPLAINT}", node.span)
    elif len(text) > _LENGTH:
        problems.error(
            f"{subject} is too long (maximum is {_LENGTH} characters)", node.span
        )
    else:
        return text
    return None


def _action(node: Node, subject: str, problems: Problems) -> EnvironmentAction | None:
    return choice(
        node, subject, EnvironmentAction, problems, complaint=_ACTION_COMPLAINT
    )


def _short(node: Node, subject: str, problems: Problems) -> str | None:
    text = string(node, subject, problems)
    if text is not None and len(text) > _LENGTH:
        problems.error(
            f"{subject} is too long (maximum is {_LENGTH} characters)", node.span
        )
        return None
    return text


def _tier(node: Node, subject: str, problems: Problems) -> str | None:
    text = string(node, subject, problems)
    if text is None or text in _TIERS or "$" in text:
        return text
    problems.error(
        f"{subject} must be one of {', '.join(_TIERS)}",
        node.span,
        hint=did_you_mean(text, _TIERS),
    )
    return None


def _kubernetes(
    node: Mapping, place: str, problems: Problems
) -> MappingType[str, Any] | None:
    """Check ``kubernetes``, and return it as it is written."""
    value = given(node, "kubernetes")
    if value is None:
        return None
    if not isinstance(value, Mapping):
        problems.error(f"{place} kubernetes should be a hash", value.span)
        return None
    place = f"{place}:kubernetes"
    if not value.entries:
        problems.error(f"{place} config can't be blank", value.span)
        return None
    unknown_keys(value, _KUBERNETES_KEYS, place, problems)
    for key in ("namespace", "agent", "flux_resource_path"):
        attribute(value, key, string, place, problems)
    managed = nested(value, "managed_resources", hash_of, place, problems)
    dashboard = nested(value, "dashboard", hash_of, place, problems)
    if managed is not None:
        unknown_keys(managed, {"enabled"}, f"{place}:managed_resources", problems)
        attribute(managed, "enabled", boolean, f"{place}:managed_resources", problems)
    if dashboard is not None:
        _dashboard(dashboard, f"{place}:dashboard", problems)
    _depends(value, managed, dashboard, place, problems)
    return MappingProxyType(plain_mapping(value))


def _dashboard(node: Mapping, place: str, problems: Problems) -> None:
    unknown_keys(node, {"namespace", "flux_resource_path"}, place, problems)
    attribute(node, "flux_resource_path", string, place, problems)
    if node.entries and given(node, "namespace") is None:
        problems.error(f"{place} namespace can't be blank", node.span)
    attribute(node, "namespace", string, place, problems)


def _depends(
    node: Mapping,
    managed: Mapping | None,
    dashboard: Mapping | None,
    place: str,
    problems: Problems,
) -> None:
    """Check which of the keys need or exclude each other."""

    def has(mapping: Mapping | None, key: str) -> bool:
        value = None if mapping is None else mapping.get(key)
        return value is not None and not is_null(value) and not is_blank(value)

    flux = has(node, "flux_resource_path")
    manages = managed is not None and has(managed, "enabled")
    shows = dashboard is not None and bool(dashboard.entries)
    if flux and not has(node, "namespace"):
        problems.error(f"{place} namespace can't be blank", node.span)
    if (flux or manages or shows) and not has(node, "agent"):
        problems.error(f"{place} agent can't be blank", node.span)
    for key in ("namespace", "flux_resource_path"):
        if has(node, key) and has(dashboard, key):
            problems.error(
                f"{place} {key.replace('_', ' ')} cannot be specified when"
                f" dashboard.{ruby_text(key)} is set",
                node.entries[key].span,
            )
