"""From the text of a ``.gitlab-ci.yml`` to a pipeline: the passes, in their order.

The order is GitLab's, and it shows: ``extends`` may name a job of any included file,
because files are merged before; checks between jobs cover the jobs that rules leave
out, because rules come after; a need on a left-out job is an error, because that
check comes last. Each pass reports all that is wrong before the next one begins.
"""

from __future__ import annotations

import json
import re
from dataclasses import field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import ConfigError, GraphError
from spotci.parser.config import decode
from spotci.parser.cycles import find_cycle
from spotci.parser.graph import EDGE_STAGES, check_graph
from spotci.parser.jobs import decide, needs_in, needs_problems
from spotci.parser.load import load
from spotci.parser.model import Compilation, Excluded
from spotci.parser.needs import JobIndex
from spotci.parser.problems import Problems
from spotci.parser.rules import RuleError, RuleMatch, match_rules
from spotci.parser.scope import Expanded, PipelineVariables
from spotci.pipeline import Pipeline
from spotci.variables import Level, Variable, expand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from spotci.context import Context
    from spotci.errors import ConfigWarning
    from spotci.parser.jobs import Decision
    from spotci.parser.model import Config
    from spotci.pipeline import Job, JobName
    from spotci.source import SourceFile

__all__ = ["check", "compile_config", "compile_pipeline"]

_SKIP = re.compile(r"\[(ci[ _-]skip|skip[ _-]ci)\]", re.IGNORECASE)
#: Sources that a commit message with ``[skip ci]`` stops; the others were asked for.
_SKIPPABLE = ("push", "merge_request_event", "external", "external_pull_request_event")

_WORKFLOW = "Pipeline filtered out by workflow rules."
_NO_JOBS = (
    "Pipeline will not run for the selected trigger. The rules configuration prevented"
    " any jobs from being added to the pipeline."
)
_SKIPPED = "The commit message contains [ci skip]: GitLab skips the pipeline."


def compile_pipeline(file: SourceFile, context: Context) -> Compilation:
    """Return what a configuration becomes in a context.

    Raises ``ExceptionGroup[ConfigError]`` with everything that is wrong.
    """
    problems = Problems()
    return _compile(file, context, problems)


def check(
    file: SourceFile, context: Context
) -> tuple[list[ConfigError], list[ConfigWarning]]:
    """Return the errors and warnings of a configuration, for ``spotci lint``."""
    problems = Problems()
    try:
        compilation = _compile(file, context, problems)
    except ExceptionGroup as group:
        errors = [error for error in group.exceptions if isinstance(error, ConfigError)]
        return errors, problems.warnings
    return [], list(compilation.warnings)


def compile_config(
    config: Config, context: Context, problems: Problems | None = None
) -> Compilation:
    """Return what a decoded configuration becomes in a context: the later passes."""
    draft = _Draft(config, context, problems or Problems())
    for run in _PASSES:
        run(draft)
        draft.problems.raise_errors()
    return _finish(draft)


def _compile(file: SourceFile, context: Context, problems: Problems) -> Compilation:
    loaded = load(file, context, problems)
    problems.raise_errors()
    config = decode(loaded.root, problems)
    problems.raise_errors()
    return compile_config(config, context, problems)


@dataclass(slots=True)
class _Draft:
    """What the passes have found so far."""

    config: Config
    context: Context
    problems: Problems
    index: JobIndex = field(init=False)
    variables: PipelineVariables = field(init=False)
    workflow: RuleMatch = field(default_factory=RuleMatch)
    name: str | None = None
    decisions: list[Decision] = field(default_factory=list)
    reason: str | None = None
    filtered_by: str | None = None

    def filter_out(self, filtered_by: str, reason: str) -> None:
        """Say why there is no pipeline, unless it has been said."""
        if self.filtered_by is None:
            self.filtered_by, self.reason = filtered_by, reason


def _expand_parallel(draft: _Draft) -> None:
    draft.index = JobIndex.of(draft.config)


def _check_relations(draft: _Draft) -> None:
    check_graph(draft.config, draft.index, draft.problems)


def _evaluate_workflow(draft: _Draft) -> None:
    variables = PipelineVariables(draft.context, draft.config.variables)
    rules = draft.config.workflow.rules
    if rules is not None:
        try:
            draft.workflow = match_rules(rules, variables.workflow_scope())
        except RuleError as error:
            # GitLab takes this as a rule that does not match.
            draft.problems.warn(
                f"Failed to parse rule for workflow: {error.message}",
                next(
                    (rule.span for rule in rules if rule.changes or rule.exists), None
                ),
            )
        if not draft.workflow.passes:
            draft.filter_out("workflow_rules", _WORKFLOW)
    rule = draft.workflow.rule
    draft.variables = variables.with_workflow(() if rule is None else rule.variables)


def _skip_by_commit_message(draft: _Draft) -> None:
    message = next(
        (
            variable.value
            for variable in draft.context.variables
            if variable.name == "CI_COMMIT_MESSAGE"
        ),
        "",
    )
    if draft.context.source in _SKIPPABLE and _SKIP.search(message):
        draft.filter_out("skip_ci", _SKIPPED)


def _name_pipeline(draft: _Draft) -> None:
    written = draft.config.workflow.name
    if written is not None:
        variables = Expanded(draft.variables.shared())
        draft.name = expand(written, variables, keep_undefined=False).strip() or None


def _decide_jobs(draft: _Draft) -> None:
    positions = {stage: number for number, stage in enumerate(draft.config.stages)}
    level = _pipeline_level(draft)
    decisions = [
        decide(
            instance,
            draft.index,
            draft.variables,
            pipeline_level=level,
            has_workflow_rules=draft.config.workflow.has_rules,
        )
        for instance in draft.index.by_name.values()
    ]
    decisions.sort(key=lambda decision: positions[decision.job.stage])
    draft.decisions = decisions
    if draft.filtered_by is None:
        draft.problems.errors += [item.problem for item in decisions if item.problem]


def _check_needs(draft: _Draft) -> None:
    """Check needs among the jobs that are in, if there is a pipeline at all."""
    included = {item.job.name: item for item in draft.decisions if item.included}
    if draft.filtered_by is not None:
        return
    for decision in included.values():
        draft.problems.errors += needs_problems(decision, included)
    # Needs of rules have not been checked for cycles yet.
    edges = {
        name: [need.job for need in decision.needs]
        for name, decision in included.items()
        if decision.needs
    }
    if cycle := find_cycle(edges):
        draft.problems.error(
            "The pipeline has circular dependencies: topological sort failed:"
            f" {json.dumps(cycle, ensure_ascii=False)}",
            included[cycle[0]].job.span,
            hint=" needs ".join([*cycle, cycle[0]]),
            kind=GraphError,
        )


def _require_jobs(draft: _Draft) -> None:
    stages = {item.job.stage for item in draft.decisions if item.included}
    if stages <= set(EDGE_STAGES):
        draft.filter_out("no_jobs", _NO_JOBS)


_PASSES: tuple[Callable[[_Draft], None], ...] = (
    _expand_parallel,
    _check_relations,
    _evaluate_workflow,
    _skip_by_commit_message,
    _name_pipeline,
    _decide_jobs,
    _check_needs,
    _require_jobs,
)


def _finish(draft: _Draft) -> Compilation:
    is_created = draft.filtered_by is None
    inside = [item for item in draft.decisions if item.included and is_created]
    outside = [item for item in draft.decisions if not item.included or not is_created]
    return Compilation(
        config=draft.config,
        pipeline=_pipeline(draft, _jobs(inside, inside)) if is_created else None,
        reason=draft.reason,
        filtered_by=draft.filtered_by,
        excluded=tuple(
            Excluded(
                name=item.job.name,
                reason=item.reason or draft.reason or "",
                trace=item.trace,
            )
            for item in outside
        ),
        excluded_jobs=_jobs(outside, draft.decisions),
        warnings=tuple(dict.fromkeys(_warnings(draft))),
        traces=MappingProxyType(
            {item.job.name: item.trace for item in draft.decisions if item.trace}
        ),
        workflow_trace=draft.workflow.traces,
    )


def _warnings(draft: _Draft) -> Iterator[ConfigWarning]:
    yield from draft.context.warnings
    yield from draft.config.warnings
    yield from draft.problems.warnings


def _jobs(
    decisions: Iterable[Decision], among: Iterable[Decision]
) -> Mapping[JobName, Job]:
    """Return the jobs with those needs that are ``among`` the given ones."""
    present = {item.job.name for item in among}
    return MappingProxyType(
        {
            item.job.name: item.job
            if item.needs is None
            else replace(item.job, needs=needs_in(item, present))
            for item in decisions
        }
    )


def _pipeline(draft: _Draft, jobs: Mapping[JobName, Job]) -> Pipeline:
    workflow, rule = draft.config.workflow, draft.workflow.rule
    on_new_commit = workflow.auto_cancel_on_new_commit
    on_job_failure = workflow.auto_cancel_on_job_failure
    if rule is not None:
        on_new_commit = rule.auto_cancel_on_new_commit or on_new_commit
        on_job_failure = rule.auto_cancel_on_job_failure or on_job_failure
    return Pipeline(
        name=draft.name,
        source=draft.context.source,
        ref=draft.context.ref,
        stages=draft.config.stages,
        jobs=jobs,
        variables=(*_pipeline_level(draft), *draft.context.variables),
        auto_cancel_on_new_commit=on_new_commit,
        auto_cancel_on_job_failure=on_job_failure,
    )


def _pipeline_level(draft: _Draft) -> tuple[Variable, ...]:
    """Return the predefined variables that only the parser can know.

    The pipeline gets its name after the rules of its jobs were read, in GitLab too.
    """
    if draft.name is None:
        return ()
    return (
        Variable(
            name="CI_PIPELINE_NAME",
            value=draft.name,
            level=Level.PREDEFINED,
            origin="workflow:name",
        ),
    )
