"""The pipeline: the value that the parser makes and the executor runs.

Everything here is frozen and resolved: ``include``, ``extends``, ``default``,
``!reference``, ``parallel``, ``rules`` and ``only``/``except`` have been applied.
Variables are not expanded yet: dotenv reports can still change them.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NewType

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    import networkx as nx

    from spotci.source import Span
    from spotci.variables import Variable

__all__ = [
    "AllowFailure",
    "Artifacts",
    "ArtifactsAccess",
    "Cache",
    "CacheKey",
    "CachePolicy",
    "CrossNeed",
    "Environment",
    "EnvironmentAction",
    "Image",
    "Job",
    "JobName",
    "Need",
    "Parallel",
    "Pipeline",
    "Release",
    "Retry",
    "SaveWhen",
    "Service",
    "Trigger",
    "TriggerForward",
    "TriggerStrategy",
    "When",
]

JobName = NewType("JobName", str)


class When(StrEnum):
    """Values of ``when``."""

    ON_SUCCESS = "on_success"
    ON_FAILURE = "on_failure"
    ALWAYS = "always"
    MANUAL = "manual"
    DELAYED = "delayed"
    NEVER = "never"


class SaveWhen(StrEnum):
    """Values of ``artifacts:when`` and ``cache:when``."""

    ON_SUCCESS = "on_success"
    ON_FAILURE = "on_failure"
    ALWAYS = "always"


class CachePolicy(StrEnum):
    """Values of ``cache:policy``."""

    PULL_PUSH = "pull-push"
    PULL = "pull"
    PUSH = "push"


class EnvironmentAction(StrEnum):
    """Values of ``environment:action``."""

    START = "start"
    STOP = "stop"
    PREPARE = "prepare"
    VERIFY = "verify"
    ACCESS = "access"


class TriggerStrategy(StrEnum):
    """Values of ``trigger:strategy``."""

    DEPEND = "depend"
    MIRROR = "mirror"


class ArtifactsAccess(StrEnum):
    """Values of ``artifacts:access``."""

    ALL = "all"
    DEVELOPER = "developer"
    MAINTAINER = "maintainer"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """``image``; ``entrypoint`` None keeps the image's own."""

    name: str
    entrypoint: tuple[str, ...] | None = None
    pull_policy: tuple[str, ...] = ()
    user: str | None = None
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An entry of ``services``."""

    name: str
    aliases: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    variables: tuple[Variable, ...] = ()
    pull_policy: tuple[str, ...] = ()
    user: str | None = None
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """An entry of ``needs`` in this pipeline; ``optional`` has been resolved."""

    job: JobName
    artifacts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossNeed:
    """``needs:project`` or ``needs:pipeline``: artifacts from another pipeline.

    Without a job, the job mirrors the status of the project in ``pipeline``.
    """

    job: str | None
    project: str | None = None
    ref: str | None = None
    pipeline: str | None = None
    artifacts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowFailure:
    """``allow_failure``, effective: with exit codes, only those may fail."""

    allowed: bool = False
    exit_codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifacts:
    """``artifacts``. ``expire_in`` None is the server's default, as text otherwise."""

    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    untracked: bool = False
    when: SaveWhen = SaveWhen.ON_SUCCESS
    name: str | None = None
    expire_in: str | None = None
    expose_as: str | None = None
    public: bool | None = None
    access: ArtifactsAccess | None = None
    #: Report kind to patterns, such as ``{"junit": ("report.xml",)}``; of
    #: ``coverage_report`` its path, with the format in ``coverage_format``.
    reports: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    coverage_format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """``cache:key``: a text, or the files whose content makes the key."""

    text: str | None = None
    files: tuple[str, ...] = ()
    files_commits: tuple[str, ...] = ()
    prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """One entry of ``cache``. ``policy`` may be a variable, so it is a text."""

    key: CacheKey = field(default_factory=CacheKey)
    paths: tuple[str, ...] = ()
    untracked: bool = False
    policy: str = CachePolicy.PULL_PUSH
    when: SaveWhen = SaveWhen.ON_SUCCESS
    unprotect: bool = False
    fallback_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """``retry``: ``max`` further attempts, for these failure reasons or exit codes."""

    max: int = 0
    when: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """``environment``; name and url are not expanded yet."""

    name: str
    action: EnvironmentAction = EnvironmentAction.START
    url: str | None = None
    on_stop: str | None = None
    auto_stop_in: str | None = None
    deployment_tier: str | None = None
    kubernetes: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """``release``, as written, for the record of the run."""

    tag_name: str
    description: str
    fields: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerForward:
    """``trigger:forward``."""

    yaml_variables: bool = True
    pipeline_variables: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """``trigger``: another project, or the files of a child pipeline.

    ``include`` holds the entries as plain mappings, each with one of ``local``,
    ``project``, ``remote``, ``template``, ``component`` or ``artifact``.
    """

    project: str | None = None
    branch: str | None = None
    include: tuple[Mapping[str, Any], ...] = ()
    strategy: TriggerStrategy | None = None
    forward: TriggerForward = field(default_factory=TriggerForward)
    inputs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """Which instance of a ``parallel`` job this is: ``index`` of ``total``, from 1."""

    index: int
    total: int
    matrix: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


#: Defaults that all jobs share: a job has many fields, and a pipeline many jobs.
_NOT_ALLOWED_TO_FAIL = AllowFailure()
_NO_RETRY = Retry()
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job, fully resolved: nothing in it is left to look up in the YAML.

    Scripts keep their ``$VARIABLES``: those belong to the shell of the job.
    ``needs`` is None where the job waits for the earlier stages, and a tuple, maybe
    an empty one, where it has ``needs``: GitLab decides the two by different rules.
    """

    name: JobName
    #: The key in the YAML: the name without the suffix of ``parallel``.
    base_name: str
    stage: str
    script: tuple[str, ...] = ()
    before_script: tuple[str, ...] = ()
    after_script: tuple[str, ...] = ()
    pre_get_sources_script: tuple[str, ...] = ()
    #: ``run`` steps, as written.
    run: tuple[Mapping[str, Any], ...] = ()
    image: Image | None = None
    services: tuple[Service, ...] = ()
    variables: tuple[Variable, ...] = ()
    needs: tuple[Need, ...] | None = None
    cross_needs: tuple[CrossNeed, ...] = ()
    dependencies: tuple[JobName, ...] | None = None
    when: When = When.ON_SUCCESS
    start_in: timedelta | None = None
    #: ``start_in`` as written.
    start_in_text: str | None = None
    allow_failure: AllowFailure = _NOT_ALLOWED_TO_FAIL
    retry: Retry = _NO_RETRY
    timeout: timedelta | None = None
    interruptible: bool | None = None
    resource_group: str | None = None
    tags: tuple[str, ...] = ()
    #: The regular expression of ``coverage``, without its slashes.
    coverage: str | None = None
    artifacts: Artifacts | None = None
    cache: tuple[Cache, ...] = ()
    environment: Environment | None = None
    release: Release | None = None
    trigger: Trigger | None = None
    parallel: Parallel | None = None
    manual_confirmation: str | None = None
    #: Of ``inputs`` of the job: the defaults by name.
    inputs: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    identity: str | None = None
    id_tokens: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    secrets: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    #: ``pages``: True or its mapping; None where the job publishes nothing.
    pages: bool | Mapping[str, Any] | None = None
    extends: tuple[str, ...] = ()
    #: Index of the matched entry of ``rules``, None where the job has no rules.
    rule: int | None = None
    #: Where the job is written. Not part of its identity: moving a job in the file
    #: does not make it another job.
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def is_bridge(self) -> bool:
        """Whether the job starts another pipeline instead of a script."""
        return self.trigger is not None or any(
            need.job is None for need in self.cross_needs
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The jobs of one pipeline: acyclic, all names known, in the order of GitLab.

    ``stages`` are all stages in order, ``.pre`` and ``.post`` included; a stage
    without jobs does not count. ``variables`` are those that are not of one job.
    """

    name: str | None = None
    source: str
    ref: str
    stages: tuple[str, ...]
    jobs: Mapping[JobName, Job]
    variables: tuple[Variable, ...] = ()
    #: ``workflow:auto_cancel``.
    auto_cancel_on_new_commit: str = "conservative"
    auto_cancel_on_job_failure: str = "none"

    def stage_jobs(self, stage: str) -> tuple[Job, ...]:
        """Return the jobs of a stage, in their order."""
        return tuple(job for job in self.jobs.values() if job.stage == stage)

    def waits_for(self, job: Job) -> tuple[JobName, ...]:
        """Return the jobs that must end before ``job`` is decided.

        They are its ``needs``, or else all jobs of the earlier stages.
        """
        if job.needs is not None:
            return tuple(need.job for need in job.needs)
        return self._before(job.stage)

    def predecessors(self) -> dict[JobName, tuple[JobName, ...]]:
        """Return :meth:`waits_for` of every job, in time linear in what it returns.

        Jobs that wait for the same earlier stages share one tuple.
        """
        before = {
            stage: self._before(stage)
            for stage in {job.stage for job in self.jobs.values() if job.needs is None}
        }
        return {
            name: before[job.stage] if job.needs is None else self.waits_for(job)
            for name, job in self.jobs.items()
        }

    def _before(self, stage: str) -> tuple[JobName, ...]:
        earlier = set(self.stages[: self.stages.index(stage)])
        return tuple(job.name for job in self.jobs.values() if job.stage in earlier)

    def artifact_sources(self, job: Job) -> tuple[JobName, ...]:
        """Return the jobs whose artifacts ``job`` downloads, in that order.

        ``dependencies`` restricts them; with ``needs`` those with ``artifacts: true``;
        otherwise all jobs of the earlier stages.
        """
        if job.needs is not None:
            names = [need.job for need in job.needs if need.artifacts]
        else:
            names = list(self.waits_for(job))
        if job.dependencies is not None:
            names = [name for name in names if name in job.dependencies]
        position = {name: index for index, name in enumerate(self.jobs)}
        return tuple(sorted(set(names), key=position.__getitem__))

    def graph(self) -> nx.DiGraph[JobName]:
        """Return the DAG: an edge from each job to those that wait for it."""
        import networkx as nx  # noqa: PLC0415 - 100 ms, and only some commands draw

        graph: nx.DiGraph[JobName] = nx.DiGraph()
        graph.add_nodes_from(self.jobs)
        for job, needed in self.predecessors().items():
            graph.add_edges_from((name, job) for name in needed)
        return graph
