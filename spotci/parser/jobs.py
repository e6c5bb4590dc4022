"""One job in one context: in or out, and what it becomes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import GraphError
from spotci.parser.only import match_only
from spotci.parser.rules import RuleError, RuleMatch, match_rules
from spotci.pipeline import AllowFailure, Need, When

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from spotci.context import Context
    from spotci.parser.matrix import Instance
    from spotci.parser.model import JobConfig, NeedConfig, Rule, RuleTrace
    from spotci.parser.needs import JobIndex, ResolvedNeed
    from spotci.parser.scope import JobVariables, PipelineVariables
    from spotci.pipeline import Job, JobName
    from spotci.source import Span
    from spotci.variables import Variable

__all__ = ["MAX_NEEDS", "Decision", "decide", "needs_in", "needs_problems"]

#: GitLab's limit of ``needs`` for one job.
MAX_NEEDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A job as its rules made it; ``needs`` are not checked against the others yet.

    A job that is left out has the form in which it would run if it were named.
    ``problem`` is an error of its rules, in GitLab's words.
    """

    instance: Instance
    job: Job
    needs: tuple[ResolvedNeed, ...] | None
    included: bool
    reason: str = ""
    problem: GraphError | None = None
    trace: tuple[RuleTrace, ...] = ()


def decide(
    instance: Instance,
    index: JobIndex,
    variables: PipelineVariables,
    *,
    pipeline_level: tuple[Variable, ...],
    has_workflow_rules: bool,
) -> Decision:
    """Apply ``rules``, or ``only`` and ``except``, to a job."""
    config = instance.config
    own = variables.of_job(instance)
    included, reason, problem = True, "", None
    match = RuleMatch()
    if config.rules is not None:
        try:
            match = match_rules(config.rules, own.scope())
        except RuleError as error:
            problem = _rule_problem(instance, error)
        included = match.passes
        reason = _why_not(config.rules, match)
    else:
        # The key rules, even if it is null, does away with the default, in workflow
        # or in the job, and then there is nothing to ask (Entry::Processable).
        default = not has_workflow_rules and "rules" not in config.spans
        if default or config.only is not None or config.except_ is not None:
            included, reason = _only(config, variables.context, own, default=default)
    rule = match.rule if included else None
    written = _written_needs(config, rule)
    when = _when(config, rule)
    start_in, start_in_text = config.job.start_in, config.job.start_in_text
    if rule is not None and rule.start_in is not None:
        start_in, start_in_text = rule.start_in, rule.start_in_text
    rule_variables = () if rule is None else rule.variables
    job = replace(
        config.job,
        name=instance.name,
        parallel=instance.parallel,
        when=when,
        start_in=start_in,
        start_in_text=start_in_text,
        allow_failure=_allow_failure(config, rule),
        interruptible=config.job.interruptible
        if rule is None or rule.interruptible is None
        else rule.interruptible,
        variables=own.finish(when, rule_variables, pipeline_level),
        dependencies=_dependencies(config, index),
        cross_needs=config.cross_needs,
        rule=match.index,
    )
    if included and problem is None:
        problem = _cycle_problem(instance, own)
    return Decision(
        instance=instance,
        job=job,
        needs=None if written is None else index.resolve(written, instance),
        included=included,
        reason=reason,
        problem=problem,
        trace=match.traces,
    )


def needs_in(
    decision: Decision, present: Collection[JobName]
) -> tuple[Need, ...] | None:
    """Return the needs on jobs that are there; what is missing was optional."""
    if decision.needs is None:
        return None
    return tuple(
        Need(job=need.job, artifacts=need.artifacts)
        for need in decision.needs
        if need.job in present
    )


def needs_problems(
    decision: Decision, present: Collection[JobName]
) -> Iterator[GraphError]:
    """Yield what is wrong with the needs of a job that is in the pipeline."""
    name, needs = decision.job.name, decision.needs or ()
    if len(needs) > MAX_NEEDS:
        yield GraphError(
            f"{name}: one job can only need {MAX_NEEDS} others, but you have listed"
            f" {len(needs)}. See needs keyword documentation for more details",
            span=_span(decision.instance, "needs"),
        )
        return
    for need in needs:
        if not need.optional and need.job not in present:
            yield GraphError(
                f"'{name}' job needs '{need.job}' job, but '{need.job}' does not exist"
                " in the pipeline. This might be because of the only, except, or rules"
                " keywords. To need a job that sometimes does not exist in the"
                " pipeline, use needs:optional.",
                span=need.span or _span(decision.instance, "needs"),
                hint=f"write {{job: {need.job}, optional: true}}, or give {name}"
                f" rules that exclude it along with {need.job}",
            )


def _when(config: JobConfig, rule: Rule | None) -> When:
    if rule is not None and rule.when is not None:
        return rule.when
    return config.when or When.ON_SUCCESS


def _allow_failure(config: JobConfig, rule: Rule | None) -> AllowFailure:
    """Return the effective value: that of the rule, as written, or the default.

    The default looks at the job's own ``when``: a job that is manual by its rule
    blocks the pipeline, one that is manual by itself does not.
    """
    if rule is not None and rule.allow_failure is not None:
        return AllowFailure(allowed=rule.allow_failure)
    if config.allow_failure_written:
        return config.job.allow_failure
    return AllowFailure(allowed=config.when is When.MANUAL)


def _written_needs(
    config: JobConfig, rule: Rule | None
) -> tuple[NeedConfig, ...] | None:
    """Return the needs of the rule, or else of the job; None without ``needs``.

    An empty list in a rule replaces the job's needs, but does not make a job that
    has none start at once.
    """
    if rule is None or rule.needs is None:
        return config.needs
    return rule.needs if rule.needs or config.needs is not None else None


def _dependencies(config: JobConfig, index: JobIndex) -> tuple[JobName, ...] | None:
    if config.dependencies is None:
        return None
    return tuple(name for job in config.dependencies for name in index.names(job))


def _why_not(rules: Sequence[Rule], match: RuleMatch) -> str:
    if match.passes:
        return ""
    if match.index is not None:
        return f"rules: entry {match.index + 1} matches and says `when: never`"
    return "rules: no entry matches" if rules else "rules: the list is empty"


def _only(
    config: JobConfig, context: Context, own: JobVariables, *, default: bool
) -> tuple[bool, str]:
    match = match_only(
        config.only, config.except_, context, own.scope(), default=default
    )
    return match.passes, match.reason


def _rule_problem(instance: Instance, error: RuleError) -> GraphError:
    return GraphError(
        f"Failed to parse rule for {instance.name}: {error.message}",
        span=_span(instance, "rules"),
    )


def _cycle_problem(instance: Instance, own: JobVariables) -> GraphError | None:
    cycle = own.cycle()
    if cycle is None:
        return None
    names = json.dumps(cycle, ensure_ascii=False)
    return GraphError(
        f"{instance.name}: circular variable reference detected: {names}",
        span=next(
            (item.span for item in own.yaml if item.name in cycle and item.span),
            _span(instance, "variables"),
        ),
    )


def _span(instance: Instance, key: str) -> Span | None:
    return instance.config.spans.get(key, instance.config.job.span)
