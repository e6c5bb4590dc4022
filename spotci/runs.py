"""The records of runs: ``.spotci/runs/<id>/``.

::

    .spotci/
      .gitignore            "*": nothing of ours is ever committed
      number                CI_PIPELINE_IID of the next run
      runs/<id>/
        run.json            what was run, by which process; at the end how it ended
        events.jsonl        every event but the logs, one a line
        logs/<slug>.log     what each job printed
        artifacts/<slug>/   what each job handed on
        variables.json      what the variables were; secrets are masked
        dotenv/<slug>.env   the variables that it handed on
        scratch/            files that the run needs for itself, until its end
        reserve             room on the disk for the end of the record, until then

``run.json`` is written twice, each time atomically: at the start and at the end. A run
without an end whose process is gone has crashed; its events still tell how far it came.
Names with a ``~`` are folders that come into being or go.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from spotci.dataclass import dataclass
from spotci.errors import UsageError
from spotci.event_json import decode_event, encode_value, result_from
from spotci.events import (
    ChildPipelineStarted,
    JobFinished,
    JobStatus,
    PipelineStarted,
)
from spotci.pipeline import JobName
from spotci.processes import ProcessStamp, current_process
from spotci.run_number import next_number, number_file
from spotci.slugs import slugify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from spotci.events import Event, JobResult, PipelineFinished

__all__ = [
    "CRASHED",
    "Quota",
    "Run",
    "RunStore",
    "child_slugs",
    "job_slugs",
    "write_atomically",
]

#: Shown in place of a status where the process of a run died before its end.
CRASHED = "crashed"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
#: Ids count milliseconds from here; eight digits last until 2059.
_EPOCH = 1_735_689_600.0
_RETIRED, _NEW = "~", "~new"
#: Bytes that are kept free for the end of a record, where the disk gets full.
_RESERVE = 64 * 1024
#: Seconds after which a draft is one that its process, killed, did not finish.
_ABANDONED = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How much is kept: the newest ``runs``, and of those at most ``bytes``."""

    runs: int = 30
    bytes: int = 5 * 1024**3


@dataclass(frozen=True, kw_only=True)
class Run:
    """One recorded run. What has not been reached yet, or is not known, is None.

    ``status`` is a status of GitLab's, ``running``, or :data:`CRASHED`. Times are
    seconds since the epoch.
    """

    id: str
    folder: Path
    status: str
    started_at: float
    #: ``CI_PIPELINE_IID``: counts the runs of a project.
    number: int = 1
    finished_at: float | None = None
    duration: float | None = None
    source: str = ""
    ref: str = ""
    sha: str = ""
    coverage: float | None = None
    passed_with_warnings: bool = False
    command: tuple[str, ...] = ()
    process: ProcessStamp | None = field(default=None, repr=False)
    _results: Mapping[JobName, JobResult] | None = field(default=None, repr=False)

    @cached_property
    def results(self) -> Mapping[JobName, JobResult]:
        """How the jobs ended, as far as they did."""
        if self._results is not None:
            return self._results
        return {
            event.result.job: event.result
            for event in self.events()
            if isinstance(event, JobFinished)
        }

    @cached_property
    def slugs(self) -> Mapping[JobName, str]:
        """The jobs of the run, and under which name each keeps its files."""
        found: dict[JobName, str] = {}
        for event in self.events():
            if isinstance(event, PipelineStarted):
                found = job_slugs(job.name for job in event.jobs)
            elif isinstance(event, ChildPipelineStarted):
                found |= child_slugs(found, event)
        return found

    @cached_property
    def bridges(self) -> Mapping[JobName, JobName]:
        """The jobs of child pipelines, each with the job of the run that led to it."""
        found: dict[JobName, JobName] = {}
        for event in self.events():
            if isinstance(event, ChildPipelineStarted):
                bridge = found.get(event.job, event.job)
                found |= dict.fromkeys((job.name for job in event.jobs), bridge)
        return found

    def events(self) -> Iterator[Event]:
        """Read the recorded events; a torn last line of a crashed run is left out."""
        with suppress(FileNotFoundError), self.events_file.open("rb") as lines:
            for line in lines:
                with suppress(ValueError):
                    yield decode_event(line)

    @property
    def events_file(self) -> Path:
        """The file of the events."""
        return self.folder / "events.jsonl"

    @property
    def scratch(self) -> Path:
        """The folder for files that the run needs for itself."""
        return self.folder / "scratch"

    def reserve_room(self) -> None:
        """Take the room on the disk that the end of the record needs."""
        # What a disk could compress would keep no room.
        (self.folder / "reserve").write_bytes(os.urandom(_RESERVE))

    def free_room(self) -> None:
        """Give that room back: the end comes now."""
        (self.folder / "reserve").unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what is of no use behind the end of the run."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        with suppress(OSError):
            self.free_room()

    def log(self, job: JobName) -> Path:
        """Return the file of a job's log, which exists once the job has printed."""
        return self.folder / "logs" / f"{self.slugs[job]}.log"


@dataclass(frozen=True, slots=True)
class RunStore:
    """The folder ``.spotci`` of a project; it comes into being with the first run."""

    root: Path
    clock: Callable[[], float] = time.time

    def create(self, *, command: Sequence[str] = ()) -> Run:
        """Make the folder of a new run, which no concurrent run can have, too.

        Two runs that start in one moment may share a number, and never an id. Raises
        UsageError where the disk does not take it.
        """
        try:
            self._prepare()
            number = next_number(self.root)
            write_atomically(number_file(self.root), str(number + 1).encode())
            while (run := self._new(number, tuple(command))) is None:
                continue
        except OSError as fault:
            raise UsageError(
                f"no run can be recorded in {self.root}: {fault.strerror}",
                hint="free some room; records of runs go with: spotci clean --runs",
            ) from fault
        return run

    def _new(self, number: int, command: tuple[str, ...]) -> Run | None:
        """Make the folder of a run whole, and then visible; None: its id is taken."""
        name = new_run_id(self.clock())
        draft = self._runs / (name + _NEW)
        try:
            draft.mkdir()
            for folder in ("logs", "artifacts", "scratch"):
                (draft / folder).mkdir()
            record = Run(
                id=name,
                folder=draft,
                status=JobStatus.RUNNING,
                started_at=self.clock(),
                number=number,
                command=command,
                process=current_process(),
            )
            record.reserve_room()
            write_run(record)
            return replace(record, folder=draft.rename(self._runs / name))
        except OSError as fault:
            if fault.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return None
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def list(self, *, newest: int | None = None) -> tuple[Run, ...]:
        """Return the runs, or so many of them, the newest first."""
        names = sorted(self._names(), reverse=True)[:newest]
        found = (read_run(self._runs / name) for name in names)
        return tuple(run for run in found if run is not None)

    def find(self, selector: str | None = None) -> Run:
        """Return a run by its id, or by a unique beginning or end of the id.

        None is the newest run. Raises UsageError where there is none, or several.
        """
        runs = self.list()
        if not runs:
            raise UsageError(
                "no run is recorded here yet", hint="start one: spotci run"
            )
        if selector is None or selector == "latest":
            return runs[0]
        matching = [run for run in runs if run.id == selector] or [
            run
            for run in runs
            if run.id.startswith(selector) or run.id.endswith(selector)
        ]
        if len(matching) == 1:
            return matching[0]
        if matching:
            several = ", ".join(run.id for run in matching[:5])
            raise UsageError(f'several runs match "{selector}": {several}')
        raise UsageError(
            f'no run "{selector}" is recorded here', hint="see them all: spotci runs"
        )

    def evict(self, quota: Quota) -> tuple[str, ...]:
        """Remove the oldest ended runs beyond the quota; return their ids.

        The newest run stays whatever its size, and so does one that still runs. What
        processes that were killed left half done goes, too.
        """
        self._sweep()
        removed = []
        used = 0
        for index, run in enumerate(self.list()):
            used += folder_size(run.folder)
            beyond = index >= quota.runs or used > quota.bytes
            if index and beyond and run.status != JobStatus.RUNNING:
                self.remove(run)
                removed.append(run.id)
        return tuple(removed)

    def remove(self, run: Run) -> None:
        """Remove a run; one that cannot be removed whole is no run any more, either."""
        retired = run.folder.with_name(run.id + _RETIRED)
        with suppress(FileNotFoundError):
            run.folder.rename(retired)
        shutil.rmtree(retired, ignore_errors=True)

    def _sweep(self) -> None:
        for run in self.list():
            # One may have been killed behind its end, too.
            if run.status != JobStatus.RUNNING:
                run.tidy()
        oldest = time.time() - _ABANDONED
        drafts = self.root.glob(".*.*.*")
        for path in (*drafts, *self._runs.glob(f"*{_RETIRED}*")):
            with suppress(OSError):
                if path.lstat().st_mtime > oldest:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    @property
    def _runs(self) -> Path:
        return self.root / "runs"

    def _names(self) -> Iterator[str]:
        with suppress(FileNotFoundError):
            for item in self._runs.iterdir():
                if _RETIRED not in item.name:
                    yield item.name

    def _prepare(self) -> None:
        # Artifacts may hold what a job keeps from other users.
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._runs.mkdir(exist_ok=True)
        ignore = self.root / ".gitignore"
        if not ignore.exists():
            write_atomically(ignore, b"*\n")


def new_run_id(now: float) -> str:
    """Return an id of ten characters: eight of the time, and two of chance.

    Ids sort by time. The chance keeps those apart that two projects, which share an
    engine, make in the same millisecond.
    """
    number = max(0, int((now - _EPOCH) * 1000)) << 10 | secrets.randbits(10)
    digits = [_ALPHABET[number >> shift & 31] for shift in range(45, -1, -5)]
    return "".join(digits)


def job_slugs(names: Iterable[JobName]) -> dict[JobName, str]:
    """Return file names for jobs: their slugs, numbered where two are alike."""
    slugs: dict[JobName, str] = {}
    taken: set[str] = set()
    for name in names:
        base = slugify(name) or "job"
        slug, number = base, 1
        while slug in taken:
            number += 1
            slug = f"{base}-{number}"
        taken.add(slug)
        slugs[name] = slug
    return slugs


def child_slugs(
    slugs: Mapping[JobName, str], event: ChildPipelineStarted
) -> dict[JobName, str]:
    """Return file names for the jobs of a child: that of the bridge, a dot, theirs.

    No other slug has a dot, so that these are no job's of the parent.
    """
    names = [job.name for job in event.jobs]
    own = job_slugs(JobName(name.removeprefix(f"{event.job} / ")) for name in names)
    bridge = slugs.get(event.job) or slugify(event.job) or "job"
    return {
        name: f"{bridge}.{slug}" for name, slug in zip(names, own.values(), strict=True)
    }


def read_run(folder: Path) -> Run | None:
    """Read ``run.json``; None where the folder holds no run."""
    try:
        data = json.loads((folder / "run.json").read_bytes())
    except (OSError, ValueError):
        return None
    process = ProcessStamp.from_json(data.get("process"))
    status = data["status"]
    if status == JobStatus.RUNNING and not (process and process.is_alive()):
        status = CRASHED
    results = data.get("jobs")
    return Run(
        id=folder.name,
        folder=folder,
        status=status,
        started_at=data["started_at"],
        number=data.get("number", 1),
        finished_at=data.get("finished_at"),
        duration=data.get("duration"),
        source=data.get("source", ""),
        ref=data.get("ref", ""),
        sha=data.get("sha", ""),
        coverage=data.get("coverage"),
        passed_with_warnings=data.get("passed_with_warnings", False),
        command=tuple(data.get("command", ())),
        process=process,
        _results=None
        if results is None
        else {item["job"]: result_from(item) for item in results},
    )


def write_run(run: Run) -> None:
    """Write ``run.json`` atomically."""
    data: dict[str, Any] = {
        "version": 1,
        "id": run.id,
        "status": run.status,
        "number": run.number,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "duration": run.duration,
        "source": run.source,
        "ref": run.ref,
        "sha": run.sha,
        "coverage": run.coverage,
        "passed_with_warnings": run.passed_with_warnings,
        "command": list(run.command),
        "process": None if run.process is None else run.process.to_json(),
    }
    if run.finished_at is not None:
        data["jobs"] = [encode_value(result) for result in run.results.values()]
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    write_atomically(run.folder / "run.json", text.encode())


def started(run: Run, event: PipelineStarted) -> Run:
    """Return the run with what its first event tells."""
    return replace(run, source=event.source, ref=event.ref, sha=event.sha)


def finished(run: Run, event: PipelineFinished) -> Run:
    """Return the run with its end."""
    return replace(
        run,
        status=event.status,
        finished_at=event.at,
        duration=event.duration,
        coverage=event.coverage,
        passed_with_warnings=event.passed_with_warnings,
        _results=dict(event.results),
    )


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a half."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def folder_size(folder: Path) -> int:
    """Return the bytes that the files of a folder take; links are not followed."""
    total = 0
    pending = [os.fspath(folder)]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total
