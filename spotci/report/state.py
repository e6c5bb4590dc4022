"""The state of a run as its events tell it: what the board and the summary show."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.events import (
    ArtifactsSaved,
    ChildPipelineFinished,
    ChildPipelineStarted,
    JobFinished,
    JobLog,
    JobStatus,
    JobStatusChanged,
    Notice,
    PipelineFinished,
    PipelineStarted,
    PlannedJob,
    Progress,
    SectionFinished,
    SectionStarted,
)
from spotci.tail import Tail

if TYPE_CHECKING:
    from spotci.events import (
        Event,
        JobResult,
    )
    from spotci.pipeline import JobName

__all__ = ["JobState", "RunState"]

#: Lines of a log that the board may show.
_TAIL = 20
_ACTIVE = (JobStatus.PREPARING, JobStatus.RUNNING)
#: The section of the script; what the runner said before it is of no use after.
_SCRIPT = "step_script"


@dataclass(slots=True)
class JobState:
    """One job, so far. Times are seconds since the epoch."""

    plan: PlannedJob
    status: JobStatus = JobStatus.CREATED
    attempt: int = 1
    running_since: float | None = None
    message: str | None = None
    #: Why the attempt before this one failed, in words.
    retried: str | None = None
    #: Titles of the sections that are open, the outermost first, by their names.
    sections: dict[str, str] = field(default_factory=dict)
    #: The last lines of the log; once the script began, of what it printed.
    tail: Tail = field(default_factory=lambda: Tail(_TAIL))
    artifacts: ArtifactsSaved | None = None
    result: JobResult | None = None
    #: Of a job in a child pipeline: the job of the run that led to it.
    bridge: JobName | None = None
    #: Of a bridge: how its pipeline ended.
    child: ChildPipelineFinished | None = None

    @property
    def warning(self) -> bool:
        """Whether the job failed and may."""
        failed = self.status is JobStatus.FAILED
        return failed and self.result is not None and self.result.allow_failure


@dataclass(slots=True)
class RunState:
    """A run, so far: feed it every event."""

    started: PipelineStarted | None = None
    finished: PipelineFinished | None = None
    jobs: dict[JobName, JobState] = field(default_factory=dict)
    progress: dict[tuple[str, str], Progress] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    #: The most jobs that were active at once so far.
    most_active: int = 0

    def handle(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case PipelineStarted():
                self.started = event
                self.jobs = {job.name: JobState(job) for job in event.jobs}
            case ChildPipelineStarted() | ChildPipelineFinished():
                self._downstream(event)
            case Progress():
                self._track(event)
            case Notice():
                self.notices.append(event)
            case PipelineFinished():
                self.finished = event
                self.progress.clear()
            case JobFinished():
                self._finish(self.job(event.result.job), event.result)
            case _:
                self._of_job(self.job(event.job), event)

    def job(self, name: JobName) -> JobState:
        """Return a job; one that was not announced, as of a child pipeline, too."""
        if name not in self.jobs:
            self.jobs[name] = JobState(
                PlannedJob(name=name, stage="", when="on_success")
            )
        return self.jobs[name]

    def _downstream(self, event: ChildPipelineStarted | ChildPipelineFinished) -> None:
        """Put the jobs of a child pipeline behind their bridge; note its end."""
        bridge = self.job(event.job)
        if isinstance(event, ChildPipelineFinished):
            bridge.child = event
            return
        outermost = bridge.bridge or event.job
        jobs: dict[JobName, JobState] = {}
        for name, job in self.jobs.items():
            jobs[name] = job
            if job is bridge:
                jobs |= {
                    plan.name: JobState(plan, bridge=outermost) for plan in event.jobs
                }
        self.jobs = jobs

    def ended(self) -> list[JobState]:
        """Return the jobs that have a result, in the order of the pipeline."""
        return [job for job in self.jobs.values() if job.result is not None]

    def with_status(self, *statuses: JobStatus) -> list[JobState]:
        """Return the jobs that have one of these statuses now."""
        return [job for job in self.jobs.values() if job.status in statuses]

    def _of_job(
        self,
        job: JobState,
        event: JobStatusChanged
        | SectionStarted
        | SectionFinished
        | JobLog
        | ArtifactsSaved,
    ) -> None:
        match event:
            case JobStatusChanged():
                self._change(job, event)
            case SectionStarted() | SectionFinished():
                self._section(job, event)
            case JobLog():
                job.tail.feed(event.text)
            case ArtifactsSaved():
                job.artifacts = event

    def _change(self, job: JobState, event: JobStatusChanged) -> None:
        if event.attempt != job.attempt:
            job.running_since = None
            job.tail.clear()
        if event.status in _ACTIVE:
            job.running_since = job.running_since or event.at
        job.status, job.attempt = event.status, event.attempt
        job.message = event.message
        if event.status is JobStatus.PENDING and event.attempt > 1:
            job.retried = event.message
        if event.status in _ACTIVE:
            self.most_active = max(self.most_active, len(self.with_status(*_ACTIVE)))

    @staticmethod
    def _finish(job: JobState, result: JobResult) -> None:
        job.status, job.attempt, job.result = result.status, result.attempt, result
        job.sections.clear()

    @staticmethod
    def _section(job: JobState, event: SectionStarted | SectionFinished) -> None:
        if isinstance(event, SectionStarted):
            job.sections[event.section] = event.title
            if event.section == _SCRIPT:
                job.tail.clear()
        else:
            job.sections.pop(event.section, None)

    def _track(self, event: Progress) -> None:
        key = (event.what, event.subject)
        if event.finished:
            self.progress.pop(key, None)
        else:
            self.progress[key] = event
