"""Which jobs of a pipeline to run: names, stages and what they need (pure)."""

from __future__ import annotations

from dataclasses import field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import UsageError
from spotci.pipeline import When

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from spotci.pipeline import Job, JobName, Pipeline

__all__ = ["Request", "Selection", "find_jobs", "select", "select_manual", "unknown"]

_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked for. Neither names nor stages is the whole pipeline.

    A name is the exact name of a job, the name of a ``parallel`` job without its
    suffix, or a pattern with ``*``, ``?`` and ``[…]``.
    """

    names: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    #: Whether what the jobs need runs, too.
    needs: bool = True
    #: Whether what they need is all that runs.
    only_needs: bool = False

    @property
    def everything(self) -> bool:
        """Whether the whole pipeline is asked for."""
        return not self.names and not self.stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A pipeline that holds the selected jobs alone.

    ``named`` are the jobs that run even where they are manual or delayed: those that
    the user named, and those that they need. ``notes`` tell the user, a line each,
    where his wish overruled the configuration.
    """

    pipeline: Pipeline
    named: frozenset[JobName] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The jobs of the pipeline, and those that its context leaves out."""

    pipeline: Pipeline
    excluded: Mapping[JobName, Job] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def get(self, name: JobName) -> Job | None:
        return self.pipeline.jobs.get(name) or self.excluded.get(name)

    def __iter__(self) -> Iterator[Job]:
        yield from self.pipeline.jobs.values()
        yield from self.excluded.values()


def select(
    pipeline: Pipeline, excluded: Mapping[JobName, Job], request: Request
) -> Selection:
    """Return the part of a pipeline that was asked for, closed under what it needs.

    A job without ``needs`` and ``dependencies`` needs the jobs of earlier stages that
    hand on artifacts; those that are manual do not count, as nobody played them. A
    job of ``excluded`` is selected only where it is named. Raises UsageError for a
    name that no job bears.
    """
    if request.everything:
        return Selection(pipeline=pipeline)
    candidates = _Candidates(pipeline, excluded)
    named = _named(candidates, request)
    jobs = {job.name: job for job in named}
    wanted: set[JobName] = set()
    if request.needs:
        wanted = _close(candidates, jobs)
    if request.only_needs:
        alone = {job.name for job in named} - wanted
        jobs = {name: job for name, job in jobs.items() if name not in alone}
        if not jobs:
            raise UsageError("the jobs that you named need no others")
    prune = _prune if request.needs else _part
    kept = {job.name: prune(job, jobs) for job in _in_order(candidates, jobs)}
    explicit = {job.name for job in named if request.names and job.name in jobs}
    return Selection(
        pipeline=replace(pipeline, jobs=MappingProxyType(kept)),
        named=frozenset(explicit | wanted),
        notes=tuple(_notes(kept.values(), explicit, wanted, excluded)),
    )


def select_manual(pipeline: Pipeline, names: Sequence[str]) -> frozenset[str]:
    """Return the manual jobs to play; ``all`` stays ``all``.

    Raises UsageError for a name that no job bears, or only jobs that are not manual.
    """
    if "all" in names:
        return frozenset({"all"})
    played: set[str] = set()
    for name in names:
        found = find_jobs(pipeline.jobs.values(), name)
        manual = [job.name for job in found if job.when is When.MANUAL]
        if found and not manual:
            raise UsageError(f'the job "{name}" is not manual: it runs by itself')
        if not manual:
            known = [j for j in pipeline.jobs.values() if j.when is When.MANUAL]
            raise unknown("manual job", name, _job_words(known))
        played.update(manual)
    return frozenset(played)


def find_jobs(jobs: Iterable[Job], name: str) -> list[Job]:
    """Return the jobs with this exact name, else base name, else matching pattern."""
    jobs = list(jobs)
    exact = [job for job in jobs if job.name == name]
    found = exact or [job for job in jobs if job.base_name == name]
    if found or not _WILDCARDS & set(name):
        return found
    return [job for job in jobs if fnmatchcase(job.name, name)]


def _named(candidates: _Candidates, request: Request) -> list[Job]:
    found: dict[JobName, Job] = {}
    for name in request.names:
        found.update((job.name, job) for job in _find(candidates, name))
    for stage in request.stages:
        found.update((job.name, job) for job in _of_stage(candidates.pipeline, stage))
    return list(found.values())


def _find(candidates: _Candidates, name: str) -> list[Job]:
    for jobs in (candidates.pipeline.jobs, candidates.excluded):
        found = find_jobs(jobs.values(), name)
        plain = any(name in {job.name, job.base_name} for job in found)
        # A pattern is about the pipeline; only a name overrules the rules.
        if found and (plain or jobs is candidates.pipeline.jobs):
            return found
        if found:
            names = ", ".join(f'"{job.name}"' for job in found)
            raise UsageError(
                f'no job of this pipeline matches "{name}"',
                hint=f"its rules exclude {names}: name a job to run it all the same",
            )
    raise unknown("job", name, _job_words(candidates))


def _of_stage(pipeline: Pipeline, stage: str) -> tuple[Job, ...]:
    if stage not in pipeline.stages:
        raise unknown("stage", stage, pipeline.stages)
    jobs = pipeline.stage_jobs(stage)
    if not jobs:
        raise UsageError(f'no job of this pipeline is in the stage "{stage}"')
    return jobs


def _close(candidates: _Candidates, jobs: dict[JobName, Job]) -> set[JobName]:
    """Add what the jobs need, and return the names of those that must run for it."""
    required: set[JobName] = set()
    pending = list(jobs.values())
    while pending:
        job = pending.pop()
        needed, must_run = _needed(candidates, job)
        for name in needed:
            other = candidates.get(name)
            if other is None:
                continue
            if must_run:
                required.add(name)
            if name not in jobs:
                jobs[name] = other
                pending.append(other)
    return required


def _needed(
    candidates: _Candidates, job: Job
) -> tuple[tuple[JobName, ...] | list[JobName], bool]:
    """Return the names of what a job needs, and whether the job asks for them."""
    if job.needs is not None:
        return [need.job for need in job.needs], True
    if job.dependencies is not None:
        return job.dependencies, True
    stages = candidates.pipeline.stages
    earlier = set(stages[: stages.index(job.stage)])
    return [
        other.name
        for other in candidates.pipeline.jobs.values()
        if other.stage in earlier and other.artifacts and other.when is not When.MANUAL
    ], False


def _in_order(candidates: _Candidates, jobs: Mapping[JobName, Job]) -> list[Job]:
    """Return the jobs in the pipeline's order, the excluded ones in their stages."""
    stages = {stage: index for index, stage in enumerate(candidates.pipeline.stages)}
    chosen = [job for job in candidates if job.name in jobs]
    if any(job.name in candidates.excluded for job in chosen):
        chosen.sort(key=lambda job: stages[job.stage])
    return chosen


def _part(job: Job, jobs: Mapping[JobName, Job]) -> Job:
    """Return a job that runs without what it needs.

    Where none of its needs runs it becomes a job of its stage, whose artifacts come
    from the same jobs as before: those of an earlier run.
    """
    if job.needs is None or any(need.job in jobs for need in job.needs):
        dependencies = job.dependencies
        return replace(_prune(job, jobs), dependencies=dependencies)
    sources = tuple(need.job for need in job.needs if need.artifacts)
    if job.dependencies is not None:
        sources = tuple(name for name in sources if name in job.dependencies)
    return replace(_prune(job, jobs), needs=None, dependencies=sources)


def _prune(job: Job, jobs: Mapping[JobName, Job]) -> Job:
    """Return a job that needs only jobs that run, and that may run."""
    needs, dependencies = job.needs, job.dependencies
    if needs is not None:
        needs = tuple(need for need in needs if need.job in jobs)
    if dependencies is not None:
        dependencies = tuple(name for name in dependencies if name in jobs)
    when = When.ON_SUCCESS if job.when is When.NEVER else job.when
    return replace(job, needs=needs, dependencies=dependencies, when=when)


def _notes(
    jobs: Iterable[Job],
    explicit: set[JobName],
    required: set[JobName],
    excluded: Mapping[JobName, Job],
) -> Iterator[str]:
    for job in jobs:
        if job.name in excluded and job.name in explicit:
            yield f'"{job.name}" runs as you named it, though its rules exclude it'
        elif job.name in excluded:
            yield f'"{job.name}" runs as it is needed, though its rules exclude it'
        elif job.when is When.MANUAL and job.name in required - explicit:
            yield f'the manual job "{job.name}" is played as it is needed'


def _job_words(jobs: Iterable[Job]) -> list[str]:
    return list(
        dict.fromkeys(word for job in jobs for word in (job.name, job.base_name))
    )


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is not known, with the closest one that is."""
    known = list(known)
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        hint = f'did you mean "{close[0]}"?'
    elif known:
        hint = "there are: " + ", ".join(known[:20]) + (" …" if known[20:] else "")
    else:
        hint = None
    return UsageError(f'no {kind} "{name}"', hint=hint)
