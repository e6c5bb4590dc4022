"""``spotci explain``: why a job is in or out, and where everything in it is from."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from spotci.cli.json_form import errors_as_json, print_document
from spotci.cli.loading import load
from spotci.cli.options import PipelineCommand, pipeline_options
from spotci.cli.shapes import job_shape
from spotci.cli.words import complete_jobs
from spotci.dataclass import dataclass
from spotci.variables import Level, effective

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spotci.cli.loading import Loaded
    from spotci.cli.options import Chosen
    from spotci.parser.model import RuleTrace
    from spotci.pipeline import Job
    from spotci.report.terminal import Paint
    from spotci.source import Span
    from spotci.variables import Variable

__all__ = ["Explanation", "command", "explain", "trace_shape"]

_WIDEST_VALUE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything that decided about one job.

    ``variables`` are those that win, by name; ``overridden`` those of the same name
    that lost, the strongest first. ``keys`` are the places of the job's keys.
    """

    job: Job
    included: bool
    reason: str
    trace: tuple[RuleTrace, ...]
    #: Of ``workflow:rules``, which decide about the whole pipeline.
    workflow: tuple[RuleTrace, ...]
    variables: Mapping[str, Variable]
    overridden: Mapping[str, tuple[Variable, ...]]
    keys: Mapping[str, Span]


@click.command("explain", cls=PipelineCommand)
@click.argument("job", shell_complete=complete_jobs)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The form of the output.",
)
@pipeline_options
def command(chosen: Chosen, *, job: str, form: str) -> int:
    """Tell why a job is in the pipeline or not, and where everything in it is from.

    \b
    spotci explain deploy-staging
    spotci explain deploy-production --tag v1.2.0
    """  # noqa: D301 - click reads the \b
    if form == "json":
        return errors_as_json(lambda: print_document(_document(load(chosen), job)))
    from spotci.report.terminal import Paint, use_colour  # noqa: PLC0415 - for text

    paint = Paint(enabled=use_colour(sys.stdout, os.environ))
    print(_text(explain(load(chosen), job), paint))
    return 0


def explain(loaded: Loaded, name: str) -> Explanation:
    """Return what decided about a job; raises UsageError where there is none."""
    job = loaded.job(name)
    compilation = loaded.compilation
    included = compilation.pipeline is not None and job.name in loaded.pipeline.jobs
    trace = compilation.traces.get(job.name, ())
    for excluded in compilation.excluded:
        if excluded.name == job.name:
            trace = excluded.trace or trace
            reason = excluded.reason
            break
    else:
        reason = _why_included(job) if included else (compilation.reason or "")
    winning = effective(job.variables)
    return Explanation(
        job=job,
        included=included,
        reason=reason,
        trace=trace,
        workflow=compilation.workflow_trace,
        variables=winning,
        overridden=_overridden(job.variables, winning),
        keys=compilation.config.jobs[job.base_name].spans,
    )


def _why_included(job: Job) -> str:
    if job.rule is not None:
        return f"entry {job.rule + 1} of its rules matches"
    return "no rule keeps it out"


def _overridden(
    variables: Sequence[Variable], winning: Mapping[str, Variable]
) -> dict[str, tuple[Variable, ...]]:
    lost: dict[str, list[Variable]] = {}
    for variable in sorted(variables, key=lambda item: item.level, reverse=True):
        if winning[variable.name] is not variable:
            lost.setdefault(variable.name, []).append(variable)
    return {name: tuple(items) for name, items in lost.items()}


def _document(loaded: Loaded, name: str) -> dict[str, Any]:
    found = explain(loaded, name)
    return {
        "name": found.job.name,
        "included": found.included,
        "reason": found.reason,
        "rules": [trace_shape(trace) for trace in found.trace],
        "workflow_rules": [trace_shape(trace) for trace in found.workflow],
        "variables": [
            {
                **_variable_shape(variable),
                "overridden": [
                    _variable_shape(item) for item in found.overridden.get(key, ())
                ],
            }
            for key, variable in found.variables.items()
        ],
        "keys": {key: str(span) for key, span in found.keys.items()},
        "job": job_shape(found.job),
    }


def trace_shape(trace: RuleTrace) -> dict[str, Any]:
    """Return the verdict about one entry of rules, for JSON."""
    return {
        "index": trace.index,
        "matched": trace.matched,
        "place": None if trace.span is None else str(trace.span),
        "clauses": [
            {"clause": clause, "saw": saw, "holds": holds}
            for clause, saw, holds in trace.clauses
        ],
    }


def _variable_shape(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "value": _value(variable),
        "level": variable.level.name.lower(),
        "origin": _origin(variable),
    }


def _text(found: Explanation, paint: Paint) -> str:
    verdict = paint("green", "in") if found.included else paint("yellow", "out")
    place = f"  ({found.job.span})" if found.job.span else ""
    parts = [
        f"{paint('bold', found.job.name)} is {verdict}: {found.reason}{place}",
        _rules_text("workflow:rules", found.workflow, paint),
        _rules_text("rules", found.trace, paint),
        _variables_text(found, paint),
        _keys_text(found, paint),
    ]
    return "\n\n".join(part for part in parts if part)


def _rules_text(title: str, traces: Sequence[RuleTrace], paint: Paint) -> str:
    lines = [paint("bold", title)] if traces else []
    for trace in traces:
        verdict = (
            paint("green", "matches")
            if trace.matched
            else paint("dim", "does not match")
        )
        place = f"  ({trace.span})" if trace.span else ""
        lines.append(f"  {trace.index + 1}. {verdict}{paint('dim', place)}")
        for clause, saw, holds in trace.clauses:
            sign = paint("green", "✓") if holds else paint("red", "✗")
            lines.append(f"     {sign} {clause}: {saw}")
    return "\n".join(lines)


def _variables_text(found: Explanation, paint: Paint) -> str:
    from spotci.report.table import render_table  # noqa: PLC0415 - for text alone

    rows: list[tuple[str, ...]] = []
    for name in sorted(found.variables, key=_by_level(found.variables)):
        rows.append(_variable_row(name, found.variables[name]))
        rows += [
            tuple(paint("dim", cell) for cell in _variable_row("  overrides", lost))
            for lost in found.overridden.get(name, ())
        ]
    if not rows:
        return ""
    return render_table(("variable", "value", "level", "from"), rows, paint=paint)


def _by_level(variables: Mapping[str, Variable]) -> Any:  # noqa: ANN401 - a sort key
    """Sort what the user wrote before what is predefined."""
    return lambda name: (variables[name].level is Level.PREDEFINED, name)


def _variable_row(name: str, variable: Variable) -> tuple[str, ...]:
    from spotci.report.terminal import fit  # noqa: PLC0415 - for text alone

    value = fit(_value(variable).replace("\n", "⏎"), _WIDEST_VALUE)
    return (name, value or '""', variable.level.name.lower(), _origin(variable))


def _keys_text(found: Explanation, paint: Paint) -> str:
    from spotci.report.table import render_table  # noqa: PLC0415 - for text alone

    rows = [(key, str(span)) for key, span in found.keys.items()]
    return render_table(("key", "from"), rows, paint=paint) if rows else ""


def _value(variable: Variable) -> str:
    return "[MASKED]" if variable.masked else variable.value


def _origin(variable: Variable) -> str:
    return str(variable.span) if variable.span else variable.origin
