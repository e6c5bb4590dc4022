"""Builders of values for tests: what is not named has a plain default."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotci.executor.plan import RunOptions, RunPlan
from spotci.pipeline import AllowFailure, Job, JobName, Need, Pipeline, When
from spotci.tree import SourceTree
from spotci.variables import Level, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class StoredGit:
    """A ``.git`` for the jobs that is there already."""

    folder: Path

    def key(self, depth: int) -> str:
        # The engine makes a file of this name.
        return sha256(f"{self.folder} {depth}".encode()).hexdigest()

    def prepare(self, depth: int) -> Path:
        del depth
        return self.folder


STAGES = (".pre", "build", "test", "deploy", ".post")


def job(
    name: str,
    *,
    stage: str = "test",
    needs: Sequence[str] | None = None,
    when: str = "on_success",
    allow_failure: bool = False,
    variables: Mapping[str, str] | None = None,
    **fields: Any,
) -> Job:
    """Make a job that runs ``true``; ``needs`` and ``variables`` as in the YAML."""
    return Job(
        **{
            "name": JobName(name),
            "base_name": name.split(":", maxsplit=1)[0],
            "stage": stage,
            "script": ("true",),
            "needs": None
            if needs is None
            else tuple(Need(job=JobName(need)) for need in needs),
            "when": When(when),
            "allow_failure": AllowFailure(allowed=allow_failure),
            "variables": tuple(
                variable(key, value) for key, value in (variables or {}).items()
            ),
        }
        | fields
    )


def variable(
    name: str, value: str, level: Level = Level.JOB, **fields: Any
) -> Variable:
    """Make a variable of a job."""
    return Variable(name=name, value=value, level=level, **fields)


def pipeline(*jobs: Job, stages: Sequence[str] = STAGES, **fields: Any) -> Pipeline:
    """Make a pipeline of these jobs for a push to main."""
    return Pipeline(
        source="push",
        ref="main",
        stages=tuple(stages),
        jobs={each.name: each for each in jobs},
        **fields,
    )


def plan(
    *jobs: Job, record: Path = Path("/nonexistent"), sha: str = "", **options: Any
) -> RunPlan:
    """Make the plan of a run of these jobs; keywords are fields of RunOptions."""
    return RunPlan(
        run="test",
        pipeline=pipeline(*jobs),
        tree=SourceTree(root=record, entries=()),
        record=record,
        sha=sha,
        options=RunOptions(**options),
    )
