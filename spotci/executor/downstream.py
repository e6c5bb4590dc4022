"""The port: how a ``trigger`` becomes a pipeline. The executor knows no YAML.

GitLab describes it under "Downstream pipelines".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeAlias

from spotci.dataclass import dataclass
from spotci.variables import YAML_LEVELS, Level, effective, expand_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spotci.executor.elsewhere import Elsewhere
    from spotci.pipeline import Job, JobName, Pipeline, Trigger
    from spotci.tree import SourceTree
    from spotci.variables import Variable

__all__ = [
    "Downstream",
    "DownstreamError",
    "DownstreamPipeline",
    "DownstreamUnavailableError",
    "ReadArtifact",
    "forwarded",
]

#: Reads a file of the artifacts of a job of this pipeline, by the names of both;
#: raises DownstreamError.
ReadArtifact: TypeAlias = Callable[[str, str], Awaitable[bytes]]


class DownstreamError(Exception):
    """A downstream pipeline cannot be created.

    ``message`` is one sentence in GitLab's words; ``details`` are lines for the log.
    """

    def __init__(self, message: str, *, details: str = "") -> None:
        super().__init__(message)
        self.message, self.details = message, details


class DownstreamUnavailableError(DownstreamError):
    """GitLab could create it and spotci cannot: the bridge is skipped, not failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownstreamPipeline:
    """A pipeline to run for a bridge, with what differs from the parent's plan.

    ``variables`` are those of its runner, ``slugs`` the names of its jobs in folders.
    ``tree`` is None for a child pipeline, which has the sources of its parent.
    ``downstream`` compiles for the bridges of this pipeline, and ``elsewhere`` knows
    what its jobs need of other projects.
    """

    pipeline: Pipeline
    downstream: Downstream
    project_path: str
    sha: str = ""
    protected: bool = True
    variables: tuple[Variable, ...] = ()
    tree: SourceTree | None = None
    base_images: Callable[[], tuple[str, ...]] | None = None
    elsewhere: Elsewhere | None = None
    slugs: Mapping[JobName, str] = field(default_factory=lambda: MappingProxyType({}))
    warnings: tuple[str, ...] = ()


class Downstream(Protocol):
    """Compiles what the bridges of one pipeline trigger."""

    async def compile(
        self,
        trigger: Trigger,
        job: Job,
        variables: tuple[Variable, ...],
        read: ReadArtifact,
    ) -> DownstreamPipeline:
        """Return the pipeline of a bridge; ``variables`` are forwarded to it.

        Raises DownstreamError, and DownstreamUnavailableError where the other project
        is not on this machine.
        """
        ...


def forwarded(
    job: Job, trigger: Trigger, others: Iterable[Variable], dotenv: Iterable[Variable]
) -> tuple[Variable, ...]:
    """Return what a bridge passes on: pipeline variables of its downstream pipeline.

    They are those of the YAML, and with ``forward:pipeline_variables`` those of
    dotenv reports and of the pipeline, later ones over earlier ones. All are expanded
    among the variables of the bridge (``others`` are those of the run); what is not
    known stays for the other pipeline.
    """
    expanded = expand_all((*job.variables, *dotenv, *others), keep_undefined=True)
    secrets = [item.value for item in expanded if item.masked and item.value]
    passed: dict[str, Variable] = {}
    if trigger.forward.yaml_variables:
        passed |= _of_levels(expanded, YAML_LEVELS)
    if trigger.forward.pipeline_variables:
        passed |= _of_levels(expanded, {Level.DOTENV})
        passed |= _of_levels(expanded, {Level.PIPELINE, Level.MANUAL})
    return tuple(
        replace(
            variable,
            level=Level.PIPELINE,
            # The other project may not know the secret that a value was made with.
            masked=variable.masked or any(s in variable.value for s in secrets),
            origin=f"trigger of {job.name}",
            span=None,
        )
        for variable in passed.values()
    )


def _of_levels(
    variables: Iterable[Variable], levels: Iterable[Level]
) -> dict[str, Variable]:
    return effective(variable for variable in variables if variable.level in levels)
