"""Who looks into the jobs of a run, and when: the executor's Debugger on a terminal."""

from __future__ import annotations

import sys
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING

import anyio

from spotci.cli.aside import Screen
from spotci.cli.selection import find_jobs, unknown
from spotci.cli.terminal import Terminal, converse
from spotci.dataclass import dataclass
from spotci.errors import UsageError
from spotci.executor.breakpoints import AFTER
from spotci.executor.debug import StopKind
from spotci.executor.session_program import Purpose
from spotci.report.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spotci.executor.debug import Stop
    from spotci.pipeline import Job, JobName

__all__ = ["TerminalDebugger", "parse_breakpoints", "run_debugger"]


@dataclass(slots=True, kw_only=True)
class TerminalDebugger:
    """Opens sessions on the user's terminal, one at a time.

    ``shell`` is the job whose script a session takes the place of, with ``command`` and
    ``before_script`` as the user asked.
    """

    shell: JobName | None = None
    command: str | None = None
    before_script: bool = False
    failures: bool = False
    breaks: Mapping[JobName, frozenset[str]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    terminal: Terminal = field(default_factory=Terminal)
    screen: Screen = field(default_factory=Screen)
    #: Whether any session has begun, and how the last one ended.
    entered: bool = False
    exit_code: int | None = None
    _turn: anyio.Lock = field(default_factory=anyio.Lock)

    def takes_over(self, job: Job) -> bool:
        """Say whether a session runs in place of the job's script."""
        return job.name == self.shell

    def looks_at_failure(self, job: Job) -> bool:
        """Say whether a session is opened when the job's script failed."""
        del job
        return self.failures

    def breakpoints(self, job: Job) -> frozenset[str]:
        """Return where the job stops."""
        return self.breaks.get(job.name, frozenset())

    async def enter(self, stop: Stop) -> int:
        """Lend the terminal to a session in the job, when it is its turn."""
        purpose = Purpose(
            job=stop.job,
            command=self.command if stop.kind is StopKind.SHELL else None,
            before=stop.before_script if self.before_script else (),
            pause=stop.pause,
        )
        async with self._turn:
            self.entered = True
            with self.screen.lent():
                if stop.kind is not StopKind.SHELL:
                    print(_banner(stop), file=sys.stderr)
                self.exit_code = await converse(
                    stop.open,
                    purpose,
                    environment=stop.environment,
                    project_dir=stop.project_dir,
                    terminal=self.terminal,
                )
        return self.exit_code


def run_debugger(
    jobs: Iterable[Job], *, failures: bool, breaks: Iterable[str]
) -> TerminalDebugger:
    """Return what ``run`` asks for; raises UsageError without a terminal."""
    found = parse_breakpoints(breaks, jobs)
    debugger = TerminalDebugger(failures=failures, breaks=found)
    if not debugger.terminal.is_one:
        raise UsageError(
            "there is no terminal for a shell",
            hint="--keep keeps failed jobs for spotci shell",
        )
    return debugger


def parse_breakpoints(
    texts: Iterable[str], jobs: Iterable[Job]
) -> dict[JobName, frozenset[str]]:
    """Return where each job stops, from ``JOB``, ``JOB:LINE`` and ``JOB:after``.

    Lines are entries of ``before_script`` and ``script``, counted from 1; ``JOB`` alone
    is the first. Raises UsageError for what no job has.
    """
    jobs = tuple(jobs)
    found: dict[JobName, set[str]] = {}
    for text in texts:
        chosen, place = _breakpoint(text, jobs)
        for job in chosen:
            _check(job, place)
            found.setdefault(job.name, set()).add(place)
    return {name: frozenset(places) for name, places in found.items()}


def _breakpoint(text: str, jobs: tuple[Job, ...]) -> tuple[list[Job], str]:
    # Names of jobs may hold colons: the whole text is tried first.
    if chosen := find_jobs(jobs, text):
        return chosen, "1"
    name, colon, place = text.rpartition(":")
    chosen = find_jobs(jobs, name) if colon else []
    if not chosen:
        words = [word for job in jobs for word in (job.name, job.base_name)]
        raise unknown("job", name or text, dict.fromkeys(words))
    if place != AFTER and not (place.isdecimal() and int(place) > 0):
        raise UsageError(
            f'--break {text}: "{place}" is no line of a job',
            hint=f"a number from 1, or {AFTER} for the begin of after_script",
        )
    return chosen, place if place == AFTER else str(int(place))


def _check(job: Job, place: str) -> None:
    if place == AFTER:
        if not job.after_script:
            raise UsageError(f'the job "{job.name}" has no after_script')
        return
    lines = len(job.before_script) + len(job.script)
    if int(place) > lines:
        raise UsageError(
            f'the job "{job.name}" has no line {place}: before_script and script have '
            f"{lines}"
        )


def _banner(stop: Stop) -> str:
    name = printable(stop.job)
    if stop.kind is StopKind.FAILURE:
        return f'\nspotci: "{name}" failed: this is its container; exit to go on'
    line = printable(stop.text.partition("\n")[0])
    return (
        f'\nspotci: "{name}" stops before: {line}\n'
        "exit goes on, step stops before the next line, abort fails the job"
    )
