"""``only`` and ``except``.

GitLab: ``Entry::Policy``. The default of ``only`` is applied later: whether there is
one depends on ``workflow:rules``.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.parser.keywords.decoding import (
    attribute,
    ruby_text,
    strings,
    unknown_keys,
)
from spotci.parser.keywords.rules import decode_condition
from spotci.parser.model import Only, RefPattern
from spotci.parser.nodes import Mapping, Scalar, Sequence
from spotci.parser.regex import pattern_of

if TYPE_CHECKING:
    from spotci.parser.model import Condition
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems

__all__ = ["decode_only", "is_pattern"]

_KEYS = frozenset({"refs", "variables", "changes", "kubernetes"})
#: Words of the list form, which people write as keys.
_HINTS = MappingProxyType(
    dict.fromkeys(
        ("branches", "tags", "merge_requests", "schedules"),
        "write it in a list: refs: [branches, tags]",
    )
)
_STRINGS_OR_PATTERNS = "strings or regular expressions using re2 syntax"
_PATTERN = re.compile(r"/.*/[ismU]*")


def is_pattern(text: str) -> bool:
    """Whether a text has the form ``/…/flags`` of a regular expression."""
    return text.startswith("/") and _PATTERN.fullmatch(text) is not None


def decode_only(node: Node, place: str, problems: Problems) -> Only | None:
    """Return ``only`` or ``except``; None means that the value is wrong."""
    if isinstance(node, Sequence):
        return Only(refs=_refs(node, f"{place} config", problems))
    if not isinstance(node, Mapping):
        problems.error(
            f"{place} has to be either an array of conditions or a hash",
            node.span,
            hint=f"write it as a list: [{node.value}]"
            if isinstance(node, Scalar) and isinstance(node.value, str)
            else None,
        )
        return None
    if not node.entries:
        problems.error(f"{place} config can't be blank", node.span)
        return None
    unknown_keys(node, _KEYS, place, problems, hints=_HINTS)
    kubernetes = attribute(node, "kubernetes", _kubernetes, place, problems)
    return Only(
        refs=attribute(node, "refs", _refs, place, problems),
        variables=attribute(node, "variables", _variables, place, problems),
        changes=attribute(node, "changes", strings, place, problems),
        kubernetes=kubernetes is True,
    )


def _refs(
    node: Node, subject: str, problems: Problems
) -> tuple[RefPattern, ...] | None:
    texts = strings(node, subject, problems, item=_STRINGS_OR_PATTERNS)
    if texts is None or not isinstance(node, Sequence):
        return None
    for text, item in zip(texts, node.items, strict=True):
        if not is_pattern(text):
            continue
        try:
            pattern_of(text)
        except ValueError as error:
            problems.error(
                f"{subject} should be an array of {_STRINGS_OR_PATTERNS}",
                item.span,
                hint=str(error),
            )
            return None
    return tuple(map(_ref, texts))


def _ref(text: str) -> RefPattern:
    pattern, _, project = text.partition("@")
    return RefPattern(pattern=pattern, project=project or None)


def _variables(
    node: Node, subject: str, problems: Problems
) -> tuple[Condition, ...] | None:
    texts = strings(node, subject, problems)
    if texts is None or not isinstance(node, Sequence):
        return None
    conditions = (decode_condition(item, subject, problems) for item in node.items)
    return tuple(condition for condition in conditions if condition is not None)


def _kubernetes(node: Node, subject: str, problems: Problems) -> bool | None:
    value = ruby_text(node.value) if isinstance(node, Scalar) else "a list or a map"
    if value == "active":
        return True
    problems.error(
        f"{subject} unknown value: {value}", node.span, hint="it can only be: active"
    )
    return None
