"""Makes the context of a pipeline from a project and what the user asks for."""

from __future__ import annotations

import json
import re
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.context import Context
from spotci.dataclass import dataclass
from spotci.errors import UsageError
from spotci.project.changes import ProjectRepository
from spotci.project.envfiles import read_env_files
from spotci.project.event import event_of
from spotci.project.gitlab_variables import read_gitlab_variables
from spotci.project.includes import ProjectIncludeReader
from spotci.project.masking import Masking
from spotci.project.predefined import (
    commit_variables,
    merge_request_variables,
    pipeline_variables,
    project_variables,
    server_variables,
    user_variables,
)
from spotci.variables import Level, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from spotci.project.event import PipelineEvent
    from spotci.project.project import Project
    from spotci.project.tree import SourceKind

__all__ = ["ContextOptions", "make_context"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"[$%]")
_ORIGIN = "predefined"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextOptions:
    """What the user says of the pipeline; see the options of ``spotci run``.

    ``event`` is one of ``spotci.project.event.EVENTS``, or None to find it out.
    """

    event: str | None = None
    branch: str | None = None
    tag: str | None = None
    target_branch: str | None = None
    labels: tuple[str, ...] = ()
    merge_request_iid: int = 1
    #: Pipeline variables.
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    env_files: tuple[str, ...] = ()
    inputs: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    #: Names of predefined variables that must not exist.
    unset: frozenset[str] = frozenset()
    #: The changed files, as the user states them; None to compute them.
    changed: tuple[str, ...] | None = None
    changed_since: str | None = None
    #: Every ``changes`` clause is true.
    full: bool = False
    source: SourceKind = "worktree"
    #: ``CI_PIPELINE_IID`` and ``CI_PIPELINE_CREATED_AT``; None is now.
    iid: int = 1
    created_at: str | None = None


def make_context(project: Project, options: ContextOptions) -> Context:
    """Return the context of a pipeline; raises UsageError for impossible options."""
    event = event_of(project, options)
    files = read_env_files(project, options.env_files)
    server = read_gitlab_variables(project, protected=event.protected)
    settings = project.settings
    masking = Masking(mask=settings.variables.mask, unmask=settings.variables.unmask)
    predefined = (
        variable
        for variable in _predefined(project, event)
        if variable.name not in files.unset | options.unset
    )
    # Of one level the last wins: what the user has here beats what the server has.
    found = (*server.variables, *files.variables, *_given(options.variables))
    given = tuple(map(masking.apply, found))
    payload = _trigger_payload(project, event, given)
    reader = ProjectIncludeReader(project, source=options.source)
    return Context(
        source=event.source,
        branch=event.branch,
        tag=event.tag,
        merge_request=event.merge_request,
        project_path=project.path,
        variables=(*predefined, *payload, *given),
        scoped_variables=tuple(
            (scope, masking.apply(variable))
            for scope, variable in (*server.scoped, *files.scoped)
        ),
        inputs=MappingProxyType({**files.inputs, **options.inputs}),
        repository=ProjectRepository(
            project,
            event,
            source=options.source,
            changed=options.changed,
            changed_since=options.changed_since,
            other_files=reader.project_files,
        ),
        reader=reader,
        changes_always_true=options.full or not settings.run.evaluate_changes,
        protected=event.protected,
        warnings=(*server.warnings, *files.warnings, *masking.warnings),
    )


def _predefined(project: Project, event: PipelineEvent) -> list[Variable]:
    values = {
        **server_variables(project),
        **project_variables(project),
        **commit_variables(project, event),
        **pipeline_variables(event),
        **merge_request_variables(project, event),
    }
    # Their values come from outside: a "$" in a commit message is no reference. Only
    # such values are raw, since raw ones are expanded later than others.
    variables = [
        Variable(
            name=name,
            value=value,
            level=Level.PREDEFINED,
            expand=not _REFERENCE.search(value),
            origin=_ORIGIN,
        )
        for name, value in values.items()
    ]
    variables += [
        Variable(
            name=name,
            value=value,
            level=Level.USER,
            expand=not _REFERENCE.search(value),
            origin=_ORIGIN,
        )
        for name, value in user_variables(project).items()
    ]
    return variables


def _trigger_payload(
    project: Project, event: PipelineEvent, given: Iterable[Variable]
) -> Iterator[Variable]:
    """Yield ``TRIGGER_PAYLOAD``, a file with what a trigger would have been sent.

    GitLab: ``Ci::PipelineTriggerService``.
    """
    if event.source != "trigger":
        return
    sent = [variable for variable in given if variable.level is Level.PIPELINE]
    payload = {
        "id": str(project.id),
        "ref": event.ref,
        "variables": {variable.name: variable.value for variable in sent},
    }
    yield Variable(
        name="TRIGGER_PAYLOAD",
        value=json.dumps(payload, ensure_ascii=False),
        level=Level.PIPELINE,
        expand=False,
        file=True,
        masked=any(variable.masked for variable in sent),
        origin=_ORIGIN,
    )


def _given(values: Mapping[str, str]) -> list[Variable]:
    for name in values:
        if not _NAME.fullmatch(name):
            raise UsageError(f'"{name}" is no name of a variable')
    return [
        Variable(name=name, value=value, level=Level.PIPELINE, origin="--variable")
        for name, value in values.items()
    ]
