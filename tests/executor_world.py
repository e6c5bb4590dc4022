"""A run of a few jobs on the fakes of the backend, and what its log shows."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spotci.events import JobLog, SectionStarted
from spotci.executor.backend import SnapshotId
from spotci.executor.job import JobRunner
from tests.builders import plan
from tests.fakes import Events, FakeBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from spotci.events import Event, JobResult
    from spotci.pipeline import Job

_OF_PLAN = ("variables", "earlier", "elsewhere", "protected", "tree")
SNAPSHOT = SnapshotId("source")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class World:
    """A run of a few jobs on the fakes; keywords are of RunPlan or RunOptions."""

    def __init__(self, record: Path, *jobs: Job, **options: Any) -> None:
        fields = {name: options.pop(name) for name in _OF_PLAN if name in options}
        self.plan = replace(plan(*jobs, record=record, **options), **fields)
        self.backend = FakeBackend()
        self.backend.workspaces.snapshots[SNAPSHOT] = {"README.md": b"read"}
        self.events = Events()

    @asynccontextmanager
    async def runner(self) -> AsyncIterator[JobRunner]:
        async with JobRunner(
            self.plan, self.backend.port, self.events, SNAPSHOT
        ) as runner:
            yield runner

    async def run(self, attempt: int = 1) -> JobResult:
        """Run all jobs one after the other, and return the last result."""
        result: JobResult | None = None
        async with self.runner() as runner:
            for each in self.plan.pipeline.jobs.values():
                result = await runner.run(each, attempt)
        assert result is not None
        assert self.backend.left() == []
        return result

    def log(self, name: str | None = None) -> list[str]:
        """Return titles and lines, without colours, of one job or of all."""
        return [
            line
            for event in self.events.all
            if name is None or getattr(event, "job", None) == name
            for line in _shown(event)
        ]

    def script(self, container: int = 0, start: int = 0) -> str:
        script = self.backend.engine.created[container].scripts[start]
        assert script is not None
        return script.decode()


def _shown(event: Event) -> list[str]:
    match event:
        case SectionStarted():
            return [f"== {event.title}"]
        case JobLog():
            prefix = {"output": "  ", "service": "s ", "runner": ""}[event.kind]
            plain = COLOURS.sub("", event.text)
            return [prefix + line for line in plain.split("\n")]
        case _:
            return []
