"""The documentation says what is so: pages, links, commands and tests that it names."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from spotci.cli.app import app, command_names
from tools import reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    (
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *(ROOT / "docs").rglob("*.md"),
    )
)
BLOCK = re.compile(
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
SPAN = re.compile(r"`(spotci [^`]+)`")
HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
#: What stands behind a command in a table of examples.
REMARK = re.compile(r"\s{3,}.*$|\s+#.*$")
ABSOLUTE = re.compile(r"(?<![\w.~/>:*}$\])-])/[a-z][\w.-]*(?:/[\w.-]+)+")
#: Absolute paths of jobs, of the engine and of every Unix; a page needs no others.
KNOWN_ROOTS = (
    "/builds",
    "/certs",
    "/spotci",
    "/etc",
    "/var/run",
    "/bin",
    "/dev",
    "/run",
)
#: Not to be parsed: the words stand for what the reader puts there.
PLACEHOLDERS = ("…", "COMMAND", "[OPTIONS]")


def page_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(path: Path) -> str:
    return BLOCK.sub("", path.read_text("utf-8"))


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page, made as GitLab and GitHub make them."""
    found = set()
    for match in HEADING.finditer(prose(path)):
        words = re.sub(r"[^\w\- ]", "", match["text"].lower())
        found.add(words.strip().replace(" ", "-"))
    return found


def commands(text: str) -> Iterator[str]:
    """Yield the commands of spotci in the blocks and spans of a page."""
    for block in BLOCK.finditer(text):
        if block["language"] not in ("", "sh", "console"):
            continue
        for line in block["text"].splitlines():
            command = re.sub(r"^(\$ )?([A-Z_]+=\S* )*(exec )?", "", line)
            if command.startswith("spotci "):
                yield command
    for span in SPAN.finditer(BLOCK.sub("", text)):
        yield span[1]


def words_of(command: str) -> list[str]:
    """Return the words of a command up to the first pipe, redirection or remark."""
    lexer = shlex.shlex(REMARK.sub("", command), posix=True, punctuation_chars="|<>;&")
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if set(word) <= set("|<>;&"):
            break
        words.append(word)
    return words


def parse(words: Sequence[str]) -> None:
    """Parse a command as click would, and run nothing; raises ClickException."""
    context = click.Context(app, info_name="spotci")
    group: click.Group = app
    rest = list(words[1:])
    if rest and rest[0] in ("--version", "--help", "-h", "-V"):
        return
    while rest:
        name = rest.pop(0)
        command = group.get_command(context, name)
        if command is None:
            raise click.UsageError(f"no command {name}")
        if isinstance(command, click.Group):
            context, group = click.Context(command, context, name), command
            continue
        try:
            command.make_context(name, rest, context)
        except click.exceptions.Exit:
            return  # --help
        except click.MissingParameter:
            # In running text ``spotci explain`` stands for the command itself.
            if rest:
                raise
        return


def test_every_example_is_found() -> None:
    text = "Run `spotci up`.\n\n```\n$ A=1 spotci run --job x | cat\nother\n```\n"

    assert [words_of(command) for command in commands(text)] == [
        ["spotci", "run", "--job", "x"],
        ["spotci", "up"],
    ]


@pytest.mark.parametrize(
    "command", ["spotci run --jbo x", "spotci lst", "spotci list --format xml"]
)
def test_a_wrong_example_is_seen(command: str) -> None:
    with pytest.raises(click.ClickException):
        parse(words_of(command))


@pytest.mark.parametrize(("name", "text"), reference.pages().items())
def test_generated_pages_are_current(name: str, text: str) -> None:
    assert (ROOT / name).read_text("utf-8") == text, "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for match in LINK.finditer(prose(page)):
        target, _, anchor = match["target"].partition("#")
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(match["target"])

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_exist_with_their_options(page: Path) -> None:
    wrong = []
    for command in commands(page.read_text("utf-8")):
        if any(word in command for word in PLACEHOLDERS):
            continue
        try:
            parse(words_of(command))
        except click.ClickException as error:
            wrong.append(f"{command}: {error.format_message()}")

    assert wrong == []


@pytest.mark.parametrize("name", command_names())
def test_examples_of_the_help_can_be_given(name: str) -> None:
    command = app.get_command(click.Context(app), name)
    assert command is not None
    lines = (line.strip() for line in (command.help or "").splitlines())

    for line in lines:
        if line.startswith("spotci "):
            parse(words_of(line))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_tests_that_are_named_exist(page: Path) -> None:
    missing = []
    for file, name in TEST.findall(page.read_text("utf-8")):
        path = ROOT / file
        tree = ast.parse(path.read_text("utf-8") if path.is_file() else "")
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        defined = {n.name for n in ast.walk(tree) if isinstance(n, functions)}
        if name not in defined:
            missing.append(f"{file}::{name}")

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_no_page_names_a_folder_of_one_machine(page: Path) -> None:
    found = ABSOLUTE.findall(page.read_text("utf-8"))

    assert [path for path in found if not path.startswith(KNOWN_ROOTS)] == []
