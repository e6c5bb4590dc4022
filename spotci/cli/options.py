"""The options that every command which reads the pipeline takes.

They choose the context (for which event and ref) and the values (variables, inputs,
changed files). A command gets them as one value, :class:`Chosen`.
"""

from __future__ import annotations

from dataclasses import fields
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click

from spotci.dataclass import dataclass
from spotci.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from spotci.project import ContextOptions

__all__ = ["EVENTS", "Chosen", "PipelineCommand", "pipeline_options"]

_P = ParamSpec("_P")

EVENTS = (
    "push",
    "merge_request",
    "tag",
    "schedule",
    "web",
    "api",
    "trigger",
    "pipeline",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The context and the values that the user chose, as he wrote them."""

    event: str | None = None
    branch: str | None = None
    tag: str | None = None
    target_branch: str | None = None
    label: tuple[str, ...] = ()
    variable: tuple[str, ...] = ()
    env_file: tuple[str, ...] = ()
    input: tuple[str, ...] = ()
    unset_variable: tuple[str, ...] = ()
    file: str | None = None
    changed: tuple[str, ...] = ()
    changed_since: str | None = None
    full: bool = False

    def context_options(self, environ: Mapping[str, str]) -> ContextOptions:
        """Return them for the project layer; raises UsageError."""
        from spotci.project import ContextOptions  # noqa: PLC0415 - start-up time

        if self.changed and self.changed_since is not None:
            raise UsageError("--changed and --changed-since cannot be used together")
        return ContextOptions(
            event=self.event,
            branch=self.branch,
            tag=self.tag,
            target_branch=self.target_branch,
            labels=self.label,
            variables=_pairs("--variable", self.variable, environ),
            env_files=self.env_file,
            inputs=_pairs("--input", self.input, None),
            unset=frozenset(self.unset_variable),
            changed=self.changed or None,
            changed_since=self.changed_since,
            full=self.full,
        )

    def arguments(self) -> tuple[str, ...]:
        """Return them as arguments again, without the values of secrets.

        ``--variable NAME`` takes its value from the environment, so that a recorded
        command can be given again and holds no secret.
        """
        found: list[str] = []
        for item in fields(self):
            option = "--" + item.name.replace("_", "-")
            value = getattr(self, item.name)
            if value is True:
                found.append(option)
            elif isinstance(value, str):
                found += [option, value]
            elif isinstance(value, tuple):
                hide = item.name == "variable"
                for text in value:
                    found += [option, _without_secret(text) if hide else text]
        return tuple(found)


def pipeline_options(
    function: Callable[Concatenate[Chosen, _P], int],
) -> Callable[_P, int]:
    """Add the context and value options to a command, as its first parameter."""

    @wraps(function)
    def command(*args: _P.args, **kwargs: _P.kwargs) -> int:
        values: dict[str, Any] = {
            item.name: kwargs.pop(item.name) for item in fields(Chosen)
        }
        return function(Chosen(**values), *args, **kwargs)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class PipelineCommand(click.Command):
    """A command whose help has the shared options in a section of their own."""

    def format_options(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the command's own options first."""
        shared = {item.name for item in fields(Chosen)}
        own: list[tuple[str, str]] = []
        context: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            if not isinstance(parameter, click.Option):
                continue
            if (record := parameter.get_help_record(ctx)) is not None:
                (context if parameter.name in shared else own).append(record)
        for title, records in (("Options", own), ("Context and values", context)):
            with formatter.section(title):
                formatter.write_dl(records)


_OPTIONS: tuple[Callable[[Callable[..., int]], Callable[..., int]], ...] = (
    click.option(
        "--event",
        type=click.Choice(EVENTS),
        help="What the pipeline is created for.  [default: push, or tag with --tag]",
    ),
    click.option("--branch", metavar="B", help="The branch, in place of the current."),
    click.option("--tag", metavar="T", help="The tag of a tag pipeline."),
    click.option(
        "--target-branch",
        metavar="B",
        help="The target of a merge request.  [default: the default branch]",
    ),
    click.option(
        "--label", multiple=True, metavar="L", help="A label of the merge request."
    ),
    click.option(
        "--variable",
        multiple=True,
        metavar="K=V",
        help="A pipeline variable; K alone takes its value from the environment.",
    ),
    click.option(
        "--env-file",
        multiple=True,
        metavar="F",
        type=click.Path(),
        help="A file of KEY=VALUE lines, read as project variables.",
    ),
    click.option(
        "--input", multiple=True, metavar="K=V", help="A value for spec:inputs."
    ),
    click.option(
        "--unset-variable",
        multiple=True,
        metavar="K",
        help="A predefined variable that must not exist.",
    ),
    click.option(
        "--file",
        metavar="F",
        type=click.Path(),
        help="The file that the pipeline begins with.  [default: .gitlab-ci.yml]",
    ),
    click.option(
        "--changed",
        multiple=True,
        metavar="PATH",
        help="What rules:changes take as changed, in place of what git says.",
    ),
    click.option(
        "--changed-since", metavar="REF", help="The base that changes are taken from."
    ),
    click.option(
        "--full",
        is_flag=True,
        help="Switch off every shortcut: all rules:changes hold, caches are empty.",
    ),
)


def _pairs(
    option: str, texts: tuple[str, ...], environ: Mapping[str, str] | None
) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or (not equals and environ is None):
            raise UsageError(f'{option} must be NAME=VALUE, not "{text}"')
        if not equals and environ is not None:
            if name not in environ:
                raise UsageError(
                    f"{option} {name}: there is no such variable in the environment",
                    hint=f"set it, or write {option} {name}=VALUE",
                )
            value = environ[name]
        pairs[name] = value
    return pairs


def _without_secret(text: str) -> str:
    from spotci.project.masking import (  # noqa: PLC0415 - start-up time
        SHORTEST_SECRET,
        Masking,
    )
    from spotci.variables import Variable  # noqa: PLC0415 - start-up time

    name = text.partition("=")[0]
    # The name decides: a value too short to be masked in logs is secret all the same.
    variable = Variable(name=name, value="x" * SHORTEST_SECRET)
    return name if Masking().apply(variable).masked else text
