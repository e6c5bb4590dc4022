"""The source tree of a run: which files a workspace starts from (plain data)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["SourceTree", "TreeEntry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """A file or symbolic link. ``mode`` is the full ``st_mode``, sizes are bytes."""

    path: str
    mode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTree:
    """The files of the project that the jobs see, read from ``root`` on the host.

    ``tracked`` are the paths that git knows: ``artifacts:untracked`` and
    ``cache:untracked`` are about the others. ``git_directory(depth)`` prepares a
    ``.git`` with a detached HEAD at ``sha`` and that many commits (0 is all), in a
    folder on the host that lives as long as the run; None without git.
    """

    root: Path
    entries: tuple[TreeEntry, ...]
    tracked: frozenset[str] = frozenset()
    sha: str = ""
    git_directory: Callable[[int], Path] | None = field(default=None, compare=False)
    #: Path to git's blob id, for ``cache:key:files``; computed when first asked.
    blob_ids: Callable[[tuple[str, ...]], dict[str, str]] | None = field(
        default=None, compare=False
    )
