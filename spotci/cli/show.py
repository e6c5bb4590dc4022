"""``spotci show``: the configuration with includes, extends and references resolved."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from spotci.cli.loading import load
from spotci.cli.options import PipelineCommand, pipeline_options
from spotci.cli.words import complete_jobs

if TYPE_CHECKING:
    from spotci.cli.loading import Loaded
    from spotci.cli.options import Chosen

__all__ = ["command", "to_yaml"]


@click.command("show", cls=PipelineCommand)
@click.option(
    "--job",
    "name",
    metavar="NAME",
    help="This job alone.",
    shell_complete=complete_jobs,
)
@pipeline_options
def command(chosen: Chosen, *, name: str | None) -> int:
    """Print the resolved configuration as YAML.

    \b
    spotci show
    spotci show --job 'test-services: [api-gateway]'
    """  # noqa: D301 - click reads the \b
    loaded = load(chosen)
    resolved = loaded.compilation.config.resolved
    if name is not None:
        key = _key(loaded, name)
        resolved = {key: resolved[key]}
    sys.stdout.write(to_yaml(resolved))
    return 0


def _key(loaded: Loaded, name: str) -> str:
    """Return the key of a job, given any of its names, or of a hidden job."""
    if name in loaded.compilation.config.resolved:
        return name
    return loaded.job(name).base_name


def to_yaml(value: Mapping[str, object]) -> str:
    """Return a resolved configuration, or a part of it, as YAML that GitLab takes."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - start-up time

    yaml = YAML(typ="rt")
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_for_yaml(value), stream)
    return stream.getvalue()


def _for_yaml(value: Any) -> Any:  # noqa: ANN401 - YAML values have no type
    """Return plain containers, with texts of several lines as literal blocks."""
    from ruamel.yaml.scalarstring import (  # noqa: PLC0415 - as above
        DoubleQuotedScalarString,
        LiteralScalarString,
    )

    if isinstance(value, Mapping):
        return {_for_yaml(key): _for_yaml(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_for_yaml(item) for item in value]
    if isinstance(value, str) and "\n" in value.rstrip("\n"):
        return LiteralScalarString(value)
    if isinstance(value, str) and _is_no_text(value):
        return DoubleQuotedScalarString(value)
    return value


def _is_no_text(value: str) -> bool:
    """Say whether YAML 1.1, GitLab's, takes a plain text for a number, a date, a bool.

    ruamel writes YAML 1.2, where ``12:30`` and ``yes`` need no quotes.
    """
    from spotci.parser.scalars import (  # noqa: PLC0415 - as above
        UnspecifiedClassError,
        resolve,
    )

    try:
        return resolve(value) != value
    except UnspecifiedClassError:
        return True
