"""What the settings mean, as their own source says it: for the reference and init.

The comment above a setting is its documentation; here are the words for those that
have none, or share one with the next.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from datetime import timedelta
from inspect import getsource
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.project import settings as source_module
from spotci.project.settings import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Section", "Setting", "described_sections"]

_COMMENT = re.compile(r"\s*#: ?(?P<text>.*)")
#: Keys that have no comment in the code, or share one with the next key.
_MEANINGS = {
    "engine.name": "Name of the engine's container.",
    "engine.image": "Image of the engine.",
    "engine.network": "Network of the host that the engine is on.",
    "engine.kind": "A Docker engine of our own, your own Docker, or no containers at "
    "all.",
    "engine.memory": "Limit of the whole engine, such as `8g`.",
    "engine.cpus": "Limit of the whole engine, a number of processors.",
    "engine.transport": "How spotci reaches the engine; `auto` is `socket` on Linux, "
    "and `exec` with [Docker on another machine](../how-to/remote-docker.md).",
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
    "run.ask_manual": "Ask on a terminal which manual jobs are to be played.",
    "run.no_delay": "Start delayed jobs without waiting for their `start_in`.",
    "run.keep": "Keep the containers of failed jobs, for `spotci shell`.",
    "run.output": "What is shown; `auto` is `live` on a terminal, `plain` elsewhere.",
    "run.timestamps": "Begin each line with its time, in UTC; `auto` is `plain` then.",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting. ``kind`` and ``meaning`` are Markdown.

    ``value`` is the default; ``default`` has it in words, none where nothing is set.
    ``trusted`` ones are refused in ``.spotci.toml``.
    """

    key: str
    kind: str
    value: object
    default: tuple[str, ...]
    trusted: bool
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table of the file; ``title`` is a sentence."""

    name: str
    title: str
    settings: tuple[Setting, ...]


def described_sections() -> tuple[Section, ...]:
    """Return all sections with their settings, in the order of the source.

    Raises OSError where the source of the settings is not there to be read.
    """
    source = getsource(source_module)
    lines = source.splitlines()
    classes = {
        node.name: node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef)
    }
    return tuple(
        _section(name, kind, classes[kind.__name__], lines)
        for name, kind in SECTIONS.items()
    )


def _section(
    name: str, kind: type, found: ast.ClassDef, lines: Sequence[str]
) -> Section:
    title = (kind.__doc__ or "").partition("``: ")[2].strip()
    fields = {item.name: item for item in dataclasses.fields(kind)}
    return Section(
        name=name,
        title=title[:1].upper() + title[1:],
        settings=tuple(
            _setting(name, fields[node.target.id], node, lines)
            for node in found.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        ),
    )


def _setting(
    section: str,
    item: dataclasses.Field[object],
    node: ast.AnnAssign,
    lines: Sequence[str],
) -> Setting:
    key = f"{section}.{item.name}"
    comment = _MEANINGS.get(key) or _comment(lines, node.lineno)
    return Setting(
        key=item.name,
        kind=_type(_reader(node)),
        value=item.default,
        default=_words(item.default),
        trusted=bool(item.metadata["trusted"]),
        meaning=comment,
    )


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


def _words(default: object) -> tuple[str, ...]:
    match default:
        case None:
            return ()
        case bool():
            return (str(default).lower(),)
        case timedelta():
            minutes, seconds = divmod(int(default.total_seconds()), 60)
            return (f"{60 * minutes + seconds}s" if seconds else f"{minutes}m",)
        case tuple():
            return tuple(map(str, default))
        case _:
            return (str(default),)


def _comment(lines: Sequence[str], number: int) -> str:
    """Return the ``#:`` comment right above a line, as Markdown."""
    found: list[str] = []
    for line in reversed(lines[: number - 1]):
        match = _COMMENT.fullmatch(line)
        if match is None:
            break
        found.append(match["text"])
    return " ".join(reversed(found)).replace("``", "`")
