"""Asks on the terminal which manual jobs of a run are to be played."""

from __future__ import annotations

import os
import sys
from dataclasses import field
from typing import TYPE_CHECKING

import anyio

from spotci.cli.aside import Screen
from spotci.cli.selection import find_jobs
from spotci.cli.terminal import Terminal
from spotci.dataclass import dataclass
from spotci.report.terminal import printable
from spotci.report.words import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spotci.pipeline import Job, JobName

__all__ = ["TerminalPlayer"]

_PIECE = 65536
_QUESTION = "Play which? Names or numbers with commas, all, or Enter for none: "
_YES = ("y", "yes")


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalPlayer:
    """The person before the terminal; ``screen`` is what the reports share with it."""

    terminal: Terminal = field(default_factory=Terminal)
    screen: Screen = field(default_factory=Screen)

    async def choose(self, jobs: Sequence[Job]) -> list[JobName]:
        """Ask which jobs are to be played, and about those that want to be confirmed.

        The end of the input, Ctrl-D, is none. A name that no job has is asked again.
        """
        with self.screen.lent():
            print(_table(jobs))
            chosen = await self._choice(jobs)
            return [job.name for job in chosen if await self._confirms(job)]

    async def _choice(self, jobs: Sequence[Job]) -> list[Job]:
        while True:
            answer = await self._ask(_QUESTION)
            try:
                return _chosen(answer, jobs)
            except LookupError as error:
                print(error)

    async def _confirms(self, job: Job) -> bool:
        if job.manual_confirmation is None:
            return True
        text = printable(f"{job.name}: {job.manual_confirmation}")
        return (await self._ask(f"{text} [y/N] ")).lower() in _YES

    async def _ask(self, question: str) -> str:
        """Return a line from the terminal, which hands on whole lines alone."""
        print(question, end="")
        sys.stdout.flush()
        await anyio.wait_readable(self.terminal.stdin)
        data = os.read(self.terminal.stdin, _PIECE)
        if not data:
            print()
        return data.decode("utf-8", "replace").strip()


def _table(jobs: Sequence[Job]) -> str:
    verb = "waits" if len(jobs) == 1 else "wait"
    width = max(len(printable(job.name)) for job in jobs)
    lines = [f"\n▷ {count_of(len(jobs), 'manual job')} {verb} to be played:"]
    for number, job in enumerate(jobs, 1):
        optional = job.allow_failure.allowed and not job.allow_failure.exit_codes
        holds = "" if optional else ", holds what comes after it"
        name, stage = printable(job.name), printable(job.stage)
        lines.append(f"  {number}  {name:<{width}}  {stage}{holds}")
    return "\n".join(lines)


def _chosen(answer: str, jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs that an answer names; raises LookupError for what is none."""
    if answer.lower() == "all":
        return list(jobs)
    found: dict[JobName, Job] = {}
    # The name of a job may have a comma: the whole answer is tried first.
    whole = find_jobs(jobs, answer)
    words = [] if whole else [word.strip() for word in answer.split(",")]
    for word in filter(None, words):
        numbered = word.isdecimal() and 0 < int(word) <= len(jobs)
        named = [jobs[int(word) - 1]] if numbered else find_jobs(jobs, word)
        if not named:
            raise LookupError(f'no manual job "{printable(word)}" waits')
        found |= {job.name: job for job in named}
    return whole or list(found.values())
