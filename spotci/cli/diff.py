"""``spotci diff``: which jobs change between two commits, or two contexts, and why."""

from __future__ import annotations

import os
import sys
from dataclasses import fields, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from spotci.cli.json_form import errors_as_json, print_document
from spotci.cli.loading import compile_in, open_chosen
from spotci.cli.options import EVENTS, PipelineCommand, pipeline_options
from spotci.dataclass import dataclass
from spotci.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from spotci.cli.loading import Loaded
    from spotci.cli.options import Chosen

__all__ = ["command"]

#: Options of the context that a side may have for itself.
_OF_SIDE = ("event", "branch", "tag", "target_branch", "variable", "input")
_DIFFERENT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two pipelines; a commit of None is the working tree."""

    commit: str | None
    chosen: Chosen

    @property
    def title(self) -> str:
        """What messages call it, such as ``main --tag v1``."""
        own = [
            f"--{item.name.replace('_', '-')} {value}"
            for item in fields(self.chosen)
            if item.name in {"event", "branch", "tag", "target_branch"}
            and (value := getattr(self.chosen, item.name)) is not None
        ]
        return " ".join([self.commit or "the working tree", *own])

    def load(self) -> Loaded:
        """Compile its pipeline; raises what ``load`` raises."""
        from spotci.project import at_commit  # noqa: PLC0415 - start-up time

        try:
            if self.commit is None:
                return compile_in(open_chosen(self.chosen), self.chosen)
            project = open_chosen(self.chosen, overrides={"run.source": "head"})
            return compile_in(at_commit(project, self.commit), self.chosen)
        except ExceptionGroup:
            print(f"the configuration of {self.title} is not valid:", file=sys.stderr)
            raise


def _side_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add ``--from-event``, ``--to-event`` and so on, given on as two mappings."""

    @wraps(function)
    def command(*args: Any, **kwargs: Any) -> int:  # noqa: ANN401 - click's values
        sides = {
            side: {name: kwargs.pop(f"{side}_{name}") for name in _OF_SIDE}
            for side in ("from", "to")
        }
        return function(*args, before=sides["from"], after=sides["to"], **kwargs)

    for side in ("to", "from"):
        for name in reversed(_OF_SIDE):
            several = name in {"variable", "input"}
            option = click.option(
                f"--{side}-{name.replace('_', '-')}",
                f"{side}_{name}",
                type=click.Choice(EVENTS) if name == "event" else None,
                multiple=several,
                metavar="K=V" if several else None if name == "event" else "NAME",
                help=f"--{name.replace('_', '-')} of the pipeline before."
                if side == "from"
                else f"--{name.replace('_', '-')} of the pipeline after.",
            )
            command = option(command)
    return command


@click.command("diff", cls=PipelineCommand)
@click.option(
    "--from",
    "old",
    metavar="REF",
    help="The commit before.  [default: HEAD; with two contexts, the working tree]",
)
@click.option(
    "--to", "new", metavar="REF", help="The commit after.  [default: the working tree]"
)
@click.option(
    "--exit-code", is_flag=True, help="Leave with code 1 where anything differs."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The form of the output.",
)
@_side_options
@pipeline_options
def command(
    chosen: Chosen,
    /,
    *,
    old: str | None,
    new: str | None,
    exit_code: bool,
    form: str,
    before: dict[str, Any],
    after: dict[str, Any],
) -> int:
    """Tell which jobs appear, disappear or change between two pipelines, and why.

    Both are of the same context, unless an option with --from- or --to- says another.
    A commit changes the files alone: the branch stays the one you are on.

    \b
    spotci diff                              what your edits change
    spotci diff --from main                  what your branch changes
    spotci diff --from main --to HEAD --exit-code
    spotci diff --to-tag v1.2.0              a tag's pipeline beside this branch's
    spotci diff --from-event push --to-event merge_request --target-branch main
    """  # noqa: D301 - click reads the \b
    sides = _sides(chosen, (old, new), before, after)
    if form == "json":
        different = False

        def report() -> None:
            nonlocal different
            from spotci.cli.diff_form import document  # noqa: PLC0415 - as used

            found = document(*(side.load() for side in sides))
            different = bool(found["different"])
            print_document(found)

        code = errors_as_json(report)
        return code or (_DIFFERENT if exit_code and different else 0)
    return _text(sides, exit_code=exit_code)


def _sides(
    chosen: Chosen,
    commits: tuple[str | None, str | None],
    before: dict[str, Any],
    after: dict[str, Any],
) -> tuple[Side, Side]:
    contexts = _with(chosen, before), _with(chosen, after)
    old, new = commits
    if old is None and contexts[0] == contexts[1]:
        old = "HEAD"
    for ref in commits:
        if ref is not None and (not ref or ref.startswith("-")):
            raise UsageError(f'"{ref}" is no name of a commit')
    return (
        Side(commit=old, chosen=contexts[0]),
        Side(commit=new, chosen=contexts[1]),
    )


def _with(chosen: Chosen, own: dict[str, Any]) -> Chosen:
    """Return the context of a side: what it says for itself goes before the rest."""
    given: dict[str, Any] = {
        name: (*getattr(chosen, name), *value) if isinstance(value, tuple) else value
        for name, value in own.items()
        if value
    }
    return replace(chosen, **given)


def _text(sides: tuple[Side, Side], *, exit_code: bool) -> int:
    from spotci.cli.comparison import compare  # noqa: PLC0415 - as used
    from spotci.cli.diff_form import render  # noqa: PLC0415 - as used
    from spotci.report.terminal import Paint, use_colour  # noqa: PLC0415 - as used

    before, after = (side.load() for side in sides)
    comparison = compare(before, after)
    paint = Paint(enabled=use_colour(sys.stdout, os.environ))
    titles = sides[0].title, sides[1].title
    print(render(comparison, titles, paint=paint))
    return _DIFFERENT if exit_code and not comparison.same else 0
