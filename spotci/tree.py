"""The source tree of a run: which files a workspace starts from (plain data)."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Protocol

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

__all__ = [
    "GitDirectory",
    "LfsFiles",
    "SourceTree",
    "Submodule",
    "SubmoduleGit",
    "TreeEntry",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submodule:
    """A git submodule, maybe one of a submodule; without its files if not checked out.

    ``nested`` tells one that is inside another.
    """

    path: str
    checked_out: bool = True
    nested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LfsFiles:
    """The files that Git LFS keeps, which are pointers in git itself.

    ``absent`` are those of which the working tree has the pointer only, as their
    content was not fetched. ``pointers`` reads the pointers of all, by path.
    """

    absent: tuple[str, ...] = ()
    pointers: Callable[[], Mapping[str, bytes]] = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """A file or symbolic link. ``mode`` is the full ``st_mode``, sizes are bytes."""

    path: str
    mode: int
    size: int
    mtime_ns: int


class GitDirectory(Protocol):
    """The ``.git`` of the jobs, with a detached HEAD at the commit of the tree.

    ``depth`` is how many commits it has, 0 all of them. Both methods are blocking, may
    be called from several threads, and raise SpotciError or OSError.
    """

    def key(self, depth: int) -> str:
        """Return what is the same for the same folder, without preparing it."""
        ...

    def prepare(self, depth: int) -> Path:
        """Return the folder on the host, which lives as long as the run."""
        ...


class SubmoduleGit(Protocol):
    """The git folders of the submodules of a tree."""

    def fill(self, folder: Path, paths: AbstractSet[str], depth: int) -> None:
        """Write those of these submodules into a folder, as they lie in a workspace.

        Blocking; raises SpotciError or OSError.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTree:
    """The files of the project that the jobs see, read from ``root`` on the host.

    ``tracked`` are the paths that git knows: ``artifacts:untracked`` and
    ``cache:untracked`` are about the others. ``git`` is None without git. The files of
    ``submodules`` are among the entries.
    """

    root: Path
    entries: tuple[TreeEntry, ...]
    tracked: frozenset[str] = frozenset()
    submodules: tuple[Submodule, ...] = ()
    submodule_git: SubmoduleGit | None = field(default=None, compare=False)
    #: None where nothing is in Git LFS.
    lfs: LfsFiles | None = None
    sha: str = ""
    git: GitDirectory | None = field(default=None, compare=False)
    #: Path to git's blob id, for ``cache:key:files``; computed when first asked.
    blob_ids: Callable[[tuple[str, ...]], dict[str, str]] | None = field(
        default=None, compare=False
    )

    def with_submodules(self, kept: AbstractSet[str]) -> SourceTree:
        """Return the tree with the files of these submodules only, given by path."""
        hidden = tuple(
            f"{submodule.path}/"
            for submodule in self.submodules
            if submodule.path not in kept
        )
        if not hidden:
            return self
        entries = tuple(e for e in self.entries if not e.path.startswith(hidden))
        return replace(self, entries=entries)
