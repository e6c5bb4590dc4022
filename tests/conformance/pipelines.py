"""Cases with a configuration: text and context in, jobs or errors out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spotci.errors import ConfigError, GraphError, IncludeError
from spotci.executor.decide import Processing
from spotci.parser import yaml
from spotci.parser.compile import compile_pipeline
from spotci.parser.config import decode
from spotci.parser.header import content_of
from spotci.parser.keywords.decoding import plain, plain_mapping
from spotci.parser.load import load
from spotci.parser.problems import Problems
from spotci.pipeline import JobName
from spotci.source import Component, SourceFile
from spotci.variables import effective
from tests.conformance.corpus import context_of
from tests.conformance.matching import mismatches
from tests.conformance.shapes import job_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from spotci.parser.model import Compilation
    from spotci.pipeline import Job
    from tests.conformance.corpus import Case

__all__ = ["check_pipeline", "check_processing", "check_schema"]

_REJECTIONS = ("error", "error_contains")


def check_pipeline(case: Case) -> list[str]:
    """Return what a case about the jobs of a pipeline finds wrong."""
    try:
        if "mode" in case.context:
            return mismatches(case.expect.get("config", {}), _load(case), "config")
        compilation = compile_pipeline(_file(case), context_of(case))
    except ExceptionGroup as group:
        return _check_rejection(case.expect, [str(error) for error in group.exceptions])
    except ConfigError as error:
        return _check_rejection(case.expect, [str(error)])
    if any(key in case.expect for key in _REJECTIONS):
        return ["was accepted, and should be rejected"]
    return [
        problem
        for key, expected in case.expect.items()
        for problem in _check(key, expected, compilation)
    ]


def check_schema(case: Case) -> list[str]:
    """Return what a case about the structure alone finds wrong.

    What it names and does not contain, files, jobs and stages, is no error.
    """
    problems = Problems()
    loaded = load(_file(case), context_of(case), problems)
    decode(loaded.root, problems)
    errors = [error for error in problems.errors if not _is_about_names(error)]
    if case.expect["schema_valid"]:
        return [str(error) for error in errors]
    return [] if errors else ["was accepted, and should be rejected"]


def check_processing(case: Case) -> list[str]:
    """Return what a case about the statuses of a pipeline finds wrong."""
    pipeline = compile_pipeline(_file(case), context_of(case)).pipeline
    if pipeline is None:
        return ["there is no pipeline"]
    processing = Processing(pipeline)
    problems = mismatches(
        case.expect["initial"], _statuses(processing, pipeline.stages)
    )
    for number, step in enumerate(case.expect.get("transitions", [])):
        for job in step["jobs"]:
            processing.apply(step["event"], JobName(job))
        problems += mismatches(
            step["expect"], _statuses(processing, pipeline.stages), f"step {number}"
        )
    return problems


def _file(case: Case) -> SourceFile:
    component = case.context.get("component")
    return SourceFile(
        name=".gitlab-ci.yml",
        text=case.yaml,
        component=None if component is None else Component(**component),
    )


def _load(case: Case) -> Any:
    """Return what is left of a configuration after the steps of its mode."""
    problems, context = Problems(), context_of(case)
    if case.context["mode"] == "load_only":
        loaded = load(_file(case), context, problems)
        problems.raise_errors()
        return dict(plain_mapping(loaded.root))
    file = _file(case)
    content = content_of(
        yaml.parse(file),
        file,
        context.inputs,
        problems,
        variables=effective(context.variables),
    )
    problems.raise_errors()
    return None if content is None else plain(content)


def _is_about_names(error: ConfigError) -> bool:
    return isinstance(error, GraphError | IncludeError) or "`extends`" in error.message


def _check_rejection(expect: Mapping[str, Any], errors: Sequence[str]) -> list[str]:
    fragment = expect.get("error_contains")
    if fragment is not None:
        found = any(fragment in error for error in errors)
        return [] if found else [f"no error contains {fragment!r}: {errors}"]
    if expect.get("error"):
        return []
    return [f"was rejected: {errors}"]


def _check(key: str, expected: Any, compilation: Compilation) -> list[str]:
    """Return what is wrong about one key of ``expect``."""
    if key == "valid":
        return []
    if key == "jobs":
        return _check_jobs(expected, compilation)
    if key == "warning_contains":
        warnings = [warning.message for warning in compilation.warnings]
        found = any(expected in warning for warning in warnings)
        return [] if found else [f"no warning contains {expected!r}: {warnings}"]
    if key == "job_names":
        expected = sorted(expected)
    return mismatches(expected, _ANSWERS[key](compilation), key)


def _jobs(compilation: Compilation) -> Mapping[JobName, Job]:
    return {} if compilation.pipeline is None else compilation.pipeline.jobs


def _workflow(compilation: Compilation) -> dict[Any, Any]:
    written = compilation.config.resolved.get("workflow")
    return dict(written) if isinstance(written, dict) else {}


def _pipeline_name(compilation: Compilation) -> str | None:
    return None if compilation.pipeline is None else compilation.pipeline.name


def _initial_statuses(compilation: Compilation) -> dict[str, str]:
    if compilation.pipeline is None:
        return {}
    statuses = Processing(compilation.pipeline).statuses()
    return {str(name): str(status) for name, status in statuses.items()}


_ANSWERS: Mapping[str, Callable[[Compilation], Any]] = {
    "filtered_by": lambda compilation: compilation.filtered_by,
    "initial_statuses": _initial_statuses,
    "job_count": lambda compilation: len(_jobs(compilation)),
    "job_names": lambda compilation: sorted(_jobs(compilation)),
    "no_pipeline": lambda compilation: compilation.pipeline is None,
    "pipeline_name": _pipeline_name,
    "pipeline_stages": lambda compilation: list(
        dict.fromkeys(job.stage for job in _jobs(compilation).values())
    ),
    "stages": lambda compilation: list(compilation.config.stages),
    "workflow": _workflow,
}


def _check_jobs(
    expected: Mapping[str, Mapping[str, Any]], compilation: Compilation
) -> list[str]:
    pipeline = compilation.pipeline
    jobs = dict(compilation.excluded_jobs)
    jobs |= {} if pipeline is None else pipeline.jobs
    problems = []
    for name, fields in expected.items():
        job = jobs.get(JobName(name))
        if job is None:
            problems.append(f"there is no job {name}: {sorted(jobs)}")
            continue
        shape = job_shape(job, compilation)
        for field, value in fields.items():
            problems += _check_field(f"{name}.{field}", value, shape[field])
    return problems


def _check_field(place: str, expected: Any, actual: Any) -> list[str]:
    field = place.rpartition(".")[2]
    # Here an absent list and an empty one are two things.
    if field in ("needs", "dependencies") and not expected:
        same = expected == actual
        return [] if same else [f"{place}: expected {expected!r}, found {actual!r}"]
    if field == "needs":
        return _check_needs(place, expected, actual)
    if field == "variables" and expected is not None:
        return [
            problem
            for name, value in expected.items()
            for problem in _check_variable(f"{place}.{name}", value, actual.get(name))
        ]
    return mismatches(expected, actual, place)


def _check_variable(place: str, expected: Any, actual: str | None) -> list[str]:
    if expected is None:
        return [] if actual is None else [f"{place}: expected none, found {actual!r}"]
    return mismatches(expected, actual, place)


def _check_needs(place: str, expected: Any, actual: Any) -> list[str]:
    if actual is None or len(actual) != len(expected):
        return [f"{place}: expected {expected!r}, found {actual!r}"]
    found = {need["name"]: need for need in actual}
    return mismatches({need["name"]: need for need in expected}, found, place)


def _statuses(processing: Processing, stages: Sequence[str]) -> dict[str, Any]:
    return {
        "pipeline": str(processing.pipeline_status()),
        "stages": {stage: str(processing.stage_status(stage)) for stage in stages},
        "jobs": {
            str(name): str(status) for name, status in processing.statuses().items()
        },
    }
