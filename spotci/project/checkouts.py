"""Reads files of checkouts on this machine: the project's own, and those of others.

A file of the working tree is read from the disk, never from outside of the checkout,
not even through a symbolic link. A file of another version is read from git's objects.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import ReadError
from spotci.project.git import GitCommandError, git_output, read_git
from spotci.project.tree import list_checkout
from spotci.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from spotci.project.git import Git
    from spotci.source import Component, Origin

__all__ = [
    "MAX_BYTES",
    "Checkout",
    "is_semantic_version",
    "semantic_versions",
    "source_file",
    "wildcard",
]

#: GitLab's limit of a YAML file (application setting max_yaml_size_bytes).
MAX_BYTES = 2 * 1024 * 1024
_VERSION = re.compile(
    r"v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
)
_NUMBERS = 3


@dataclass(kw_only=True)
class Checkout:
    """A folder with files, under git or not."""

    root: Path
    environ: Mapping[str, str]

    def read(self, path: str) -> bytes | None:
        """Return a file of the working tree, or None where there is no such file."""
        try:
            file = (self.root / path).resolve(strict=True)
            inside = file.is_relative_to(self.root.resolve())
            if not inside or not file.is_file():
                return None
            with file.open("rb") as content:
                return content.read(MAX_BYTES + 1)
        except (
            OSError,
            ValueError,
            RuntimeError,
        ):  # a NUL in the path; a loop of links
            return None

    def read_at(self, commit: str, path: str) -> bytes | None:
        """Return a file of a commit (or ``""``, the index), or None."""
        try:
            # "./" makes the path one that is relative to the folder, not to the top.
            return self._git("cat-file", "blob", f"{commit}:./{path}")
        except GitCommandError:
            return None

    def commit_of(self, ref: str) -> str | None:
        """Return the commit of a branch, a tag or a (short) id, or None."""
        repository = self._state.repository
        if repository is None:
            return None
        if found := repository.resolve(ref):
            return found
        try:
            output = self._git(
                "rev-parse", "--verify", "-q", "--end-of-options", f"{ref}^{{commit}}"
            )
        except GitCommandError:
            return None
        return output.decode().strip()

    def is_current(self, ref: str | None) -> bool:
        """Whether a ref is what is checked out, or none was asked for."""
        repository = self._state.repository
        return ref is None or repository is None or ref in {repository.branch, "HEAD"}

    def files(self, commit: str | None = None) -> Sequence[str]:
        """Return the paths of the working tree, or of a commit (``""``, the index)."""
        if commit is None:
            return list_checkout(self.root, self.environ, self._state.repository)
        if commit:
            output = self._git("ls-tree", "-r", "-z", "--name-only", commit)
        else:
            output = self._git("ls-files", "-z")
        return [path for path in os.fsdecode(output).split("\0") if path]

    def tags(self) -> list[str]:
        """Return the names of all tags."""
        try:
            output = self._git(
                "for-each-ref", "--format=%(refname:strip=2)", "refs/tags"
            )
        except GitCommandError:
            return []
        return os.fsdecode(output).splitlines()

    @property
    def sha(self) -> str:
        """The commit of HEAD, empty where there is none."""
        repository = self._state.repository
        return repository.commit.sha if repository and repository.commit else ""

    @cached_property
    def _state(self) -> Git:
        return read_git(self.root, self.environ)

    def _git(self, *arguments: str) -> bytes:
        return git_output(self.root, self.environ, *arguments)


def is_semantic_version(name: str) -> bool:
    """Whether a name is a whole version, such as ``1.2.3`` or ``v1.2.3-rc1``."""
    return _VERSION.fullmatch(name) is not None


def semantic_versions(tags: Sequence[str], wanted: str) -> list[str]:
    """Return the tags that a component version allows, the highest first.

    ``wanted`` is ``~latest``, or a version with one or two numbers. Versions before a
    release (``1.0.0-rc1``) count only where nothing else is there, as in GitLab's
    catalog.
    """
    prefix: list[int] = []
    if wanted != "~latest":
        parts = wanted.split(".")
        if len(parts) >= _NUMBERS or not all(part.isdecimal() for part in parts):
            return []
        prefix = [int(part) for part in parts]
    found = []
    for tag in tags:
        match = _VERSION.fullmatch(tag)
        if match is None:
            continue
        numbers = [int(match[number]) for number in (1, 2, 3)]
        if numbers[: len(prefix)] == prefix:
            released = match[4] is None
            found.append((released, numbers, match[4] or "", tag))
    return [entry[-1] for entry in sorted(found, reverse=True)]


def wildcard(pattern: str) -> re.Pattern[str]:
    """Return the expression of an ``include:local`` pattern.

    ``**`` stands for one or more characters and ``*`` for one or more that are no
    slash: ``configs/**.yml`` finds files at every depth, ``configs/**/*.yml`` only
    those in a folder below.
    """
    parts = re.split(r"(\*\*|\*)", pattern)
    expressions = {"**": ".+", "*": "[^/]+"}
    return re.compile(
        "".join(expressions.get(part) or re.escape(part) for part in parts), re.DOTALL
    )


def source_file(
    name: str, content: bytes, origin: Origin, component: Component | None = None
) -> SourceFile:
    """Make a source file of what was read; raises ReadError where it is no text."""
    if len(content) > MAX_BYTES:
        raise ReadError(f"Included file `{name}` is larger than {MAX_BYTES >> 20} MiB!")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ReadError(f"Included file `{name}` is not UTF-8!") from None
    return SourceFile(name=name, text=text, origin=origin, component=component)
