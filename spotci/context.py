"""What a pipeline is created for, and what the parser may ask of the outside.

The parser does no I/O of its own: the caller gives it a :class:`Context`, whose
``repository`` and ``reader`` answer questions about files.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from spotci.errors import ConfigWarning
    from spotci.source import Origin, SourceFile
    from spotci.variables import Variable

__all__ = [
    "Context",
    "IncludeReader",
    "InputText",
    "MergeRequest",
    "PipelineSource",
    "Repository",
]


class InputText(str):
    """An input given as text, on a command line: read as the type of the input.

    What a pipeline gives with ``include:inputs`` must have the right type itself.
    """

    __slots__ = ()


class PipelineSource(StrEnum):
    """Values of ``CI_PIPELINE_SOURCE``."""

    PUSH = "push"
    WEB = "web"
    SCHEDULE = "schedule"
    API = "api"
    TRIGGER = "trigger"
    PIPELINE = "pipeline"
    PARENT_PIPELINE = "parent_pipeline"
    MERGE_REQUEST_EVENT = "merge_request_event"
    EXTERNAL = "external"
    EXTERNAL_PULL_REQUEST_EVENT = "external_pull_request_event"
    CHAT = "chat"
    WEBIDE = "webide"
    ONDEMAND_DAST_SCAN = "ondemand_dast_scan"
    ONDEMAND_DAST_VALIDATION = "ondemand_dast_validation"
    SECURITY_ORCHESTRATION_POLICY = "security_orchestration_policy"
    CONTAINER_REGISTRY_PUSH = "container_registry_push"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRequest:
    """The merge request of a merge request pipeline."""

    source_branch: str
    target_branch: str
    iid: int = 1
    labels: tuple[str, ...] = ()


class Repository(Protocol):
    """The files of the repository, as ``rules:changes`` and ``rules:exists`` ask."""

    def files(self) -> Collection[str]:
        """Return the paths of the files of the tree, relative to its root."""
        ...

    def changed_files(self, compare_to: str | None = None) -> Collection[str] | None:
        """Return the changed paths, or None where no difference can be computed.

        With ``compare_to``, against the merge base with that ref; raises ReadError
        where the ref does not exist. Without, against the base of the context: the
        commit before the push, or the merge base of the merge request.
        """
        ...

    def project_files(self, project: str, ref: str | None) -> Collection[str]:
        """Return the paths of another project, or raise ReadError."""
        ...


class IncludeReader(Protocol):
    """Reads the files that ``include`` names. Every method may raise ReadError.

    The message of the error is GitLab's, such as
    ``Local file `x` does not exist!``.
    """

    def local(self, path: str, origin: Origin) -> SourceFile:
        """Read a file of the repository ``origin``; ``path`` has no leading slash."""
        ...

    def local_matches(self, pattern: str, origin: Origin) -> Sequence[str]:
        """Return the paths that match a pattern with ``*`` or ``**``, sorted."""
        ...

    def project(self, project: str, path: str, ref: str | None) -> SourceFile:
        """Read a file of another project."""
        ...

    def remote(self, url: str, integrity: str | None) -> SourceFile:
        """Fetch a URL."""
        ...

    def template(self, name: str) -> SourceFile:
        """Read one of GitLab's templates."""
        ...

    def component(self, address: str) -> SourceFile:
        """Read a CI/CD component, ``host/project/name@version``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The event that a pipeline is created for.

    ``variables`` holds every variable that is not from the YAML: the predefined ones
    that exist before the pipeline, those of the project, and those given by the user
    who starts it; each knows its level. ``branch`` is set in branch pipelines, and
    ``tag`` in tag pipelines; in a merge request pipeline neither is.
    ``scoped_variables`` are pairs of an environment scope and a variable that exists
    only for jobs of such an environment. ``warnings`` are about the variables, such as
    a secret that is too short to be masked.
    """

    source: str = PipelineSource.PUSH
    branch: str | None = None
    tag: str | None = None
    merge_request: MergeRequest | None = None
    project_path: str = "local/project"
    variables: tuple[Variable, ...] = ()
    scoped_variables: tuple[tuple[str, Variable], ...] = ()
    inputs: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    repository: Repository
    reader: IncludeReader
    #: ``--full``: every ``changes`` clause holds, as on a new branch.
    changes_always_true: bool = False
    #: Whether the ref is protected: protected variables and cache keys differ by it.
    protected: bool = True
    warnings: tuple[ConfigWarning, ...] = ()

    @property
    def ref(self) -> str:
        """The value of ``CI_COMMIT_REF_NAME``: branch, tag or source branch."""
        if self.merge_request is not None:
            return self.merge_request.source_branch
        return self.tag or self.branch or ""

    def variables_for(self, environment: str | None) -> tuple[Variable, ...]:
        """Return the variables of a job, with those scoped to its environment.

        Of several scopes that match the most specific one comes last, so that it
        wins within its level: GitLab prefers the exact name, then the longest
        pattern (environment scope of CI/CD variables).
        """
        if environment is None or not self.scoped_variables:
            return self.variables
        matching = [
            (scope == environment, len(scope), variable)
            for scope, variable in self.scoped_variables
            if _in_scope(environment, scope)
        ]
        matching.sort(key=lambda match: match[:2])
        return (*self.variables, *(variable for _, _, variable in matching))


def _in_scope(environment: str, scope: str) -> bool:
    # ``*`` is the only wildcard and matches slashes, too.
    first, *rest = scope.split("*")
    if not rest:
        return environment == scope
    *middle, last = rest
    if not environment.startswith(first):
        return False
    position = len(first)
    for part in middle:
        found = environment.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return environment.endswith(last) and len(environment) - len(last) >= position
