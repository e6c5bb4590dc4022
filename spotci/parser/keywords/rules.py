"""``rules`` of jobs, of ``workflow`` and of includes.

GitLab: ``Entry::Rules``, ``Entry::Rules::Rule`` and ``Entry::Include::Rules``.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from spotci.durations import parse_duration
from spotci.errors import ExpressionError
from spotci.parser.expression import ExpressionSyntaxError, parse
from spotci.parser.keywords.auto_cancel import decode_auto_cancel
from spotci.parser.keywords.decoding import (
    NESTING_LIMIT,
    attribute,
    boolean,
    duration,
    flattened,
    given,
    is_blank,
    is_null,
    nested,
    plain,
    required_keys,
    ruby_text,
    seconds_of,
    string,
    strings,
    unknown_keys,
)
from spotci.parser.keywords.needs import NeedsOf, decode_needs
from spotci.parser.keywords.variables import VariablesOf, decode_variables
from spotci.parser.model import Changes, Condition, Exists, Rule
from spotci.parser.nodes import Mapping, Scalar, Sequence
from spotci.parser.problems import did_you_mean
from spotci.pipeline import When

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType

    from spotci.parser.model import NeedConfig
    from spotci.parser.nodes import Node
    from spotci.parser.problems import Problems
    from spotci.source import Span
    from spotci.variables import Variable

__all__ = [
    "START_IN_LIMIT",
    "RulesOf",
    "decode_condition",
    "decode_rules",
    "ends_with_only_when",
]

#: The longest ``start_in``, one week, in seconds.
START_IN_LIMIT = parse_duration("1 week")

_PATHS_LIMIT = 50


class RulesOf(StrEnum):
    """Whose rules they are: it decides which keys and which ``when`` are allowed."""

    JOB = "job"
    WORKFLOW = "workflow"
    INCLUDE = "include"


class _Allowed(NamedTuple):
    keys: frozenset[str]
    when: tuple[When, ...]


_CLAUSES = frozenset({"if", "changes", "exists"})
# GitLab tolerates some of these in workflow rules, where they say nothing.
_RESULTS = frozenset({"when", "start_in", "allow_failure", "variables", "needs"})
_RUN_OR_NOT = (When.ALWAYS, When.NEVER)
_ALLOWED: MappingType[RulesOf, _Allowed] = MappingProxyType(
    {
        RulesOf.JOB: _Allowed(_CLAUSES | _RESULTS | {"interruptible"}, tuple(When)),
        RulesOf.WORKFLOW: _Allowed(_CLAUSES | _RESULTS | {"auto_cancel"}, _RUN_OR_NOT),
        RulesOf.INCLUDE: _Allowed(_CLAUSES | {"when"}, _RUN_OR_NOT),
    }
)
_LIST_COMPLAINT: MappingType[RulesOf, str] = MappingProxyType(
    {
        RulesOf.JOB: "rules should be an array containing hashes and arrays of hashes",
        RulesOf.WORKFLOW: "rules config should be a array",
        RulesOf.INCLUDE: "rules should be an array of hashes",
    }
)


def decode_rules(
    node: Node, place: str, problems: Problems, *, allowed: RulesOf
) -> tuple[Rule, ...] | None:
    """Return the rules of a list, nested lists flattened.

    ``place`` is that of ``rules`` itself, such as ``jobs:build:rules``. None means
    that the value is null or no list of rules; a rule that is wrong is left out.
    """
    if is_null(node):
        return None
    items: list[Mapping] = []
    wrong = _collect(node, NESTING_LIMIT, items, allowed)
    if wrong is not None:
        if allowed is RulesOf.WORKFLOW and isinstance(node, Sequence):
            problems.error(f"{place}:rule config should be a hash", wrong.span)
        else:
            owner = place.removesuffix(":rules")
            separator = ":" if allowed is RulesOf.WORKFLOW else " "
            problems.error(f"{owner}{separator}{_LIST_COMPLAINT[allowed]}", wrong.span)
        return None
    decoded = [_rule(item, f"{place}:rule", problems, allowed) for item in items]
    return tuple(rule for rule in decoded if rule is not None)


def ends_with_only_when(node: Node) -> bool:
    """Whether the last of these rules says nothing but a ``when`` that is not never.

    GitLab warns of such a rule, because it matches branch and merge request pipelines
    alike.
    """
    rules = list(flattened(node)) if isinstance(node, Sequence) else []
    last = rules[-1] if rules else None
    if not isinstance(last, Mapping):
        return False
    written = [key for key, entry in last.entries.items() if not is_null(entry.value)]
    when = given(last, "when")
    return written == ["when"] and when != Scalar(When.NEVER.value, node.span)


def decode_condition(node: Node, subject: str, problems: Problems) -> Condition | None:
    """Return an expression with its text and place, or record why it is none."""
    text = node.value if isinstance(node, Scalar) else None
    if not isinstance(text, str):
        problems.error(
            f"{subject} invalid expression syntax",
            node.span,
            kind=ExpressionError,
            hint="write one expression; && and || join several"
            if isinstance(node, Sequence)
            else "write the expression as a text",
        )
        return None
    try:
        expression = parse(text)
    except ExpressionSyntaxError as error:
        problems.error(
            f"{subject} invalid expression syntax",
            _part(node.span, text, error.start, error.end),
            kind=ExpressionError,
            hint=error.message,
        )
        return None
    return Condition(text=text, expression=expression, span=node.span)


def _part(span: Span, text: str, start: int, end: int) -> Span:
    """Return the place of a part of a scalar, or of the scalar where that is unclear.

    The text of a quoted or a plain scalar stands in its line as it is; escapes,
    block scalars and scalars of several lines are not unravelled.
    """
    line = span.file.line(span.line)
    for quote in (0, 1):
        begin = span.column - 1 + quote
        if line[begin : begin + len(text)] == text:
            return span.shifted(start + quote, end + quote)
    return span


def _collect(
    node: Node, levels: int, rules: list[Mapping], allowed: RulesOf
) -> Node | None:
    """Append the mappings of a nested list; return the first node that is wrong."""
    if not isinstance(node, Sequence) or levels == 0:
        return node
    for item in node.items:
        if isinstance(item, Mapping):
            rules.append(item)
        elif allowed is RulesOf.INCLUDE:
            return item
        else:
            wrong = _collect(item, levels - 1, rules, allowed)
            if wrong is not None:
                return wrong
    return None


def _rule(node: Mapping, place: str, problems: Problems, of: RulesOf) -> Rule | None:
    if not node.entries:
        problems.error(f"{place} config can't be blank", node.span)
        return None
    unknown_keys(node, _ALLOWED[of].keys, place, problems)
    auto_cancel = nested(node, "auto_cancel", decode_auto_cancel, place, problems)
    when = _when(node, place, problems, _ALLOWED[of].when)
    start_in = _start_in(node, place, problems, when=when)
    return Rule(
        condition=attribute(node, "if", decode_condition, place, problems),
        changes=nested(node, "changes", _changes, place, problems),
        exists=nested(node, "exists", _exists, place, problems),
        when=when,
        start_in=None if start_in is None else seconds_of(start_in),
        start_in_text=start_in,
        allow_failure=attribute(node, "allow_failure", boolean, place, problems),
        variables=_variables(node, place, problems, of),
        needs=nested(node, "needs", _needs, place, problems),
        interruptible=attribute(node, "interruptible", boolean, place, problems),
        auto_cancel_on_new_commit=auto_cancel.on_new_commit if auto_cancel else None,
        auto_cancel_on_job_failure=auto_cancel.on_job_failure if auto_cancel else None,
        span=node.span,
    )


def _when(
    node: Mapping, place: str, problems: Problems, allowed: tuple[When, ...]
) -> When | None:
    value = given(node, "when")
    if value is None:
        return None
    text = ruby_text(value.value) if isinstance(value, Scalar) else str(plain(value))
    if isinstance(value, Scalar):
        for option in allowed:
            if option == text:
                return option
    problems.error(
        f"{place} when unknown value: {text}",
        value.span,
        hint=did_you_mean(text, allowed)
        or f"it should be one of: {', '.join(allowed)}",
    )
    return None


def _start_in(
    node: Mapping, place: str, problems: Problems, *, when: When | None
) -> str | None:
    value = given(node, "start_in")
    entry = node.entries.get("start_in")
    if when is not When.DELAYED:
        if entry is not None:
            problems.error(
                f"{place} config contains disallowed keys: start_in",
                entry.span,
                hint="it needs when: delayed in the same rule",
            )
        return None
    if value is None or is_blank(value):
        problems.error(
            f"{place} start in can't be blank",
            node.entries["when"].value.span,
            hint="say how long the job is delayed, such as start_in: 30 minutes",
        )
        return None
    return duration(value, f"{place} start in", problems, limit=START_IN_LIMIT)


def _changes(node: Node, place: str, problems: Problems) -> Changes | None:
    if isinstance(node, Sequence):
        paths = _paths(node, f"{place} config", problems)
        return None if paths is None else Changes(paths=paths)
    if not isinstance(node, Mapping):
        problems.error(
            f"{place} should be an array or a hash",
            node.span,
            hint="changes should be an array of strings: write a list",
        )
        return None
    unknown_keys(node, {"paths", "compare_to"}, place, problems)
    required_keys(node, ("paths",), place, problems)
    entry = node.entries.get("paths")
    paths = None if entry is None else _paths(entry.value, f"{place} paths", problems)
    compare_to = attribute(node, "compare_to", string, place, problems)
    return None if paths is None else Changes(paths=paths, compare_to=compare_to)


def _exists(node: Node, place: str, problems: Problems) -> Exists | None:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return Exists(paths=(node.value,))
    if isinstance(node, Sequence):
        paths = _paths(node, f"{place} config", problems)
        return None if paths is None else Exists(paths=paths)
    if not isinstance(node, Mapping):
        problems.error(
            f"{place} should be a string, an array of strings, or a hash", node.span
        )
        return None
    unknown_keys(node, {"paths", "project", "ref"}, place, problems)
    required = ("paths",) if given(node, "ref") is None else ("paths", "project")
    required_keys(node, required, place, problems)
    return Exists(
        paths=attribute(node, "paths", _paths, place, problems) or (),
        project=attribute(node, "project", string, place, problems),
        ref=attribute(node, "ref", string, place, problems),
    )


def _paths(node: Node, subject: str, problems: Problems) -> tuple[str, ...] | None:
    paths = strings(node, subject, problems)
    if paths is not None and len(paths) > _PATHS_LIMIT:
        problems.error(
            f"{subject} has too many entries (maximum {_PATHS_LIMIT})", node.span
        )
        return None
    return paths


def _variables(
    node: Mapping, place: str, problems: Problems, of: RulesOf
) -> tuple[Variable, ...]:
    value = given(node, "variables")
    if value is None or of is RulesOf.INCLUDE:
        return ()
    kind = VariablesOf.JOB_RULE if of is RulesOf.JOB else VariablesOf.WORKFLOW_RULE
    return decode_variables(value, f"{place}:variables", problems, of=kind)


def _needs(node: Node, place: str, problems: Problems) -> tuple[NeedConfig, ...] | None:
    needs = decode_needs(node, place, problems, of=NeedsOf.RULE)
    return None if needs is None else needs.jobs
