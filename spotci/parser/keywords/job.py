"""A job: one that runs a script, or one that starts another pipeline (a bridge).

Which of the two a mapping is, its keys decide: ``script`` or ``run`` makes a job,
``trigger`` or ``needs`` without them a bridge, and anything else is no job at all.
GitLab: ``Entry::Job``, ``Entry::Bridge``, ``Entry::Jobs`` and their ``Processable``.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from spotci.dataclass import dataclass
from spotci.parser.keywords.decoding import (
    attribute,
    choice,
    duration,
    given,
    is_blank,
    nested,
    ruby_text,
    seconds_of,
    string,
    strings,
    strings_or_string,
    together,
    unknown_keys,
)
from spotci.parser.keywords.default import (
    INHERITABLE,
    Defaults,
    Inherit,
    decode_inherit,
)
from spotci.parser.keywords.environment import decode_environment
from spotci.parser.keywords.job_inputs import decode_job_inputs, doubt_references
from spotci.parser.keywords.needs import NeedsOf, decode_needs
from spotci.parser.keywords.only import decode_only, is_pattern
from spotci.parser.keywords.pages import decode_pages, with_published_path
from spotci.parser.keywords.parallel import decode_parallel
from spotci.parser.keywords.release import decode_release
from spotci.parser.keywords.retry import decode_allow_failure
from spotci.parser.keywords.rules import (
    START_IN_LIMIT,
    RulesOf,
    decode_rules,
    ends_with_only_when,
)
from spotci.parser.keywords.run import decode_run
from spotci.parser.keywords.script import decode_commands
from spotci.parser.keywords.secrets import decode_dast_configuration, decode_secrets
from spotci.parser.keywords.trigger import decode_trigger
from spotci.parser.keywords.variables import VariablesOf, decode_variables
from spotci.parser.model import JobConfig
from spotci.parser.nodes import Mapping, Scalar, Sequence
from spotci.parser.regex import pattern_of
from spotci.pipeline import AllowFailure, CrossNeed, Job, JobName, When

if TYPE_CHECKING:
    from spotci.parser.keywords.needs import Needs
    from spotci.parser.model import Rule
    from spotci.parser.nodes import Entry, Node
    from spotci.parser.problems import Problems
    from spotci.source import Span

__all__ = ["Common", "Kind", "decode_job", "kind_of"]

_COMMON_KEYS = (
    *("extends", "stage", "only", "except", "rules", "variables", "inherit"),
    *("allow_failure", "when", "needs", "resource_group", "environment"),
    *("interruptible", "parallel", "manual_confirmation"),
)
_JOB_KEYS = frozenset(
    {
        *_COMMON_KEYS,
        *INHERITABLE,
        *("script", "start_in", "dependencies", "coverage", "inputs", "release"),
        *("publish", "pages", "run", "secrets", "dast_configuration"),
    }
)
#: What other systems call it, or where it belongs.
_JOB_HINTS = MappingProxyType(
    {
        "trigger": "a job either triggers a pipeline or has a script: make two of it",
        "if": "write rules: with a list of conditions",
        "changes": "it belongs to an entry of rules:",
        "exists": "it belongs to an entry of rules:",
        "env": "GitLab calls it variables",
        "environments": "GitLab calls it environment; variables: holds variables",
        "depends_on": "GitLab calls it needs",
        "steps": "GitLab calls it script",
        "include": "files are included at the top of the file, not in a job",
        "stages": "a job names one: stage",
        "workflow": "it stands at the top of the file, not in a job",
    }
)
_BRIDGE_KEYS = frozenset({*_COMMON_KEYS, "trigger"})
_BRIDGE_HINTS = MappingProxyType(
    dict.fromkeys(
        _JOB_KEYS - _BRIDGE_KEYS,
        "a job with trigger runs nothing itself and does not take this key",
    )
)
_EXCLUSIVE = (
    ("script", "run"),
    ("before_script", "run"),
    ("after_script", "run"),
    ("script", "trigger"),
    ("run", "trigger"),
)
_NOT_WITH_RULES = ("only", "except", "start_in")
_NAME_LENGTH = 255
_DEFAULT_STAGE = "test"
_WARNING = (
    "may allow multiple pipelines to run for a single action due to `rules:when`"
    " clause with no `workflow:rules`"
)


class Kind(StrEnum):
    """What a top-level mapping is."""

    JOB = "job"
    BRIDGE = "bridge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What all jobs of a configuration share."""

    defaults: Defaults = field(default_factory=Defaults)
    has_workflow_rules: bool = False


def kind_of(node: Node) -> Kind | None:
    """Return what kind of job a node is, or None where it is none."""
    if not isinstance(node, Mapping):
        return None
    keys = node.entries
    if "script" in keys or "run" in keys:
        return Kind.JOB
    return Kind.BRIDGE if "trigger" in keys or "needs" in keys else None


def decode_job(
    entry: Entry, kind: Kind, common: Common, problems: Problems
) -> JobConfig | None:
    """Return a job with the values of its own level and what it inherits.

    None means that it has no usable name or is no mapping; every other error leaves
    out the value that is wrong.
    """
    node, name = entry.value, _name(entry, problems)
    if name is None or not isinstance(node, Mapping):
        return None
    place = f"jobs:{name}"
    _check_keys(node, kind, place, problems)
    inherit = nested(node, "inherit", decode_inherit, place, problems) or Inherit()
    values = _shared_values(node, kind, place, problems)
    spans = {str(key): written.span for key, written in node.entries.items()}
    _inherit(values, spans, inherit, common.defaults, kind)
    needs = _needs(node, kind, place, problems)
    rules = _rules(node, place, problems, common)
    when = _when(node, kind, place, problems)
    if kind is Kind.JOB:
        values.update(_job_values(node, name, values, place, problems))
        _check_dependencies(node, needs, place, problems)
    else:
        _check_bridge(node, values, needs, place, problems)
    start_in = _start_in(node, place, problems, when=when)
    allow_failure = _allow_failure(node, kind, place, problems)
    parallel = partial(decode_parallel, matrix_only=kind is Kind.BRIDGE)
    dependencies = (
        attribute(node, "dependencies", strings, place, problems)
        if kind is Kind.JOB
        else None
    )
    return JobConfig(
        job=Job(
            name=JobName(name),
            base_name=name,
            when=when or When.ON_SUCCESS,
            start_in=None if start_in is None else seconds_of(start_in),
            start_in_text=start_in,
            allow_failure=allow_failure or AllowFailure(allowed=when is When.MANUAL),
            cross_needs=() if needs is None else _cross_needs(needs),
            span=entry.span,
            **values,
        ),
        rules=rules,
        only=nested(node, "only", decode_only, place, problems),
        except_=nested(node, "except", decode_only, place, problems),
        parallel=nested(node, "parallel", parallel, place, problems),
        needs=None if needs is None or needs.upstream else needs.jobs,
        cross_needs=() if needs is None else _cross_needs(needs),
        dependencies=dependencies,
        inherit_variables=inherit.variables,
        when=when,
        allow_failure_written=allow_failure is not None,
        spans=MappingProxyType(spans),
    )


def _name(entry: Entry, problems: Problems) -> str | None:
    """Return the name of a job, which must be a text and not too long."""
    name = entry.key
    if name is None or name == "":
        problems.error("jobs:job name can't be blank", entry.span)
        return None
    if not isinstance(name, str):
        text = ruby_text(name)
        problems.error(
            f"jobs:{text} name should be a symbol",
            entry.span,
            hint=f'quote it: "{text}"',
        )
        return None
    if not name.strip():
        problems.error(f"jobs:{name} name can't be blank", entry.span)
    if len(name) > _NAME_LENGTH:
        problems.error(
            f"jobs:{name} name is too long (maximum is {_NAME_LENGTH} characters)",
            entry.span,
        )
    return name


def _check_keys(node: Mapping, kind: Kind, place: str, problems: Problems) -> None:
    if kind is Kind.JOB:
        unknown_keys(node, _JOB_KEYS, place, problems, hints=_JOB_HINTS)
    else:
        unknown_keys(node, _BRIDGE_KEYS, place, problems, hints=_BRIDGE_HINTS)
    if "run" in node.entries or "trigger" in node.entries:
        for keys in _EXCLUSIVE:
            together(node, keys, place, problems)
    if given(node, "rules") is None:
        return
    present = [key for key in _NOT_WITH_RULES if given(node, key) is not None]
    if present:
        problems.error(
            f"{place} config key may not be used with `rules`: {', '.join(present)}",
            node.entries[present[0]].span,
            hint="write the condition as a rule",
        )


def _shared_values(
    node: Mapping, kind: Kind, place: str, problems: Problems
) -> dict[str, Any]:
    """Return the fields that jobs and bridges have in common."""
    environment = nested(node, "environment", decode_environment, place, problems)
    variables = partial(decode_variables, of=VariablesOf.JOB)
    confirmation = attribute(node, "manual_confirmation", string, place, problems)
    values = {
        "stage": nested(node, "stage", _stage, place, problems) or _DEFAULT_STAGE,
        "variables": nested(node, "variables", variables, place, problems) or (),
        "environment": environment,
        "resource_group": attribute(node, "resource_group", string, place, problems),
        "manual_confirmation": confirmation,
        "extends": attribute(node, "extends", strings_or_string, place, problems) or (),
    }
    for key in node.entries:
        if key not in INHERITABLE or (kind is Kind.BRIDGE and key != "interruptible"):
            continue
        name = str(key)
        value = nested(node, name, INHERITABLE[name], place, problems)
        if value is not None:
            values[name] = value
    return values


def _stage(node: Node, place: str, problems: Problems) -> str | None:
    stage = string(node, f"{place} config", problems)
    if stage == "":
        problems.error(f"{place} config can't be blank", node.span)
    return stage


def _inherit(
    values: dict[str, Any],
    spans: dict[str, Span],
    inherit: Inherit,
    defaults: Defaults,
    kind: Kind,
) -> None:
    """Add what is taken from ``default``; of a bridge that is ``interruptible``."""
    for key, value in defaults.values.items():
        if key in values or not inherit.takes(key):
            continue
        if kind is Kind.JOB or key == "interruptible":
            values[key], spans[key] = value, defaults.spans[key]
    # The fields of a job are named by their content where the keyword holds one thing.
    if "hooks" in values:
        values["pre_get_sources_script"] = values.pop("hooks")


def _job_values(
    node: Mapping, name: str, values: dict[str, Any], place: str, problems: Problems
) -> dict[str, Any]:
    """Return the fields that only a job has."""
    run = attribute(node, "run", decode_run, place, problems)
    pages = decode_pages(node, name, place, problems)
    secrets = nested(node, "secrets", decode_secrets, place, problems)
    inputs = nested(node, "inputs", decode_job_inputs, place, problems)
    doubt_references(node, inputs or {}, place, problems)
    nested(node, "dast_configuration", decode_dast_configuration, place, problems)
    return {
        "script": _script(node, place, problems),
        "run": run or (),
        "coverage": nested(node, "coverage", _coverage, place, problems),
        "release": nested(node, "release", decode_release, place, problems),
        "artifacts": with_published_path(values.get("artifacts"), pages=pages),
        "pages": pages,
        "secrets": secrets or MappingProxyType({}),
        "inputs": inputs or MappingProxyType({}),
    }


def _script(node: Mapping, place: str, problems: Problems) -> tuple[str, ...]:
    entry = node.entries.get("script")
    if entry is None:
        return ()
    if is_blank(entry.value) and "run" not in node.entries:
        problems.error(f"{place} script can't be blank", entry.span)
        if isinstance(entry.value, Scalar) and entry.value.value is not False:
            return ()
    return nested(node, "script", decode_commands, place, problems) or ()


def _coverage(node: Node, place: str, problems: Problems) -> str | None:
    """Return the pattern of ``coverage`` without its slashes."""
    text = node.value if isinstance(node, Scalar) else None
    reason = "write it between slashes, in quotes: '/\\d+%/'"
    if isinstance(text, str) and is_pattern(text):
        try:
            pattern_of(text)
        except ValueError as error:
            reason = str(error)
        else:
            return text[1:-1]
    problems.error(
        f"{place} config must be a regular expression with re2 syntax",
        node.span,
        hint=reason,
    )
    return None


def _needs(node: Mapping, kind: Kind, place: str, problems: Problems) -> Needs | None:
    of = NeedsOf.JOB if kind is Kind.JOB else NeedsOf.BRIDGE
    return nested(node, "needs", partial(decode_needs, of=of), place, problems)


def _cross_needs(needs: Needs) -> tuple[CrossNeed, ...]:
    """Return the needs on other pipelines; a mirrored one has no job."""
    mirrored = (CrossNeed(job=None, pipeline=path) for path in needs.upstream)
    return (*needs.cross, *mirrored)


def _rules(
    node: Mapping, place: str, problems: Problems, common: Common
) -> tuple[Rule, ...] | None:
    value = given(node, "rules")
    if value is None:
        return None
    rules = decode_rules(value, f"{place}:rules", problems, allowed=RulesOf.JOB)
    if rules and not common.has_workflow_rules and ends_with_only_when(value):
        problems.warn(
            f"{place} {_WARNING}",
            rules[-1].span,
            hint="a workflow:rules decides for which events pipelines are made",
        )
    return rules


def _when(node: Mapping, kind: Kind, place: str, problems: Problems) -> When | None:
    never: tuple[When, ...] = (When.NEVER,)
    without = never if kind is Kind.JOB else (*never, When.DELAYED)
    value = given(node, "when")
    if value is None:
        return None
    return choice(value, f"{place} when", When, problems, without=without)


def _start_in(
    node: Mapping, place: str, problems: Problems, *, when: When | None
) -> str | None:
    """Return ``start_in`` as written: delayed jobs must have it, others must not."""
    value = given(node, "start_in")
    if when is When.DELAYED:
        if value is None:
            problems.error(
                f"{place} start in should be a duration",
                node.entries["when"].value.span,
                hint="say how long the job is delayed, such as start_in: 30 minutes",
            )
            return None
        return duration(value, f"{place} start in", problems, limit=START_IN_LIMIT)
    if value is not None and not is_blank(value):
        problems.error(
            f"{place} start in must be blank",
            node.entries["start_in"].span,
            hint="it needs when: delayed",
        )
    return None


def _allow_failure(
    node: Mapping, kind: Kind, place: str, problems: Problems
) -> AllowFailure | None:
    value = given(node, "allow_failure")
    if value is None:
        return None
    return decode_allow_failure(value, place, problems, exit_codes=kind is Kind.JOB)


def _check_dependencies(
    node: Mapping, needs: Needs | None, place: str, problems: Problems
) -> None:
    """Check that ``dependencies`` are among ``needs``, where both are written."""
    value = given(node, "dependencies")
    dependencies = _texts(value)
    if not dependencies or value is None or needs is None:
        return
    if not needs.jobs:
        if needs.cross:
            problems.error(
                f"{place} needs corresponding to dependencies must be from the same"
                " pipeline",
                node.entries["needs"].span,
            )
        return
    names = {need.job for need in needs.jobs}
    missing = [name for name in dependencies if name not in names]
    if missing:
        problems.error(
            f"{place} dependencies the {', '.join(missing)} should be part of needs",
            value.span,
        )


def _check_bridge(
    node: Mapping,
    values: dict[str, Any],
    needs: Needs | None,
    place: str,
    problems: Problems,
) -> None:
    """Decode ``trigger``, and check that the bridge leads somewhere."""
    values["trigger"] = nested(node, "trigger", decode_trigger, place, problems)
    upstream = () if needs is None else needs.upstream
    if given(node, "trigger") is None and not upstream:
        problems.error(
            f"{place} config should contain either a trigger or a needs:pipeline",
            node.entries.get("trigger", node).span,
            hint="a job needs script: or run:, a trigger job needs trigger:",
        )
    if len(upstream) > 1:
        problems.error(
            f"{place} config should contain at most one bridge need",
            node.entries["needs"].span,
        )


def _texts(node: Node | None) -> tuple[str, ...]:
    items = node.items if isinstance(node, Sequence) else ()
    return tuple(
        item.value
        for item in items
        if isinstance(item, Scalar) and isinstance(item.value, str)
    )
