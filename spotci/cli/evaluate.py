"""``spotci eval``: a ``rules:if`` expression in a context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spotci.cli.loading import load
from spotci.cli.options import PipelineCommand, pipeline_options
from spotci.errors import UsageError
from spotci.variables import effective

if TYPE_CHECKING:
    from spotci.cli.loading import Loaded
    from spotci.cli.options import Chosen
    from spotci.variables import Variable

__all__ = ["command"]


@click.command("eval", cls=PipelineCommand)
@click.argument("expression")
@click.option("--job", "name", metavar="NAME", help="With the variables of this job.")
@pipeline_options
def command(chosen: Chosen, *, expression: str, name: str | None) -> int:
    """Evaluate a rules:if expression in this context: true or false, and why.

    The values of its variables are shown, but not those of secrets.

    \b
    spotci eval '$CI_COMMIT_BRANCH =~ /^release/'
    spotci eval '$CI_PIPELINE_SOURCE == "merge_request_event"' --event merge_request
    """  # noqa: D301 - click reads the \b
    from spotci.parser import expression as language  # noqa: PLC0415 - start-up time

    try:
        tree = language.parse(expression)
    except language.ExpressionSyntaxError as error:
        marker = " " * error.start + "^" * max(1, error.end - error.start)
        raise UsageError(f"{error}\n  {expression}\n  {marker}") from None
    known = _variables(load(chosen), name)
    values = {variable.name: variable.value for variable in known}
    hidden = {variable.name for variable in known if variable.masked}
    value = language.evaluate(tree, values)
    print("true" if language.truthy(value) else "false")
    print(language.explain(tree, values, hidden=hidden))
    return 0


def _variables(loaded: Loaded, name: str | None) -> list[Variable]:
    given = loaded.variables if name is None else loaded.job(name).variables
    return list(effective(given).values())
