"""The commands, by name: each is imported when it is called, and not before."""

from __future__ import annotations

import os
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

import click

from spotci import __version__

__all__ = ["app"]


class _Entry(NamedTuple):
    module: str
    help: str
    attribute: str = "command"


_COMMANDS = {
    "run": _Entry("run", "Run the pipeline, or some of its jobs."),
    "list": _Entry("listing", "List the jobs that the pipeline has in this context."),
    "lint": _Entry("lint", "Check the configuration."),
    "show": _Entry("show", "Print the resolved configuration."),
    "explain": _Entry("explain", "Tell why a job is in or out, and where it is from."),
    "diff": _Entry("diff", "Tell which jobs change between commits or contexts."),
    "graph": _Entry("graph", "Draw the jobs and what they wait for."),
    "eval": _Entry("evaluate", "Evaluate a rules:if expression in this context."),
    "logs": _Entry("logs", "Print the logs of a run."),
    "runs": _Entry("history", "List the recorded runs.", "runs"),
    "artifacts": _Entry("history", "List the artifacts of a run.", "artifacts"),
    "report": _Entry("report", "Write the report of a run, and open it."),
    "rerun": _Entry("rerun", "Run jobs of a recorded run again."),
    "shell": _Entry("shell", "Open a shell in the container of a job."),
    "up": _Entry("engine", "Start the engine.", "up"),
    "down": _Entry("engine", "Stop the engine.", "down"),
    "status": _Entry("engine", "Show the engine.", "status"),
    "registry": _Entry("registry", "Control the registry beside the engine."),
    "clean": _Entry("clean", "Remove what spotci made on this machine."),
    "init": _Entry("init", "Write a file of settings to begin with."),
    "doctor": _Entry("doctor", "Show what this machine has and lacks."),
    "completion": _Entry("completion", "Print the completion script of a shell."),
}


class _LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        entry = _COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = import_module(f"spotci.cli.{entry.module}")
        command: click.Command = getattr(module, entry.attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in _COMMANDS or name.startswith("-"):
            return super().resolve_command(ctx, args)
        close = get_close_matches(name, _COMMANDS, n=1)
        hint = f' Did you mean "{close[0]}"?' if close else ""
        raise click.UsageError(f'no command "{name}".{hint}', ctx)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        # Without this, click would import every command for its help line.
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, e.help) for name, e in _COMMANDS.items()])


def _enter(ctx: click.Context, option: click.Parameter, folder: str | None) -> None:
    # A callback, unlike the body of the group, is called for completion, too.
    del ctx, option
    if folder is not None:
        os.chdir(folder)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-C",
    "--cwd",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False),
    expose_value=False,
    callback=_enter,
    help="Work in this folder.",
)
@click.version_option(__version__, "-V", "--version", message="spotci %(version)s")
def app(**_: Any) -> None:  # noqa: ANN401 - click passes what it has
    """Run this project's GitLab CI pipeline on this machine.

    \b
    spotci list                what would run for the branch you are on
    spotci run                 run it
    spotci run test-services   run one job, with the jobs that it needs
    spotci explain deploy      why a job is in or out
    """  # noqa: D301 - click reads the \b


def command_names() -> tuple[str, ...]:
    """Return the names of all commands."""
    return tuple(_COMMANDS)
