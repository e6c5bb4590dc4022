"""What happens in a run: the events that the executor sends and the reports read.

Every event is frozen, has ``at`` (seconds since the epoch) and becomes one line of
JSON. The reports know a run by its events alone.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotci.pipeline import JobName

__all__ = [
    "ArtifactsSaved",
    "ChildPipelineFinished",
    "ChildPipelineStarted",
    "Event",
    "FailureReason",
    "JobFinished",
    "JobLog",
    "JobResult",
    "JobStatus",
    "JobStatusChanged",
    "Notice",
    "PipelineFinished",
    "PipelineStarted",
    "PlannedJob",
    "Progress",
    "SectionFinished",
    "SectionStarted",
    "TestCounts",
]


class JobStatus(StrEnum):
    """GitLab's statuses of jobs, stages and pipelines."""

    CREATED = "created"
    WAITING_FOR_RESOURCE = "waiting_for_resource"
    PREPARING = "preparing"
    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"
    SKIPPED = "skipped"
    MANUAL = "manual"
    SCHEDULED = "scheduled"


class FailureReason(StrEnum):
    """GitLab's failure reasons, as ``retry:when`` compares them."""

    SCRIPT_FAILURE = "script_failure"
    RUNNER_SYSTEM_FAILURE = "runner_system_failure"
    JOB_EXECUTION_TIMEOUT = "job_execution_timeout"
    IMAGE_PULL_FAILURE = "image_pull_failure"
    MISSING_DEPENDENCY_FAILURE = "missing_dependency_failure"
    UNMET_PREREQUISITES = "unmet_prerequisites"
    DATA_INTEGRITY_FAILURE = "data_integrity_failure"
    DOWNSTREAM_PIPELINE_CREATION_FAILED = "downstream_pipeline_creation_failed"
    REACHED_MAX_DESCENDANT_PIPELINES_DEPTH = "reached_max_descendant_pipelines_depth"
    PIPELINE_LOOP_DETECTED = "pipeline_loop_detected"
    UNKNOWN_FAILURE = "unknown_failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCounts:
    """Sums over the junit reports of a job."""

    __test__ = False  # the name is a word of the domain, not a test class

    total: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How one job ended: what needs, retry and the summary look at.

    Times are seconds since the epoch, None where the job never started.
    """

    job: JobName
    status: JobStatus
    exit_code: int | None = None
    failure_reason: FailureReason | None = None
    #: One sentence for the user where the reason needs one.
    message: str | None = None
    #: Whether the failure is allowed, after ``allow_failure:exit_codes``.
    allow_failure: bool = False
    attempt: int = 1
    started_at: float | None = None
    finished_at: float | None = None
    #: Percent.
    coverage: float | None = None
    tests: TestCounts | None = None
    environment_url: str | None = None
    #: The tag of the ``release`` that GitLab would have made.
    release: str | None = None
    #: What the script of a job that failed printed last, masked.
    last_lines: tuple[str, ...] = ()

    @property
    def duration(self) -> float | None:
        """Seconds from start to end, None where the job never started."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJob:
    """What a report needs to know of a job before it starts."""

    name: JobName
    stage: str
    when: str
    #: The jobs that it waits for.
    needs: tuple[JobName, ...] = ()
    allow_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineStarted:
    """First event of a run."""

    at: float
    run: str
    name: str | None
    source: str
    ref: str
    sha: str
    stages: tuple[str, ...]
    jobs: tuple[PlannedJob, ...]
    #: Where the record of the run lies, relative to the project.
    record: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPipelineStarted:
    """A bridge started a pipeline, child or of another project, in the same run.

    ``job`` is the bridge. The names of ``jobs`` begin with it and `` / ``, and so do
    those of all events of these jobs.
    """

    at: float
    job: JobName
    name: str | None = None
    stages: tuple[str, ...] = ()
    jobs: tuple[PlannedJob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPipelineFinished:
    """A pipeline that a bridge started has ended; the bridge may have ended before."""

    at: float
    job: JobName
    status: JobStatus
    #: Seconds.
    duration: float = 0.0
    passed_with_warnings: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatusChanged:
    """A job took another status; ``message`` says why where that is not plain."""

    at: float
    job: JobName
    status: JobStatus
    attempt: int = 1
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionStarted:
    """A phase of a job, or a section of its script, began."""

    at: float
    job: JobName
    section: str
    title: str
    collapsed: bool = False
    #: In the record of a run: where its lines begin in the log, in bytes.
    offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionFinished:
    """A section ended."""

    at: float
    job: JobName
    section: str
    #: In the record of a run: where its lines end in the log, in bytes.
    offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLog:
    """Lines of a job's log, masked; one event holds as many as arrived together.

    ``text`` is one or more whole lines, joined by a newline, without the last one:
    a job that prints 50 MB in a second makes hundreds of events, not a million. Who
    sends it has made it safe for a terminal: of escape sequences there are colours, of
    control characters tabs and newlines, and reports show it as it is.
    ``kind`` is ``output`` for what the script printed, ``runner`` for spotci's own
    lines, ``service`` for those of a service.
    """

    at: float
    job: JobName
    text: str
    kind: str = "output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Progress of something slow: ``what`` is ``image``, ``snapshot``, ``engine``.

    ``done`` and ``total`` are bytes; total None is unknown.
    A report shows the last one for each ``subject``; ``finished`` ends it.
    """

    at: float
    what: str
    subject: str
    text: str = ""
    done: int = 0
    total: int | None = None
    finished: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactsSaved:
    """Artifacts of a job are in its record; ``path`` is relative to the project.

    ``name`` is that of the archive that GitLab would offer: ``artifacts:name``.
    """

    at: float
    job: JobName
    path: str
    files: int
    bytes: int
    name: str = "artifacts"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished:
    """The last attempt of a job ended, or the job was skipped or left manual."""

    at: float
    result: JobResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One line for the user that belongs to no job; level is info or warning."""

    at: float
    text: str
    level: str = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineFinished:
    """Last event of a run. ``coverage`` is the mean over the jobs, in percent.

    ``results`` hold those of child pipelines, too; the status is that of the parent.
    """

    at: float
    status: JobStatus
    results: Mapping[JobName, JobResult] = field(
        default_factory=lambda: MappingProxyType({})
    )
    coverage: float | None = None
    #: Seconds.
    duration: float = 0.0
    passed_with_warnings: bool = False


Event: TypeAlias = (
    PipelineStarted
    | ChildPipelineStarted
    | ChildPipelineFinished
    | JobStatusChanged
    | SectionStarted
    | SectionFinished
    | JobLog
    | Progress
    | ArtifactsSaved
    | JobFinished
    | Notice
    | PipelineFinished
)
