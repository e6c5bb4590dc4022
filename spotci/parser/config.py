"""From the merged and resolved tree to the typed configuration.

Every top-level key is a global keyword, a hidden job, or a job. ``default`` and
``workflow`` are jobs where they look like one, as in GitLab. All errors are collected;
checks that concern several jobs come later, when all of them are known.

GitLab: ``Entry::Root``, ``Entry::Jobs`` and ``Entry::Hidden``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.parser.keywords.decoding import given, is_blank, ruby_text
from spotci.parser.keywords.default import ROOT_DEFAULTS, decode_defaults
from spotci.parser.keywords.job import Common, decode_job, kind_of
from spotci.parser.keywords.support import warn_of_keywords
from spotci.parser.keywords.variables import VariablesOf, decode_variables
from spotci.parser.keywords.workflow import (
    DEFAULT_STAGES,
    decode_stages,
    decode_workflow,
)
from spotci.parser.model import Config, Workflow
from spotci.parser.nodes import Mapping
from spotci.parser.problems import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotci.parser.model import JobConfig
    from spotci.parser.nodes import Entry, Node
    from spotci.parser.problems import Problems

__all__ = ["GLOBAL_KEYWORDS", "decode"]

#: Keys that are never jobs, whatever they hold.
_RESERVED = frozenset({*ROOT_DEFAULTS, "include", "variables", "stages"})
#: Keys that are jobs where their value looks like one.
_SPECIAL = ("default", "workflow")
GLOBAL_KEYWORDS = (*sorted(_RESERVED), *_SPECIAL)

_JOB_KEYWORDS = ("script", "run", "trigger")


def decode(root: Mapping, problems: Problems) -> Config:
    """Return the configuration of a tree without ``include``, ``extends``, references.

    Errors and warnings go to ``problems``; the result is complete only if there is no
    error. Its jobs are in the order of the text.
    """
    workflow_node = _global(root, "workflow")
    workflow = Workflow()
    if workflow_node is not None:
        workflow = decode_workflow(workflow_node, "workflow", problems)
    default = _global(root, "default")
    common = Common(
        defaults=decode_defaults(root, default, problems),
        has_workflow_rules=workflow.has_rules,
    )
    stages, variables = given(root, "stages"), given(root, "variables")
    jobs = _jobs(root, common, problems)
    warn_of_keywords(_holders(root, default), problems)
    return Config(
        stages=DEFAULT_STAGES
        if stages is None
        else decode_stages(stages, "stages", problems),
        workflow=workflow,
        variables=()
        if variables is None
        else decode_variables(variables, "variables", problems, of=VariablesOf.ROOT),
        jobs=MappingProxyType(jobs),
        warnings=tuple(problems.warnings),
        root=root,
    )


def _global(root: Mapping, key: str) -> Node | None:
    """Return the value of ``default`` or ``workflow``, unless it is a job."""
    node = given(root, key)
    return None if node is None or kind_of(node) is not None else node


def _jobs(root: Mapping, common: Common, problems: Problems) -> dict[str, JobConfig]:
    jobs: dict[str, JobConfig] = {}
    visible = False
    for key, entry in root.entries.items():
        if key in _RESERVED:
            continue
        if isinstance(key, str) and key.startswith("."):
            _check_hidden(key, entry, problems)
            continue
        kind = kind_of(entry.value)
        if kind is not None:
            visible = True
            job = decode_job(entry, kind, common, problems)
            if job is not None:
                jobs[job.job.name] = job
        elif key not in _SPECIAL:
            _not_a_job(entry, problems)
    if not visible:
        problems.error(
            "jobs config should contain at least one visible job",
            root.span,
            hint="a job is a name with script: under it; a name with a dot is hidden",
        )
    return jobs


def _check_hidden(name: str, entry: Entry, problems: Problems) -> None:
    """Record a hidden job without content; any content is checked where it is used."""
    if is_blank(entry.value):
        problems.error(f"jobs:{name} config can't be blank", entry.span)


def _not_a_job(entry: Entry, problems: Problems) -> None:
    name = ruby_text(entry.key)
    keys = entry.value.entries if isinstance(entry.value, Mapping) else {}
    hint = did_you_mean(name, GLOBAL_KEYWORDS)
    for key in keys:
        hint = did_you_mean(ruby_text(key), _JOB_KEYWORDS) or hint
    problems.error(
        f"jobs {name} config should implement the script:, run:, or trigger: keyword",
        entry.span,
        hint=hint or f"write .{name} to make it a hidden job",
    )


def _holders(root: Mapping, default: Node | None) -> Iterator[Mapping]:
    """Yield the mappings that hold keywords of jobs: ``default``, then the jobs."""
    if isinstance(default, Mapping):
        yield default
    for key, entry in root.entries.items():
        hidden = isinstance(key, str) and key.startswith(".")
        if isinstance(entry.value, Mapping) and not hidden and key not in _RESERVED:
            yield entry.value
