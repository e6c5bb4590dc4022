"""Writes the pages of ``docs/reference`` that the code can tell: ``make docs``.

====================== ============================================================
``cli.md``             every command of ``spotci`` with its options, from click
``settings.md``        every key of ``spotci/project/settings.py``, with its comment
``events.schema.json`` the events of a run as JSON Schema, from ``spotci/events.py``
====================== ============================================================

``tests/test_docs.py`` fails where a page is not what this program would write.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from datetime import timedelta
from inspect import cleandoc
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import click

from spotci.cli.app import app, command_names
from spotci.cli.options import Chosen
from spotci.project.settings import SECTIONS
from tools.event_schema import event_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["pages"]

ROOT = Path(__file__).resolve().parents[1]
_SETTINGS = "spotci/project/settings.py"
_MADE = "<!-- made by tools/reference.py: run `make docs` -->"
#: Options of every command that reads the pipeline; described once.
_SHARED = frozenset(item.name for item in dataclasses.fields(Chosen))
_COMMENT = re.compile(r"\s*#: ?(?P<text>.*)")
#: Keys that have no comment in the code, or share one with the next key.
_MEANINGS = {
    "engine.name": "Name of the engine's container.",
    "engine.image": "Image of the engine.",
    "engine.network": "Network of the host that the engine is on.",
    "engine.kind": "A Docker engine of our own, or no containers at all.",
    "engine.memory": "Limit of the whole engine, such as `8g`.",
    "engine.cpus": "Limit of the whole engine, a number of processors.",
    "engine.transport": "How spotci reaches the engine; `auto` is `socket` on Linux.",
    "engine.proxy": "Proxy of the engine and of the jobs: see "
    "[behind a proxy](../how-to/behind-a-proxy.md).",
    "engine.no_proxy": "Hosts that are asked directly, beside this machine and the "
    "services of a job.",
    "registry.name": "Name of the registry's container.",
    "registry.image": "Image of the registry.",
    "registry.mirror": "A registry whose images are kept for all runs; "
    "`https://registry-1.docker.io` is Docker Hub's.",
    "registry.port": "Port of the registry, on the host and in jobs.",
    "run.concurrency": "Jobs at once; without, from processors and memory.",
    "run.default_image": "Image of jobs that name none.",
    "run.pull_policy": "When images are pulled, for jobs that do not say it.",
    "run.fail_fast": "Stop at the first failure.",
    "run.keep": "Keep the containers of failed jobs, for `spotci shell`.",
    "run.output": "What is shown; `auto` is `live` on a terminal, `plain` elsewhere.",
    "run.source": "Files as they are on disk, as staged, or as committed.",
    "run.artifacts_to_source": "Copy artifacts into the source tree, too.",
    "run.git_depth": "Commits that jobs see; 0 is all. `GIT_DEPTH` wins.",
    "project.path": "`group/project`; read from the remote where not set.",
    "project.id": "`CI_PROJECT_ID`; made from the path where it is not set.",
    "project.default_branch": "`CI_DEFAULT_BRANCH`; read from git where not set.",
    "project.protected_branches": "Patterns of protected branches; the default "
    "branch always is.",
    "project.protected_tags": "Patterns of protected tags.",
    "include.timeout": "For one file from outside.",
    "include.allow_http": "Fetch URLs without TLS.",
    "include.templates": "A folder with GitLab's templates; without, they are read "
    "from gitlab.com.",
    "include.templates_ref": "Branch, tag or commit that templates are read from.",
    "gitlab.url": "`https://gitlab.example.com`; read from the remote where not set.",
    "gitlab.version": "`CI_SERVER_VERSION`.",
    "variables.mask": "Patterns of further names whose values are secret.",
    "variables.unmask": "Patterns of names whose values are not secret.",
}
#: What the code does otherwise than the comment says.
_REMARKS = {
    "engine.kind": "`host` is refused: jobs never run in the developer's own Docker.",
}


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
    source = (ROOT / _SETTINGS).read_text("utf-8")
    classes = {
        node.name: node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef)
    }
    lines = source.splitlines()
    for section, kind in SECTIONS.items():
        title = (kind.__doc__ or "").partition("``: ")[2].strip()
        yield from ("", f"## {section}", "", title[:1].upper() + title[1:], "")
        yield from ("| key | type | default | in `.spotci.toml` | meaning |",)
        yield "|---|---|---|---|---|"
        fields = {item.name: item for item in dataclasses.fields(kind)}
        for node in classes[kind.__name__].body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                item = fields[node.target.id]
                yield _row(section, item, _reader(node), _comment(lines, node.lineno))
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


def _row(
    section: str, item: dataclasses.Field[object], reader: ast.expr, comment: str
) -> str:
    key = f"{section}.{item.name}"
    meaning = " ".join(
        part for part in (_MEANINGS.get(key) or comment, _REMARKS.get(key)) if part
    )
    where = "refused" if item.metadata["trusted"] else "yes"
    cells = (f"`{item.name}`", _type(reader), _value(item.default), where, meaning)
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _reader(node: ast.AnnAssign) -> ast.expr:
    """Return what reads the value: the argument of ``_read`` in the metadata."""
    calls = (part for part in ast.walk(node) if isinstance(part, ast.Call))
    return next(
        call.args[0]
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "_read"
    )


def _type(reader: ast.expr) -> str:
    if isinstance(reader, ast.Name):
        return {"texts": "list of texts", "flag": "true or false"}.get(
            reader.id, reader.id
        )
    if not isinstance(reader, ast.Call) or not isinstance(reader.func, ast.Name):
        raise TypeError(f"no reader of a setting: {ast.unparse(reader)}")
    if reader.func.id == "choice":
        words = (ast.literal_eval(part) for part in reader.args)
        return ", ".join(f"`{word}`" for word in words)
    return "whole number"


def _value(default: object) -> str:
    match default:
        case None | ():
            return ""
        case bool():
            return f"`{str(default).lower()}`"
        case timedelta():
            minutes, seconds = divmod(int(default.total_seconds()), 60)
            return f"`{minutes}m`" if not seconds else f"`{60 * minutes + seconds}s`"
        case tuple():
            return ", ".join(f"`{part}`" for part in default)
        case _:
            return f"`{default}`"


def _comment(lines: Sequence[str], number: int) -> str:
    """Return the ``#:`` comment right above a line, as Markdown."""
    found: list[str] = []
    for line in reversed(lines[: number - 1]):
        match = _COMMENT.fullmatch(line)
        if match is None:
            break
        found.append(match["text"])
    return " ".join(reversed(found)).replace("``", "`")


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


if __name__ == "__main__":
    main()
