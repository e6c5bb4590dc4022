"""``spotci init``: a file of settings to begin with."""

from __future__ import annotations

import os
import re
import textwrap
from typing import TYPE_CHECKING

import click

from spotci.cli.loading import open_here
from spotci.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spotci.cli.setting_docs import Section, Setting

__all__ = ["command", "settings_file"]

_WIDTH = 78
_LINK = re.compile(r"\[(?P<text>[^]]*)\]\([^)]*\)")
_HEAD = """\
# Settings of spotci for {whom}. Each is shown with its default; to change
# one, take away the mark before it. spotci doctor tells what holds, and why.
"""
_PROJECTS = """\

# Checkouts of other projects: include:project, components, trigger:project.
[projects]
# "group/project" = "../folder"
"""


@click.command("init")
@click.option(
    "--user",
    is_flag=True,
    help="The settings of this user, for all projects: those that a repository must "
    "not make are among them.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
def command(*, user: bool, force: bool) -> int:
    """Write .spotci.toml: every setting with its meaning and its default, as comments.

    A file that is there already is left alone.

    \b
    spotci init           .spotci.toml, to be committed with the project
    spotci init --user    ~/.config/spotci/config.toml
    """  # noqa: D301 - click reads the \b
    path = _user_path() if user else open_here().root / ".spotci.toml"
    text = settings_file(trusted=user)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path} exists already", hint="--force replaces it; nothing was changed"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}") from error
    print(f"{path} is written: all of it are comments, so nothing has changed")
    return 0


def settings_file(*, trusted: bool) -> str:
    """Return the text of the file; ``trusted`` settings are the user's alone."""
    from spotci.cli.setting_docs import described_sections  # noqa: PLC0415 - as used

    head = _HEAD.format(whom="this user" if trusted else "this project")
    sections = "".join(
        "".join(_section(section, trusted=trusted)) for section in described_sections()
    )
    return head + sections + _PROJECTS


def _user_path() -> Path:
    from spotci.project.load_settings import user_file  # noqa: PLC0415 - as used

    path = user_file(os.environ)
    if path is None:
        raise UsageError("there is no home folder", hint="set SPOTCI_CONFIG")
    return path


def _section(section: Section, *, trusted: bool) -> Iterator[str]:
    settings = [item for item in section.settings if trusted or not item.trusted]
    if not settings:
        return
    yield f"\n# {section.title}\n[{section.name}]\n"
    for setting in settings:
        yield "\n"
        yield _comment(setting)
        yield f"# {setting.key} = {_value(setting)}\n"


def _comment(setting: Setting) -> str:
    text = _LINK.sub(r"\g<text>", setting.meaning)
    if setting.kind.startswith("`"):
        text += f" One of {setting.kind}."
    if not setting.default:
        text += f" Not set; {setting.kind}."
    plain = text.replace("`", "").strip()
    wrapper = textwrap.TextWrapper(
        width=_WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "".join(f"{line}\n" for line in wrapper.wrap(plain))


def _value(setting: Setting) -> str:
    words = [_quoted(word) for word in setting.default]
    match setting.value:
        case tuple():
            return f"[{', '.join(words)}]"
        case bool() | int() | float():
            return setting.default[0]
        case None:
            return '""'
        case _:
            return words[0]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
