"""Times commands as whole processes: wall-clock seconds and peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["Command", "Sample", "alternate", "median"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run of a command: seconds, and peak resident memory in MiB."""

    seconds: float
    memory: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command to measure; ``before`` prepares each run and is not timed."""

    name: str
    arguments: Sequence[str]
    cwd: Path
    environ: Mapping[str, str]
    before: Callable[[], None] | None = None

    def run(self) -> Sample:
        """Run once, and fail loudly where the command fails."""
        if self.before is not None:
            self.before()
        log = self.cwd.parent / f"{self.name.replace(' ', '-')}.log"
        with log.open("wb") as output:
            started = time.perf_counter()
            process = subprocess.Popen(
                self.arguments,
                cwd=self.cwd,
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            tail = log.read_text(errors="replace")[-2000:]
            message = f"{self.name}: exit code {process.returncode}\n{tail}"
            raise SystemExit(message)
        return Sample(seconds=seconds, memory=usage.ru_maxrss / 1024)


def alternate(commands: Sequence[Command], runs: int) -> dict[str, list[Sample]]:
    """Run the commands in turn, A B A B …, after one run of each that is not counted.

    Machines drift; what is compared must be measured in the same minutes.
    """
    for command in commands:
        command.run()
    samples: dict[str, list[Sample]] = {command.name: [] for command in commands}
    for _ in range(runs):
        for command in commands:
            samples[command.name].append(command.run())
    return samples


def median(samples: Sequence[Sample]) -> float:
    """Return the median of the seconds."""
    return statistics.median(sample.seconds for sample in samples)
