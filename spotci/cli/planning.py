"""From what the user asked for to the plan that the executor gets."""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.cli.concurrency import default_concurrency
from spotci.cli.consent import docker_jobs
from spotci.cli.engine_settings import parse_size
from spotci.cli.loading import source_kind
from spotci.cli.proxies import job_proxies
from spotci.dataclass import dataclass
from spotci.executor.backend import Limits
from spotci.executor.plan import RunOptions, RunPlan
from spotci.runs import job_slugs
from spotci.sizes import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from spotci.cli.debugger import TerminalDebugger
    from spotci.cli.loading import Loaded
    from spotci.cli.playing import TerminalPlayer
    from spotci.cli.selection import Selection
    from spotci.context import Context
    from spotci.executor.plan import EarlierJob
    from spotci.pipeline import JobName
    from spotci.project import Project
    from spotci.runs import Run
    from spotci.tree import SourceTree
    from spotci.variables import Variable

__all__ = ["Task", "make_plan", "read_source", "run_variables"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A run to perform.

    ``command`` are the arguments that lead to it again, for the record, and
    ``options`` those of them that choose the context, for the commands that the
    summary offers.
    """

    loaded: Loaded
    selection: Selection
    manual: frozenset[str] = frozenset()
    #: Caches start empty and nothing is reused.
    full: bool = False
    command: Sequence[str] = ()
    options: Sequence[str] = ()
    earlier: Mapping[JobName, EarlierJob] = field(
        default_factory=lambda: MappingProxyType({})
    )
    #: Who looks into jobs on the user's terminal; None nobody.
    debugger: TerminalDebugger | None = None
    #: Who is asked there about manual jobs, on the same screen; None nobody.
    player: TerminalPlayer | None = None

    def notes(self) -> Iterator[str]:
        """Yield what the user should know before it begins."""
        for warning in self.loaded.compilation.warnings:
            place = f"{warning.span}: " if warning.span else ""
            yield f"{place}{warning.message}"
        yield from self.selection.notes


def read_source(task: Task, scratch: Path) -> SourceTree:
    """List the files that the jobs see; what must be written goes to ``scratch``."""
    from spotci.project import source_tree  # noqa: PLC0415 - start-up time

    project = task.loaded.project
    return source_tree(project, source_kind(project.settings.run.source), scratch)


def make_plan(task: Task, run: Run, tree: SourceTree) -> RunPlan:
    """Return the plan of a run."""
    from spotci.cli.elsewhere import ProjectElsewhere  # noqa: PLC0415 - as used
    from spotci.project.dockerfiles import base_images_later  # noqa: PLC0415 - as used

    project, context = task.loaded.project, task.loaded.context
    pipeline = task.selection.pipeline
    return RunPlan(
        run=run.id,
        pipeline=pipeline,
        tree=tree,
        record=run.folder,
        sha=tree.sha,
        project_path=context.project_path,
        variables=run_variables(project, context, run.id),
        protected=context.protected,
        options=_options(task),
        earlier=task.earlier,
        elsewhere=ProjectElsewhere(project=project),
        base_images=base_images_later(tree),
        slugs=job_slugs(pipeline.jobs),
    )


def _docker(task: Task, setting: str) -> str:
    """Return which jobs get Docker: ``ask`` has been answered when a run is planned."""
    if setting == "ask":
        # What asks for Docker unforeseen, such as a child pipeline, was not allowed.
        return "auto" if docker_jobs(task) else "never"
    return setting


def run_variables(project: Project, context: Context, run: str) -> tuple[Variable, ...]:
    """Return the variables that a run gives to its jobs, beside those of the context.

    Its secrets are new with every call.
    """
    from spotci.project import runner_variables  # noqa: PLC0415 - as above

    variables = runner_variables(project, context, run_id=run)
    return (*variables, *job_proxies(project.settings))


def _options(task: Task) -> RunOptions:
    settings = task.loaded.project.settings
    run, engine = settings.run, settings.engine
    memory = None if engine.memory is None else parse_size(engine.memory)
    return RunOptions(
        concurrency=run.concurrency or default_concurrency(engine.cpus, memory),
        manual=task.manual,
        player=task.player,
        named=task.selection.named,
        fail_fast=run.fail_fast,
        no_delay=run.no_delay,
        keep=run.keep,
        timeout=run.timeout,
        job_timeout=run.job_timeout,
        default_image=run.default_image,
        pull_policy=run.pull_policy,
        nested_dind=engine.dind_service == "nested",
        docker=_docker(task, engine.docker),
        proxied=engine.proxy is not None,
        artifacts_to_source=run.artifacts_to_source,
        ignore_caches=task.full,
        debugger=task.debugger,
        limits=Limits(
            memory=None if run.job_memory is None else parse_bytes(run.job_memory),
            cpus=run.job_cpus,
            pids=run.job_pids,
        ),
        output_limit=parse_bytes(run.output_limit),
    )
