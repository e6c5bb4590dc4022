"""Writes the pages of ``docs/reference`` that the code can tell: ``make docs``.

====================== ============================================================
``cli.md``             every command of ``spotci`` with its options, from click
``settings.md``        every key of ``spotci/project/settings.py``, with its comment
``events.schema.json`` the events of a run as JSON Schema, from ``spotci/events.py``
====================== ============================================================

``tests/test_docs.py`` fails where a page is not what this program would write.
"""

from __future__ import annotations

import dataclasses
import re
from inspect import cleandoc
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import click

from spotci.cli.app import app, command_names
from spotci.cli.options import Chosen
from spotci.cli.setting_docs import described_sections
from tools.event_schema import event_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from spotci.cli.setting_docs import Setting

__all__ = ["pages"]

ROOT = Path(__file__).resolve().parents[1]
_MADE = "<!-- made by tools/reference.py: run `make docs` -->"
#: Options of every command that reads the pipeline; described once.
_SHARED = frozenset(item.name for item in dataclasses.fields(Chosen))


def pages() -> Mapping[str, str]:
    """Return the pages by their paths below the root of the repository."""
    return {
        "docs/reference/cli.md": _page(_commands()),
        "docs/reference/settings.md": _page(_settings()),
        "docs/reference/events.schema.json": event_schema(),
    }


def main() -> None:
    """Write the pages that are not as they should be."""
    for name, text in pages().items():
        path = ROOT / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"docs: {name}")


def _page(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


# --- commands -----------------------------------------------------------------


def _commands() -> Iterator[str]:
    root = click.Context(app, info_name="spotci")
    commands = [(name, app.get_command(root, name)) for name in command_names()]
    yield from ("# Commands", "", _MADE, "")
    yield "`spotci COMMAND --help` prints the same. Options stand before or after names"
    yield "of jobs; [exit codes](exit-codes.md) are the same for all commands."
    shared: Sequence[click.Parameter] = ()
    for name, command in commands:
        if command is None:
            continue
        yield from _command(command, click.Context(command, root, name))
        if isinstance(command, click.Group):
            for inner, part in command.commands.items():
                below = click.Context(command, root, name)
                yield from _command(part, click.Context(part, below, inner), level=3)
        shared = shared or [p for p in command.params if p.name in _SHARED]
    yield from ("", "## Context and values", "")
    yield "Every command that reads the pipeline takes these. They choose what the"
    yield "pipeline is created for, and with which values."
    yield from _options(shared)


def _command(
    command: click.Command, context: click.Context, *, level: int = 2
) -> Iterator[str]:
    usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
    yield from ("", f"{'#' * level} {context.command_path}", "", f"`{usage}`")
    for paragraph in cleandoc(command.help or "").split("\n\n"):
        yield ""
        _, mark, examples = paragraph.partition("\b\n")
        if mark:
            yield from ("```", dedent(examples).rstrip(), "```")
        else:
            yield paragraph.strip()
    own = [item for item in command.params if item.name not in _SHARED]
    yield from _options(own)
    if len(own) < len(command.params):
        yield from ("", "And those of [context and values](#context-and-values).")


def _options(parameters: Iterable[click.Parameter]) -> Iterator[str]:
    options = [
        item
        for item in parameters
        if isinstance(item, click.Option) and not item.hidden
    ]
    if not options:
        return
    yield from ("", "| option | meaning | default |", "|---|---|---|")
    for option in options:
        text, default = _default(option)
        yield f"| {_words(option)} | {_cell(text)} | {_cell(default)} |"


def _words(option: click.Option) -> str:
    value = ""
    if not option.is_flag:
        kind = option.type
        value = " " + (
            "\\|".join(map(str, kind.choices))
            if isinstance(kind, click.Choice)
            else (option.metavar or kind.name.upper()).replace("|", "\\|")
        )
    words = ", ".join(f"`{word}{value}`" for word in option.opts)
    return f"{words}, repeatable" if option.multiple else words


def _default(option: click.Option) -> tuple[str, str]:
    """Return the help without what it says of the default, and the default."""
    text, marker, rest = (option.help or "").partition("[default: ")
    if marker:
        return text.strip(), rest.rstrip("]")
    shown = option.show_default and isinstance(option.default, str)
    return text or "The form of the output.", str(option.default) if shown else ""


# --- settings -----------------------------------------------------------------


def _settings() -> Iterator[str]:
    yield from ("# Settings", "", _MADE, "")
    yield from _PREFACE.splitlines()
    for section in described_sections():
        yield from ("", f"## {section.name}", "", f"{section.title}", "")
        yield from ("| key | type | default | in `.spotci.toml` | meaning |",)
        yield "|---|---|---|---|---|"
        yield from map(_row, section.settings)
    yield from ("", "## projects", "")
    yield '`"group/project" = "../folder"`: a checkout of another project, for'
    yield "`include:project`, components, `trigger:project` and `needs:project`. A"
    yield "relative path begins at the folder of the file that names it."


_PREFACE = """\
`spotci doctor` prints the effective values and where each comes from. Later sources
win:

1. the defaults
2. options of gitlab-ci-local with a counterpart, in `~/.gitlab-ci-local/.env` and
   `.gitlab-ci-local-env`
3. the user's file: `SPOTCI_CONFIG`, or `spotci/config.toml` in `XDG_CONFIG_HOME` or
   `~/.config`
4. the repository's file, `.spotci.toml`
5. the environment: `SPOTCI_RUN_KEEP_RUNS=5` is `run.keep_runs`; lists are
   separated by commas
6. options of the command

An unknown key is an error. A repository can be hostile, so keys that decide what runs
with privileges, where secrets go or which network is asked are refused in
`.spotci.toml`.

```toml
# .spotci.toml
[run]
concurrency = 4
default_image = "python:3.12-slim"

[projects]
"group/templates" = "../templates"
```"""


def _row(setting: Setting) -> str:
    where = "refused" if setting.trusted else "yes"
    default = ", ".join(f"`{word}`" for word in setting.default)
    cells = (f"`{setting.key}`", setting.kind, default, where, setting.meaning)
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


if __name__ == "__main__":
    main()
