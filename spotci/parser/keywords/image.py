"""``image`` and ``services``.

GitLab: ``Entry::Image``, ``Entry::Service`` and their ``Imageable``. What only the
Kubernetes executor reads is checked and left out.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from spotci.parser.keywords.decoding import (
    flattened,
    given,
    is_blank,
    one_string,
    ruby_text,
    string,
    strings,
    strings_or_string,
    unknown_keys,
)
from spotci.parser.keywords.variables import VariablesOf, decode_variables
from spotci.parser.nodes import Mapping, Scalar, Sequence
from spotci.pipeline import Image, Service

if TYPE_CHECKING:
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["decode_image", "decode_services"]

# "ports" has a message of its own.
_IMAGE_KEYS = frozenset(
    {"name", "entrypoint", "pull_policy", "docker", "kubernetes", "ports"}
)
_SERVICE_KEYS = _IMAGE_KEYS | {"alias", "command", "variables"}
_PULL_POLICIES = ("always", "never", "if-not-present")
_ALIAS_SEPARATOR = re.compile(r"[\s,]+")
_LENGTHS = MappingProxyType({"platform": 64, "user": 255})


class _Container(NamedTuple):
    """What an image and a service have in common."""

    name: str
    entrypoint: tuple[str, ...] | None = None
    pull_policy: tuple[str, ...] = ()
    user: str | None = None
    platform: str | None = None


def decode_image(node: Node, place: str, problems: Problems) -> Image | None:
    """Return an image; None means that the value is wrong."""
    found = _container(node, place, problems, _IMAGE_KEYS)
    if found is None:
        return None
    return Image(
        name=found.name,
        entrypoint=found.entrypoint,
        pull_policy=found.pull_policy,
        user=found.user,
        platform=found.platform,
    )


def decode_services(
    node: Node, place: str, problems: Problems
) -> tuple[Service, ...] | None:
    """Return the services of a list; lists in it are flattened, as in GitLab."""
    if not isinstance(node, Sequence):
        problems.error(
            f"{place} config should be a array",
            node.span,
            hint="write a list of images, one in a line",
        )
        return None
    decoded = (_service(item, f"{place}:service", problems) for item in flattened(node))
    return tuple(service for service in decoded if service is not None)


def _service(node: Node, place: str, problems: Problems) -> Service | None:
    found = _container(node, place, problems, _SERVICE_KEYS)
    if found is None:
        return None
    aliases: tuple[str, ...] = ()
    command = variables = None
    if isinstance(node, Mapping):
        aliases = _aliases(node, place, problems)
        command = _words(node, "command", place, problems)
        variables = given(node, "variables")
    return Service(
        name=found.name,
        aliases=aliases,
        entrypoint=found.entrypoint,
        command=command,
        variables=()
        if variables is None
        else decode_variables(
            variables, f"{place}:variables", problems, of=VariablesOf.SERVICE
        ),
        pull_policy=found.pull_policy,
        user=found.user,
        platform=found.platform,
    )


def _container(
    node: Node, place: str, problems: Problems, keys: frozenset[str]
) -> _Container | None:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        if node.value.strip():
            return _Container(node.value)
        problems.error(f"{place} name can't be blank", node.span)
        return None
    if not isinstance(node, Mapping):
        problems.error(
            f"{place} config should be a hash or a string",
            node.span,
            hint="one image only; others belong to services"
            if isinstance(node, Sequence)
            else None,
        )
        return None
    unknown_keys(
        node,
        keys,
        place,
        problems,
        hints={"user": "write it under docker:", "platform": "write it under docker:"},
    )
    if "ports" in node.entries:
        problems.error(
            f"{place} config contains disallowed keys: ports",
            node.entries["ports"].span,
        )
    name = one_string(node, "name", place, problems)
    user, platform = _executor_options(node, place, problems)
    entrypoint = _words(node, "entrypoint", place, problems)
    pull_policy = _pull_policy(node, place, problems)
    if name is None:
        return None
    return _Container(name, entrypoint, pull_policy, user, platform)


def _words(
    node: Mapping, key: str, place: str, problems: Problems
) -> tuple[str, ...] | None:
    """Return ``entrypoint`` or ``command``: a list of at least one text."""
    value = given(node, key)
    if value is None:
        return None
    subject = f"{place} {key}"
    if isinstance(value, Sequence) and not value.items:
        problems.error(
            f"{subject} should be an array of strings with at least 1 item",
            value.span,
            hint='[""] resets the entrypoint of the image'
            if key == "entrypoint"
            else "leave it out to keep the command of the image",
        )
        return None
    return strings(value, subject, problems)


def _aliases(node: Mapping, place: str, problems: Problems) -> tuple[str, ...]:
    value = given(node, "alias")
    if value is None:
        return ()
    text = string(value, f"{place} alias", problems) or ""
    if isinstance(value, Scalar) and value.value == "":
        problems.error(f"{place} alias can't be blank", value.span)
    return tuple(filter(None, _ALIAS_SEPARATOR.split(text)))


def _pull_policy(node: Mapping, place: str, problems: Problems) -> tuple[str, ...]:
    value = given(node, "pull_policy")
    if value is None:
        return ()
    subject = f"{place}:pull_policy config"
    words = strings_or_string(value, subject, problems)
    if words is None:
        return ()
    allowed = f"the policies are {', '.join(_PULL_POLICIES)}"
    unknown = [word for word in words if word not in _PULL_POLICIES]
    if not words:
        problems.error(f"{subject} can't be blank", value.span, hint=allowed)
    elif unknown and isinstance(value, Scalar):
        problems.error(
            f"{subject} is not included in the list", value.span, hint=allowed
        )
    elif unknown:
        problems.error(
            f"{subject} contains unknown values: {', '.join(unknown)}",
            value.span,
            hint=allowed,
        )
    return words


def _executor_options(
    node: Mapping, place: str, problems: Problems
) -> tuple[str | None, str | None]:
    """Return ``docker:user`` and ``docker:platform``; check ``kubernetes`` too."""
    docker = _options(node, "docker", ("platform", "user"), place, problems)
    kubernetes = _options(node, "kubernetes", ("user",), place, problems)
    if kubernetes is not None:
        _option(kubernetes, ("kubernetes", "user"), place, problems)
    if docker is None:
        return None, None
    return (
        _option(docker, ("docker", "user"), place, problems),
        _option(docker, ("docker", "platform"), place, problems),
    )


def _options(
    node: Mapping, key: str, allowed: tuple[str, ...], place: str, problems: Problems
) -> Mapping | None:
    value = given(node, key)
    if value is None:
        return None
    subject = f"{place} executor opts"
    if not isinstance(value, Mapping):
        problems.error(f"{subject} value at `/{key}` is not an object", value.span)
        return None
    for name, entry in value.entries.items():
        if name not in allowed:
            problems.error(
                f"{subject} object property at `/{key}/{ruby_text(name)}`"
                " is a disallowed additional property",
                entry.span,
                hint=f"{key}: takes {' and '.join(allowed)}",
            )
    return value


def _option(
    options: Mapping, path: tuple[str, str], place: str, problems: Problems
) -> str | None:
    entry = options.entries.get(path[1])
    if entry is None:
        return None
    node, pointer, length = entry.value, f"`/{'/'.join(path)}`", _LENGTHS[path[1]]
    subject = f"{place} executor opts"
    value = node.value if isinstance(node, Scalar) else None
    # A number is a UID: Kubernetes takes it so, Docker only in quotes.
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if is_number and path[0] == "kubernetes":
        return str(value)
    if not isinstance(value, str):
        problems.error(f"{subject} value at {pointer} is not a string", node.span)
    elif is_blank(node):
        problems.error(
            f"{subject} string length at {pointer} is less than: 1", node.span
        )
    elif len(value) > length:
        problems.error(
            f"{subject} string length at {pointer} is greater than: {length}", node.span
        )
    else:
        return value
    return None
