"""From the options to a compiled pipeline: project, context, parser, in this order."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from spotci.cli.selection import find_jobs, unknown
from spotci.dataclass import dataclass
from spotci.pipeline import Pipeline
from spotci.run_number import next_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from spotci.cli.options import Chosen
    from spotci.context import Context
    from spotci.errors import ConfigWarning
    from spotci.parser.model import Compilation
    from spotci.pipeline import Job, JobName
    from spotci.project import Project, SourceKind
    from spotci.source import SourceFile
    from spotci.variables import Variable

__all__ = [
    "Loaded",
    "compile_in",
    "config_file",
    "load",
    "open_chosen",
    "open_here",
    "print_warnings",
    "record_folder",
    "source_kind",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A pipeline and all that it was made from."""

    project: Project
    context: Context
    compilation: Compilation

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline; one without jobs where GitLab would create none.

        Jobs of a pipeline that is not created can still be named.
        """
        if self.compilation.pipeline is not None:
            return self.compilation.pipeline
        return Pipeline(
            source=self.context.source,
            ref=self.context.ref,
            stages=self.compilation.config.stages,
            jobs={},
        )

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables that every job has: those of the context and of the root."""
        config = self.compilation.config
        matched = next((t for t in self.compilation.workflow_trace if t.matched), None)
        rules = config.workflow.rules or ()
        workflow = () if matched is None else rules[matched.index].variables
        return (*config.variables, *workflow, *self.context.variables)

    @property
    def jobs(self) -> Mapping[JobName, Job]:
        """The jobs of the pipeline, and then those that its context leaves out."""
        return {**self.pipeline.jobs, **self.compilation.excluded_jobs}

    def job(self, name: str) -> Job:
        """Return a job by its name, or the first of a ``parallel`` job by its base.

        Raises UsageError where there is none.
        """
        found = find_jobs(self.jobs.values(), name)
        if not found:
            raise unknown("job", name, self.job_words())
        return found[0]

    def job_words(self) -> list[str]:
        """Return every name that a job may be called by."""
        names = ((job.name, job.base_name) for job in self.jobs.values())
        return list(dict.fromkeys(word for pair in names for word in pair))


def open_here(*, overrides: Mapping[str, object] | None = None) -> Project:
    """Open the project of the current folder; raises UsageError."""
    from spotci.project import open_project  # noqa: PLC0415 - start-up time

    return open_project(Path.cwd(), os.environ, overrides=overrides)


def open_chosen(
    chosen: Chosen, *, overrides: Mapping[str, object] | None = None
) -> Project:
    """Open the project of the current folder, with the file that was chosen.

    Raises UsageError, as for a file outside of the project.
    """
    from spotci.project import with_config_file  # noqa: PLC0415 - start-up time

    project = open_here(overrides=overrides)
    if chosen.file is None:
        return project
    return with_config_file(project, Path.cwd() / chosen.file)


def load(chosen: Chosen, *, overrides: Mapping[str, object] | None = None) -> Loaded:
    """Compile the pipeline of the current folder in the context that was chosen.

    Raises UsageError, and ``ExceptionGroup[ConfigError]`` with all that is wrong.
    """
    return compile_in(open_chosen(chosen, overrides=overrides), chosen)


def compile_in(project: Project, chosen: Chosen) -> Loaded:
    """Compile the pipeline of a project in the context that was chosen; as above."""
    from spotci.parser.compile import compile_pipeline  # noqa: PLC0415 - start-up time

    file = config_file(project)
    context = context_of(project, chosen)
    with _nothing_to_collect():
        compilation = compile_pipeline(file, context)
    return Loaded(project=project, context=context, compilation=compilation)


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """Make many objects that all stay: looking for cycles would double the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def context_of(project: Project, chosen: Chosen) -> Context:
    """Return the context that was chosen; raises UsageError."""
    from spotci.project import make_context  # noqa: PLC0415 - start-up time

    options = chosen.context_options(os.environ)
    number = next_number(record_folder(project))
    return make_context(
        project,
        replace(options, iid=number, source=source_kind(project.settings.run.source)),
    )


def config_file(project: Project) -> SourceFile:
    """Read the root file of the configuration; raises UsageError without one."""
    from spotci.project import read_config_file  # noqa: PLC0415 - start-up time

    return read_config_file(project, source_kind(project.settings.run.source))


def source_kind(setting: str) -> SourceKind:
    """Return the setting ``run.source``, whose values have been checked."""
    return cast("SourceKind", setting)


def record_folder(project: Project) -> Path:
    """Return the folder of the records of runs."""
    return project.root / ".spotci"


def print_warnings(warnings: Iterable[ConfigWarning]) -> None:
    """Print warnings with their places to stderr."""
    from spotci.report.terminal import printable  # noqa: PLC0415 - with its user

    for warning in warnings:
        print(printable(str(warning)), end="\n\n", file=sys.stderr)
