"""``spotci run``: the pipeline, or some of its jobs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from spotci.cli.loading import load, record_folder
from spotci.cli.options import PipelineCommand, pipeline_options
from spotci.cli.outputs import OUTPUTS
from spotci.cli.selection import Request, select, select_manual
from spotci.cli.words import (
    complete_breakpoints,
    complete_jobs,
    complete_manual,
    complete_stages,
)
from spotci.errors import UsageError
from spotci.pipeline import When

if TYPE_CHECKING:
    from spotci.cli.debugger import TerminalDebugger
    from spotci.cli.loading import Loaded
    from spotci.cli.options import Chosen
    from spotci.cli.playing import TerminalPlayer
    from spotci.cli.selection import Selection

__all__ = ["command"]

#: Options of ``run`` that are settings, and which.
_SETTINGS = {
    "source": "run.source",
    "engine": "engine.kind",
    "concurrency": "run.concurrency",
    "fail_fast": "run.fail_fast",
    "no_delay": "run.no_delay",
    "keep": "run.keep",
    "timeout": "run.timeout",
    "output": "run.output",
    "timestamps": "run.timestamps",
    "dind_service": "engine.dind_service",
    "artifacts_to_source": "run.artifacts_to_source",
}


@click.command("run", cls=PipelineCommand)
@click.argument("jobs", metavar="[JOB]...", nargs=-1, shell_complete=complete_jobs)
@click.option(
    "--job",
    "more_jobs",
    multiple=True,
    metavar="NAME",
    help="As JOB: an exact name, a name without the suffix of parallel, or a pattern.",
    shell_complete=complete_jobs,
)
@click.option(
    "--stage",
    "stages",
    multiple=True,
    metavar="S",
    help="All jobs of this stage.",
    shell_complete=complete_stages,
)
@click.option(
    "--no-needs",
    is_flag=True,
    help="Without the jobs that these need; artifacts are those of the last run.",
)
@click.option(
    "--only-needs", is_flag=True, help="The jobs that these need, without these."
)
@click.option("--reuse", is_flag=True, hidden=True)
@click.option(
    "--manual",
    multiple=True,
    metavar="NAME|all",
    help="Play this manual job.",
    shell_complete=complete_manual,
)
@click.option(
    "--source",
    type=click.Choice(["worktree", "index", "head"]),
    help="Files as they are on disk, as staged, or as committed.  [default: worktree]",
)
@click.option(
    "--engine",
    type=click.Choice(["dind", "host", "shell"]),
    help="A Docker engine of our own, your Docker, or no containers.  [default: dind]",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Jobs at once.  [default: from processors and memory]",
)
@click.option("--fail-fast", is_flag=True, help="Stop at the first failure.")
@click.option(
    "--no-delay",
    is_flag=True,
    help="Start delayed jobs at once, whatever their start_in.",
)
@click.option(
    "--keep",
    is_flag=True,
    help="Keep the containers of failed jobs: spotci shell JOB enters them.",
)
@click.option(
    "--shell-on-failure",
    is_flag=True,
    help="Open a shell in the container of a job that failed, at once.",
)
@click.option(
    "--break",
    "breaks",
    multiple=True,
    metavar="JOB[:LINE]",
    help="Open a shell before this line of before_script and script, counted from 1, "
    "or before after_script (JOB:after).  [default: LINE 1]",
    shell_complete=complete_breakpoints,
)
@click.option(
    "--watch",
    is_flag=True,
    help="Run again what changed files concern, until Ctrl-C.  [needs spotci[watch]]",
)
@click.option(
    "--notify", is_flag=True, help="A notification on the desktop at the end."
)
@click.option("--timeout", metavar="D", help="A bound on the whole run, as 1h 30m.")
@click.option(
    "--output",
    type=click.Choice(OUTPUTS),
    help="A board, lines, events as JSON, or the summary alone.  [default: live on a "
    "terminal, plain elsewhere]",
)
@click.option(
    "--timestamps",
    is_flag=True,
    help="Begin each line with its time, in UTC; lines in place of the board.",
)
@click.option(
    "--dind-service",
    type=click.Choice(["engine", "nested"]),
    help="What a docker:dind service is: the engine itself, or one more daemon.  "
    "[default: engine]",
)
@click.option(
    "--artifacts-to-source",
    is_flag=True,
    help="Copy artifacts into the source tree, too.",
)
@pipeline_options
def command(
    chosen: Chosen,
    /,
    *,
    jobs: tuple[str, ...],
    more_jobs: tuple[str, ...],
    stages: tuple[str, ...],
    no_needs: bool,
    only_needs: bool,
    reuse: bool,
    manual: tuple[str, ...],
    shell_on_failure: bool,
    breaks: tuple[str, ...],
    watch: bool,
    notify: bool,
    **settings: object,
) -> int:
    """Run the pipeline, or the named jobs with all that they need.

    \b
    spotci run                               the pipeline of the current branch
    spotci run test-services                 a job, all its parallel instances
    spotci run 'test-services: [gateway]'    one of them
    spotci run --stage test                  a stage
    spotci run --manual deploy-staging       with this manual job
    spotci run --no-needs unit               it alone, with artifacts of the last run
    spotci run --break unit:2 unit           with a shell before its second line
    spotci run --watch unit lint             and again after every change
    spotci run --event merge_request --target-branch main
    """  # noqa: D301 - click reads the \b
    overrides = {
        _SETTINGS[name]: value
        for name, value in settings.items()
        # A flag that is not given leaves the setting alone.
        if value is not None and value is not False
    }
    loaded = load(chosen, overrides=overrides)
    if no_needs and only_needs:
        raise UsageError("--no-needs and --only-needs cannot be used together")
    request = Request(
        names=(*jobs, *more_jobs),
        stages=stages,
        needs=not no_needs,
        only_needs=only_needs,
    )
    if only_needs and request.everything:
        raise UsageError("--only-needs needs the name of a job, or --stage")
    if loaded.compilation.pipeline is None and not request.names:
        print(f"no pipeline is created: {loaded.compilation.reason}", file=sys.stderr)
        return 0
    if reuse:
        from spotci.cli.earlier import reusing  # noqa: PLC0415 - start-up time

        request = reusing(loaded, request)
    debugger = None
    if shell_on_failure or breaks:
        from spotci.cli.debugger import run_debugger  # noqa: PLC0415 - start-up time

        debugger = run_debugger(
            loaded.jobs.values(), failures=shell_on_failure, breaks=breaks
        )

    def perform(loaded: Loaded, request: Request, manual: tuple[str, ...]) -> int:
        code = start(
            *(loaded, chosen, request),
            manual=manual,
            settings=settings,
            debugger=debugger,
            ask=not watch,
        )
        if notify:
            _notify(loaded, code)
        return code

    if watch:
        if loaded.project.settings.run.artifacts_to_source:
            raise UsageError(
                "--watch and --artifacts-to-source cannot be used together: artifacts "
                "would be changes"
            )
        from spotci.cli.watch import Watch  # noqa: PLC0415 - start-up time

        return Watch(
            chosen=chosen,
            overrides=overrides,
            request=request,
            manual=manual,
            run=perform,
        ).begin(loaded)
    return perform(loaded, request, manual)


def _notify(loaded: Loaded, code: int) -> None:
    from spotci.cli.notify import notify_end  # noqa: PLC0415 - start-up time
    from spotci.runs import RunStore  # noqa: PLC0415 - start-up time

    runs = RunStore(record_folder(loaded.project)).list()
    notify_end(runs[0] if runs else None, code)


def start(
    loaded: Loaded,
    chosen: Chosen,
    request: Request,
    *,
    manual: tuple[str, ...],
    settings: dict[str, object],
    debugger: TerminalDebugger | None = None,
    ask: bool = False,
) -> int:
    """Select the jobs, run them, and return the exit code.

    With ``ask`` a person on the terminal chooses among the manual jobs in the end.
    """
    from spotci.cli.earlier import earlier_jobs  # noqa: PLC0415 - start-up time
    from spotci.cli.planning import Task  # noqa: PLC0415 - start-up time
    from spotci.cli.running import perform  # noqa: PLC0415 - start-up time

    excluded = loaded.compilation.excluded_jobs
    selection = select(loaded.pipeline, excluded, request)
    options = chosen.arguments()
    played = select_manual(selection.pipeline, manual)
    task = Task(
        loaded=loaded,
        selection=selection,
        manual=played,
        full=chosen.full,
        command=("run", *_arguments(request, manual, settings), *options),
        options=options,
        earlier={} if request.needs else earlier_jobs(loaded, selection),
        debugger=debugger,
        player=_player(loaded, selection, debugger) if ask else None,
    )
    return perform(task)


def _player(
    loaded: Loaded, selection: Selection, debugger: TerminalDebugger | None
) -> TerminalPlayer | None:
    """Return who is asked about manual jobs, where there are any and a terminal."""
    from spotci.cli.outputs import is_watched  # noqa: PLC0415 - start-up time
    from spotci.cli.terminal import Terminal  # noqa: PLC0415 - start-up time

    settings = loaded.project.settings.run
    jobs = selection.pipeline.jobs.values()
    if (
        not settings.ask_manual
        or settings.output in ("json", "quiet")
        or not any(job.when is When.MANUAL for job in jobs)
        or not (is_watched() and Terminal().is_one)
    ):
        return None
    from spotci.cli.playing import TerminalPlayer  # noqa: PLC0415 - start-up time

    return TerminalPlayer(screen=debugger.screen) if debugger else TerminalPlayer()


def _arguments(
    request: Request, manual: tuple[str, ...], settings: dict[str, object]
) -> list[str]:
    """Return the arguments of the command again, but for those of the context."""
    found: list[str] = []
    for option, values in (
        ("--job", request.names),
        ("--stage", request.stages),
        ("--manual", manual),
    ):
        for value in values:
            found += [option, value]
    if not request.needs:
        found.append("--no-needs")
    if request.only_needs:
        found.append("--only-needs")
    for name, setting in settings.items():
        option = "--" + name.replace("_", "-")
        if setting is True:
            found.append(option)
        elif setting is not None and setting is not False:
            found += [option, str(setting)]
    return found
