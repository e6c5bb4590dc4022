"""``spotci show``: the configuration with includes, extends and references resolved."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from spotci.cli.loading import complete_jobs, load
from spotci.cli.options import PipelineCommand, pipeline_options

if TYPE_CHECKING:
    from spotci.cli.loading import Loaded
    from spotci.cli.options import Chosen

__all__ = ["command"]


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
    _print_yaml(resolved)
    return 0


def _key(loaded: Loaded, name: str) -> str:
    """Return the key of a job, given any of its names, or of a hidden job."""
    if name in loaded.compilation.config.resolved:
        return name
    return loaded.job(name).base_name


def _print_yaml(value: Mapping[str, object]) -> None:
    from ruamel.yaml import YAML  # noqa: PLC0415 - start-up time

    yaml = YAML(typ="rt")
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(_for_yaml(value), sys.stdout)


def _for_yaml(value: Any) -> Any:  # noqa: ANN401 - YAML values have no type
    """Return plain containers, with texts of several lines as literal blocks."""
    from ruamel.yaml.scalarstring import LiteralScalarString  # noqa: PLC0415 - as above

    if isinstance(value, Mapping):
        return {key: _for_yaml(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_for_yaml(item) for item in value]
    if isinstance(value, str) and "\n" in value.rstrip("\n"):
        return LiteralScalarString(value)
    return value
