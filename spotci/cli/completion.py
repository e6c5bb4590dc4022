"""``spotci completion``: the script that makes a shell complete our words."""

from __future__ import annotations

import click

from spotci.errors import UsageError

__all__ = ["command"]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(*, shell: str) -> int:
    """Print the completion script of a shell.

    It completes commands, options and their values, and the names of jobs, stages and
    runs of the project that the shell is in.

    \b
    bash   eval "$(spotci completion bash)"       in ~/.bashrc
    zsh    eval "$(spotci completion zsh)"        in ~/.zshrc
    fish   spotci completion fish | source        in ~/.config/fish/config.fish
    """  # noqa: D301 - click reads the \b
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - as used

    from spotci.cli.app import app  # noqa: PLC0415 - app loads this module
    from spotci.cli.bash_completion import register  # noqa: PLC0415 - as used

    register()
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"there is no completion for {shell}")
    print(kind(app, {}, "spotci", "_SPOTCI_COMPLETE").source())
    return 0
