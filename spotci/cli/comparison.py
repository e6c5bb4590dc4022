"""What differs between two pipelines: which jobs, in which keys, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spotci.cli.shapes import job_shape
from spotci.dataclass import dataclass
from spotci.variables import effective

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from spotci.cli.loading import Loaded
    from spotci.parser.model import RuleTrace
    from spotci.pipeline import Job, JobName
    from spotci.variables import Variable

__all__ = ["ChangedJob", "ChangedKey", "Comparison", "MovedJob", "Why", "compare"]

#: Keys of a job's shape that tell where it is from, not what it does.
_NOT_COMPARED = frozenset({"name", "extends", "rule", "source"})
#: Keys that an entry of ``rules`` decides where one matches.
_OF_RULE = frozenset({"when", "start_in"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a job is in a pipeline, or is not."""

    included: bool
    reason: str
    trace: tuple[RuleTrace, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedJob:
    """A job that only one of the pipelines has."""

    name: JobName
    stage: str
    before: Why
    after: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedKey:
    """A key with other values; a place is ``file:line:column``, None where unset."""

    key: str
    before: Any
    after: Any
    before_place: str | None
    after_place: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedJob:
    """A job that both pipelines have, and not the same."""

    name: JobName
    base_name: str
    keys: tuple[ChangedKey, ...]
    before: Why
    after: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that differs; ``stages`` are the lists of both sides where they do."""

    appeared: tuple[MovedJob, ...]
    disappeared: tuple[MovedJob, ...]
    changed: tuple[ChangedJob, ...]
    stages: tuple[tuple[str, ...], tuple[str, ...]] | None

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        moved = self.appeared or self.disappeared
        return not (moved or self.changed or self.stages)


def compare(before: Loaded, after: Loaded) -> Comparison:
    """Return what is different in the pipeline ``after``."""
    old, new = before.pipeline, after.pipeline
    return Comparison(
        appeared=tuple(
            _moved(job, before, after)
            for job in new.jobs.values()
            if job.name not in old.jobs
        ),
        disappeared=tuple(
            _moved(job, before, after)
            for job in old.jobs.values()
            if job.name not in new.jobs
        ),
        changed=tuple(
            changed
            for name in new.jobs
            if name in old.jobs and (changed := _changed(name, before, after))
        ),
        stages=None if old.stages == new.stages else (old.stages, new.stages),
    )


def _moved(job: Job, before: Loaded, after: Loaded) -> MovedJob:
    return MovedJob(
        name=job.name,
        stage=job.stage,
        before=why(before, job.name),
        after=why(after, job.name),
    )


def why(loaded: Loaded, name: JobName) -> Why:
    """Return why a job is in a pipeline or not."""
    compilation = loaded.compilation
    trace = compilation.traces.get(name, ())
    job = loaded.pipeline.jobs.get(name)
    if job is not None:
        if job.rule is None:
            return Why(included=True, reason="no rule keeps it out", trace=trace)
        reason = f"entry {job.rule + 1} of its rules matches"
        return Why(included=True, reason=reason, trace=trace)
    for excluded in compilation.excluded:
        if excluded.name == name:
            if compilation.pipeline is None:
                trace = compilation.workflow_trace
            trace = excluded.trace or trace
            return Why(included=False, reason=excluded.reason, trace=trace)
    return Why(included=False, reason="the configuration has no such job")


def _changed(name: JobName, before: Loaded, after: Loaded) -> ChangedJob | None:
    old, new = before.pipeline.jobs[name], after.pipeline.jobs[name]
    keys = tuple(_keys(old, new, before, after))
    if not keys:
        return None
    return ChangedJob(
        name=name,
        base_name=new.base_name,
        keys=keys,
        before=why(before, name),
        after=why(after, name),
    )


def _keys(old: Job, new: Job, before: Loaded, after: Loaded) -> Iterator[ChangedKey]:
    """Yield the keys that differ, each variable for itself as ``variables:NAME``."""
    shapes = job_shape(old), job_shape(new)
    for key in shapes[0]:
        values = shapes[0][key], shapes[1][key]
        if key in _NOT_COMPARED or values[0] == values[1]:
            continue
        if key == "variables":
            yield from _variables(old, new, values[0] or {}, values[1] or {})
        else:
            yield ChangedKey(
                key=key,
                before=values[0],
                after=values[1],
                before_place=_place(before, old, key),
                after_place=_place(after, new, key),
            )


def _variables(
    old: Job, new: Job, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[ChangedKey]:
    winning = effective(old.variables), effective(new.variables)
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield ChangedKey(
                key=f"variables:{name}",
                before=before.get(name),
                after=after.get(name),
                before_place=_written(winning[0].get(name)),
                after_place=_written(winning[1].get(name)),
            )


def _written(variable: Variable | None) -> str | None:
    return str(variable.span) if variable is not None and variable.span else None


def _place(loaded: Loaded, job: Job, key: str) -> str | None:
    """Return where a key was written; what an entry of rules set, where that is."""
    config = loaded.compilation.config.jobs[job.base_name]
    if key in _OF_RULE and job.rule is not None:
        traces = loaded.compilation.traces.get(job.name, ())
        matched = next((each for each in traces if each.index == job.rule), None)
        if matched is not None and matched.span is not None:
            return str(matched.span)
    span = config.spans.get(key)
    return None if span is None else str(span)
