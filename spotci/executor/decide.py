"""Pure decisions: which job may start, whether to retry, what a pipeline's status is.

GitLab decides by one function, the composite status of a set of jobs; see "CI/CD
pipelines" and ``when``, ``needs``, ``allow_failure``, ``retry`` in its YAML reference.
The life of a job here:

    created ─▶ pending ─▶ running ─▶ success | failed | canceled
       ├─────▶ manual ──play──▶ pending
       ├─────▶ scheduled ──its time──▶ pending
       └─────▶ skipped ──something before it is played or retried──▶ created
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, TypeAlias

from spotci.events import FailureReason, JobStatus
from spotci.pipeline import When

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from spotci.events import JobResult
    from spotci.pipeline import AllowFailure, Job, JobName, Pipeline

__all__ = [
    "Member",
    "Processing",
    "TransitionEvent",
    "composite",
    "may_fail",
    "should_retry",
]

#: A status with whether the failure of that job is allowed.
Member: TypeAlias = "tuple[JobStatus, bool]"

TransitionEvent: TypeAlias = Literal[
    "run", "success", "drop", "cancel", "play", "retry"
]

_SUCCESS, _FAILED, _CANCELED = JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELED
_SKIPPED, _MANUAL, _CREATED = JobStatus.SKIPPED, JobStatus.MANUAL, JobStatus.CREATED
_PENDING, _RUNNING = JobStatus.PENDING, JobStatus.RUNNING
_SCHEDULED, _PREPARING = JobStatus.SCHEDULED, JobStatus.PREPARING
_WAITING = JobStatus.WAITING_FOR_RESOURCE
#: A failed or canceled job whose failure is allowed; an optional manual job.
_WARN, _IGNORED = "warn", "ignored"

_ENDED = frozenset({_SUCCESS, _FAILED, _SKIPPED, _CANCELED})

_DAG_ENDED = _ENDED | {_WARN}
#: What decides jobs that need a job with this word, alone or with other needs.
_SETTLED = _DAG_ENDED | {_IGNORED}
#: The first status whose words cover a whole set of jobs is that of the set; …
_ONLY: tuple[tuple[JobStatus, frozenset[str]], ...] = (
    (_SKIPPED, frozenset({_SKIPPED, _IGNORED})),
    (_SUCCESS, frozenset({_SUCCESS, _SKIPPED, _WARN, _IGNORED})),
    (_CREATED, frozenset({_CREATED, _WARN, _IGNORED})),
    (_PREPARING, frozenset({_PREPARING, _WARN, _IGNORED})),
    (_CANCELED, frozenset({_CANCELED, _SUCCESS, _SKIPPED, _WARN, _IGNORED})),
    (_PENDING, frozenset({_PENDING, _CREATED, _SKIPPED, _WARN, _IGNORED})),
)
#: … where none covers it, the first of which any job has a word; else it failed.
_ANY: tuple[tuple[JobStatus, frozenset[str]], ...] = (
    (_RUNNING, frozenset({_RUNNING, _PENDING})),
    (_WAITING, frozenset({_WAITING})),
    (_MANUAL, frozenset({_MANUAL})),
    (_SCHEDULED, frozenset({_SCHEDULED})),
    (_PREPARING, frozenset({_PREPARING})),
    (_RUNNING, frozenset({_CREATED})),
)

#: What a job may find before it, by its ``when``: (in stages, by needs).
_ACCEPTED = {
    When.ON_SUCCESS: (frozenset({_SUCCESS, _SKIPPED}), frozenset({_SUCCESS})),
    When.ON_FAILURE: (frozenset({_FAILED}), frozenset({_FAILED})),
    When.ALWAYS: (frozenset({_SUCCESS, _FAILED, _SKIPPED}),) * 2,
}

#: GitLab never retries after these by itself, whatever ``retry`` says.
_NEVER_RETRIED = frozenset({FailureReason.MISSING_DEPENDENCY_FAILURE})

#: Names of ``retry:when`` that cover a reason besides the one of the same name.
_RETRY_NAMES = {
    FailureReason.JOB_EXECUTION_TIMEOUT: "stuck_or_timeout_failure",
    FailureReason.IMAGE_PULL_FAILURE: "runner_system_failure",
}


def composite(members: Iterable[Member], *, dag: bool = False) -> JobStatus | None:
    """Return the status of a set of jobs, None for an empty set.

    With ``dag`` the set is the needs of one job, which waits until all have ended and
    is not started after one that was skipped or left manual.
    """
    return _composite({_effective(*member) for member in members}, dag=dag)


def _composite(found: AbstractSet[str], *, dag: bool = False) -> JobStatus | None:
    if not found:
        return None
    if dag and found & {_SKIPPED, _IGNORED}:
        return _SKIPPED
    if dag and not found <= _DAG_ENDED:
        return _PENDING
    for status, words in _ONLY:
        if found <= words:
            return status
    for status, words in _ANY:
        if found & words:
            return status
    return _FAILED


def _effective(status: JobStatus, allowed: bool) -> str:  # noqa: FBT001 - a pair's half
    if allowed and status in (_FAILED, _CANCELED):
        return _WARN
    if allowed and status is _MANUAL:
        return _IGNORED
    return status


def may_fail(allow_failure: AllowFailure, exit_code: int | None) -> bool:
    """Return whether a failure with this exit code is allowed (``allow_failure``)."""
    if allow_failure.exit_codes:
        return exit_code in allow_failure.exit_codes
    return allow_failure.allowed


def should_retry(job: Job, result: JobResult) -> bool:
    """Return whether a failed attempt is followed by another (``retry``).

    ``when`` and ``exit_codes`` are alternatives; with neither, every failure counts.
    """
    reason = result.failure_reason
    if (
        result.status is not _FAILED
        or result.attempt > job.retry.max
        or reason in _NEVER_RETRIED
    ):
        return False
    if result.exit_code is not None and result.exit_code in job.retry.exit_codes:
        return True
    words = job.retry.when
    if not words:
        return not job.retry.exit_codes
    if "always" in words or reason is None:
        return "always" in words
    return reason in words or _RETRY_NAMES.get(reason) in words


class Processing:
    """The statuses of a pipeline's jobs, processed until nothing changes any more.

    It does no I/O and starts nothing: the scheduler tells it what happened and looks
    which jobs are pending. Statuses of stages and of the pipeline follow from those of
    the jobs; only the pipeline's remembers that it has run before.

    A change is followed where it can matter, so that its cost does not grow with the
    number of jobs: to the jobs that need this one, and to the first stage with jobs
    that are undecided. No later stage can start before that one is decided.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._status: dict[JobName, JobStatus] = {}
        #: Whether a failure (or staying manual) of the job is allowed, as known now.
        self._allowed: dict[JobName, bool] = {}
        self._stages: dict[str, list[Job]] = {stage: [] for stage in pipeline.stages}
        self._position = {stage: at for at, stage in enumerate(self._stages)}
        self._order = {name: at for at, name in enumerate(pipeline.jobs)}
        #: How many jobs of each stage, and of all, have each word of ``_effective``.
        self._words = {stage: Counter[str]() for stage in self._stages}
        self._all_words = Counter[str]()
        #: The created jobs of each stage that wait for the stages before.
        self._waiting: dict[str, dict[JobName, Job]] = {s: {} for s in self._stages}
        self._needed_by: dict[JobName, list[Job]] = {name: [] for name in pipeline.jobs}
        #: Jobs with ``needs`` that are to be looked at.
        self._agenda: list[Job] = []
        self._changed: set[JobName] = set()
        self._pipeline_status = _CREATED
        for job in pipeline.jobs.values():
            self._stages[job.stage].append(job)
            for name in {need.job for need in job.needs or ()}:
                self._needed_by[name].append(job)
        for job in pipeline.jobs.values():
            self._put(job, _CREATED, allowed=_allowed_at_first(job))
        self.process()

    def status(self, job: JobName) -> JobStatus:
        """Return the status of a job."""
        return self._status[job]

    def statuses(self) -> dict[JobName, JobStatus]:
        """Return the status of every job, in the order of the pipeline."""
        return dict(self._status)

    def take_changed(self) -> list[tuple[JobName, JobStatus]]:
        """Return what may have changed since the last call, with its status now."""
        names = sorted(self._changed, key=self._order.__getitem__)
        self._changed.clear()
        return [(name, self._status[name]) for name in names]

    def in_status(self, status: JobStatus) -> list[Job]:
        """Return the jobs that have this status, in the order of the stages."""
        return [
            job
            for jobs in self._stages.values()
            for job in jobs
            if self._status[job.name] is status
        ]

    def stage_status(self, stage: str) -> JobStatus | None:
        """Return the status of a stage, None where it has no jobs."""
        return _composite(self._words[stage].keys())

    def pipeline_status(self) -> JobStatus:
        """Return the status of the pipeline."""
        return self._pipeline_status

    def has_warnings(self) -> bool:
        """Return whether a job failed whose failure is allowed."""
        return any(
            status is _FAILED and self._allowed[name]
            for name, status in self._status.items()
        )

    def apply(self, event: TransitionEvent, job: JobName) -> None:
        """Let something happen to a job, and process the pipeline."""
        match event:
            case "run":
                self.set(job, _RUNNING)
            case "success":
                self.set(job, _SUCCESS)
            case "drop":
                self.set(job, _FAILED)
            case "cancel":
                self.set(job, _CANCELED)
            case "play" | "retry":
                self._revive_after(self._pipeline.jobs[job])
                self.set(job, _PENDING)

    def set(
        self, job: JobName, status: JobStatus, *, allow_failure: bool | None = None
    ) -> None:
        """Give a job a status, and process the pipeline.

        ``allow_failure`` says whether this failure is allowed, where its exit code
        decided that.
        """
        self._put(self._pipeline.jobs[job], status, allowed=allow_failure)
        self.process()

    def process(self) -> None:
        """Decide every created job whose predecessors have ended, until stable."""
        while self._agenda or self._begin_stage():
            while self._agenda:
                job = self._agenda.pop()
                if self._status[job.name] is _CREATED:
                    self._decide_by_needs(job)
        self._follow(_composite(self._all_words.keys()))

    def _put(self, job: Job, status: JobStatus, *, allowed: bool | None = None) -> None:
        """Give a job a status, and note all that this can change."""
        name = job.name
        counts = (self._words[job.stage], self._all_words)
        if name in self._status:
            word = _effective(self._status[name], self._allowed[name])
            for count in counts:
                count[word] -= 1
                if not count[word]:
                    del count[word]
        self._status[name] = status
        if allowed is not None:
            self._allowed[name] = allowed
        word = _effective(status, self._allowed[name])
        for count in counts:
            count[word] += 1
        self._changed.add(name)
        if word in _SETTLED:
            self._agenda += self._needed_by[name]
        if job.needs is not None:
            self._agenda.append(job)
        elif status is _CREATED:
            self._waiting[job.stage][name] = job
        else:
            self._waiting[job.stage].pop(name, None)

    def _begin_stage(self) -> bool:
        """Decide the first undecided stage; False if there is none or it must wait."""
        before: set[str] = set()
        for stage, waiting in self._waiting.items():
            if waiting:
                prior = _composite(before) or _SUCCESS
                return prior in _ENDED and self._decide_all(waiting, prior)
            before |= self._words[stage].keys()
        return False

    def _decide_all(self, waiting: dict[JobName, Job], prior: JobStatus) -> bool:
        for job in tuple(waiting.values()):
            self._decide(job, prior)
        return True

    def _decide_by_needs(self, job: Job) -> None:
        needed = (need.job for need in job.needs or ())
        members = ((self._status[name], self._allowed[name]) for name in needed)
        prior = composite(members, dag=True) or _SUCCESS
        if prior in _ENDED:
            self._decide(job, prior)

    def _decide(self, job: Job, prior: JobStatus) -> None:
        when = When.ON_SUCCESS if job.when in (When.MANUAL, When.DELAYED) else job.when
        if prior not in _ACCEPTED[when][job.needs is not None]:
            self._put(job, _SKIPPED)
        elif job.when is When.MANUAL:
            self._put(job, _MANUAL)
        elif job.when is When.DELAYED:
            self._put(job, _SCHEDULED)
        else:
            self._put(job, _PENDING)

    def _revive_after(self, played: Job) -> None:
        """Put skipped jobs back to created: those of later stages or in need of it."""
        revived = {played.name}
        for jobs in self._stages.values():
            for job in jobs:
                needs = {need.job for need in job.needs or ()}
                later = self._position[job.stage] > self._position[played.stage]
                if job.name != played.name and (later or needs & revived):
                    revived.add(job.name)
                    if self._status[job.name] is _SKIPPED:
                        self._put(job, _CREATED)

    def _follow(self, status: JobStatus | None) -> None:
        """Take the composite of all jobs; what ran before is not pending again."""
        if status is None:
            return
        if status is _PENDING and self._pipeline_status in (
            _RUNNING,
            _SUCCESS,
            _FAILED,
            _CANCELED,
        ):
            status = _RUNNING
        self._pipeline_status = status


def _allowed_at_first(job: Job) -> bool:
    """Return what holds before the job ran: with exit codes it blocks when manual."""
    return job.allow_failure.allowed and not job.allow_failure.exit_codes
