"""Compiles what ``trigger`` jobs start: child pipelines, and those of other projects.

A child has the context of its parent, but for its source and its variables. Another
project is a checkout on this machine that the settings name under ``[projects]``.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from spotci.cli.elsewhere import ProjectElsewhere, UncheckedError, open_checkout
from spotci.cli.loading import config_file, record_folder, source_kind
from spotci.cli.planning import run_variables
from spotci.context import PipelineSource
from spotci.dataclass import dataclass
from spotci.errors import ConfigError, ReadError, UsageError
from spotci.executor.downstream import (
    DownstreamError,
    DownstreamPipeline,
    DownstreamUnavailableError,
)
from spotci.run_number import next_number
from spotci.runs import job_slugs
from spotci.source import SourceFile
from spotci.variables import Level, effective, expand

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spotci.context import Context, IncludeReader
    from spotci.executor.downstream import ReadArtifact
    from spotci.pipeline import Job, Trigger
    from spotci.project import Project
    from spotci.source import Origin
    from spotci.tree import SourceTree
    from spotci.variables import Variable

__all__ = ["ProjectDownstream"]

_UPSTREAM_ONLY = frozenset(
    {"CI_PIPELINE_SCHEDULE_DESCRIPTION", "CI_PIPELINE_TRIGGERED"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectDownstream:
    """Compiles for the bridges of one pipeline, whose context and run id these are.

    ``scratch`` is a folder that lives as long as the run.
    """

    project: Project
    context: Context
    run: str
    sha: str
    scratch: Path

    async def compile(
        self,
        trigger: Trigger,
        job: Job,
        variables: tuple[Variable, ...],
        read: ReadArtifact,
    ) -> DownstreamPipeline:
        """Return the pipeline of a bridge; see the port."""
        known = effective((*job.variables, *variables))
        if trigger.project is not None:
            return await to_thread.run_sync(self._other, trigger, job, variables, known)
        includes, artifacts = await _resolve(trigger.include, known, read)
        return await to_thread.run_sync(
            self._child, job, variables, includes, artifacts
        )

    def _child(
        self,
        job: Job,
        variables: tuple[Variable, ...],
        includes: list[Mapping[str, Any]],
        artifacts: Mapping[str, bytes],
    ) -> DownstreamPipeline:
        context = replace(
            self.context,
            source=PipelineSource.PARENT_PIPELINE,
            variables=(*_inherited(self.context), *variables),
            scoped_variables=tuple(
                (scope, variable)
                for scope, variable in self.context.scoped_variables
                if variable.level is not Level.PIPELINE
            ),
            inputs={},
            reader=_ChildReader(self.context.reader, artifacts),
            warnings=(),
        )
        # JSON is YAML, and this is how GitLab itself makes the file of a child.
        text = json.dumps({"include": includes}, ensure_ascii=False, default=str)
        file = SourceFile(name=f"trigger of {job.name}", text=text)
        return self._compiled(
            file, replace(self, context=context, run=f"{self.run}/{job.name}")
        )

    def _other(
        self,
        trigger: Trigger,
        job: Job,
        variables: tuple[Variable, ...],
        known: Mapping[str, Variable],
    ) -> DownstreamPipeline:
        from spotci.project import (  # noqa: PLC0415 - start-up time
            ContextOptions,
            make_context,
            source_tree,
        )

        path = expand(trigger.project or "", known, keep_undefined=False)
        project = self._checkout(path)
        kind = source_kind(project.settings.run.source)
        try:
            options = ContextOptions(
                event="pipeline",
                inputs=trigger.inputs,
                source=kind,
                iid=next_number(record_folder(project)),
            )
            context = make_context(project, options)
            scratch = Path(tempfile.mkdtemp(dir=self.scratch))
            tree = source_tree(project, kind, scratch)
            file = config_file(project)
        except UsageError as error:
            raise DownstreamError(error.message, details=str(error)) from error
        context = replace(context, variables=(*context.variables, *variables))
        made = self._compiled(
            file,
            ProjectDownstream(
                project=project,
                context=context,
                run=f"{self.run}/{job.name}",
                sha=tree.sha,
                scratch=scratch,
            ),
            tree=tree,
        )
        wanted = expand(trigger.branch or "", known, keep_undefined=False)
        if wanted and wanted != context.ref:
            text = f"{path} runs as it is checked out, on {context.ref}, not {wanted}"
            return replace(made, warnings=(text, *made.warnings))
        return made

    def _checkout(self, path: str) -> Project:
        try:
            return open_checkout(self.project, path)
        except UncheckedError as error:
            raise DownstreamUnavailableError(error.message) from error
        except UsageError as error:
            raise DownstreamError(error.message, details=str(error)) from error

    def _compiled(
        self,
        file: SourceFile,
        downstream: ProjectDownstream,
        *,
        tree: SourceTree | None = None,
    ) -> DownstreamPipeline:
        from spotci.parser.compile import compile_pipeline  # noqa: PLC0415 - as above
        from spotci.project.dockerfiles import base_images_later  # noqa: PLC0415 - as above

        context = downstream.context
        try:
            compilation = compile_pipeline(file, context)
        except ExceptionGroup as group:
            errors = [e for e in group.exceptions if isinstance(e, ConfigError)]
            if len(errors) < len(group.exceptions):
                raise
            raise DownstreamError(
                "; ".join(error.message for error in errors),
                details="\n\n".join(map(str, errors)),
            ) from group
        if compilation.pipeline is None:
            raise DownstreamError(compilation.reason or "there is no pipeline")
        return DownstreamPipeline(
            pipeline=compilation.pipeline,
            downstream=downstream,
            project_path=context.project_path,
            sha=downstream.sha,
            protected=context.protected,
            variables=run_variables(downstream.project, context, downstream.run),
            tree=tree,
            elsewhere=ProjectElsewhere(project=downstream.project),
            base_images=None if tree is None else base_images_later(tree),
            slugs=job_slugs(compilation.pipeline.jobs),
            warnings=tuple(w.message for w in compilation.warnings),
        )


@dataclass(frozen=True, slots=True)
class _ChildReader:
    """Reads as the parent does, and what the jobs of the parent have made."""

    parent: IncludeReader
    artifacts: Mapping[str, bytes] = field(repr=False)

    def local(self, path: str, origin: Origin) -> SourceFile:
        content = self.artifacts.get(path)
        if content is None or origin.project is not None:
            return self.parent.local(path, origin)
        try:
            return SourceFile(name=path, text=content.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise ReadError(f"Included file `{path}` is not UTF-8!") from None

    def local_matches(self, pattern: str, origin: Origin) -> Sequence[str]:
        return self.parent.local_matches(pattern, origin)

    def project(self, project: str, path: str, ref: str | None) -> SourceFile:
        return self.parent.project(project, path, ref)

    def remote(self, url: str, integrity: str | None) -> SourceFile:
        return self.parent.remote(url, integrity)

    def template(self, name: str) -> SourceFile:
        return self.parent.template(name)

    def component(self, address: str) -> SourceFile:
        return self.parent.component(address)


def _inherited(context: Context) -> list[Variable]:
    """Return the variables that a child has from the context of its parent."""
    return [
        replace(variable, value=str(PipelineSource.PARENT_PIPELINE))
        if variable.name == "CI_PIPELINE_SOURCE" and variable.level is Level.PREDEFINED
        else variable
        for variable in context.variables
        # Pipeline variables are the parent's own unless they are forwarded.
        if variable.level not in {Level.PIPELINE, Level.MANUAL}
        and not (variable.name in _UPSTREAM_ONLY and variable.level is Level.PREDEFINED)
    ]


async def _resolve(
    entries: Sequence[Mapping[str, Any]],
    known: Mapping[str, Variable],
    read: ReadArtifact,
) -> tuple[list[Mapping[str, Any]], dict[str, bytes]]:
    """Return the entries with artifacts as local files, and those files."""
    includes: list[Mapping[str, Any]] = []
    artifacts: dict[str, bytes] = {}
    for number, entry in enumerate(entries, start=1):
        if "artifact" not in entry:
            includes.append(dict(entry))
            continue
        job = expand(str(entry["job"]), known, keep_undefined=False)
        path = expand(str(entry["artifact"]), known, keep_undefined=False)
        content = await read(job, path.removeprefix("/"))
        # The number keeps equal paths of two jobs apart; no repository has such a file.
        name = f"artifact {number}:{path.removeprefix('/')}"
        artifacts[name] = content
        kept = {k: v for k, v in entry.items() if k in {"inputs", "rules"}}
        includes.append({"local": name, **kept})
    return includes, artifacts
