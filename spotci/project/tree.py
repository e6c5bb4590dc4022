"""The files of a project: listed by git, or by walking where there is no git.

========== ================================================================
worktree   tracked files as they are on disk, and untracked ones that are not
           ignored; files that are deleted are left out
index      what is staged, checked out into a scratch folder
head       what is committed, likewise
========== ================================================================

Submodules that are checked out are part of it, and named, as jobs see them only where
they ask for them. ``.git`` and ``.spotci`` never are.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from spotci.dataclass import dataclass
from spotci.errors import UsageError
from spotci.project.git import GitCommandError, git_output, git_outputs
from spotci.project.git_directory import GitDirectories
from spotci.project.lfs import find_lfs_files
from spotci.project.submodule_git import SubmoduleDirectories
from spotci.tree import SourceTree, Submodule, TreeEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from spotci.project.git import GitRepository
    from spotci.project.project import Project

__all__ = ["Listing", "SourceKind", "list_checkout", "list_files", "source_tree"]

SourceKind = Literal["worktree", "index", "head"]

_OURS = ".spotci"
_SKIPPED = frozenset({_OURS, ".git"})
_SUBMODULE = "160000"
_TRACKED = ("ls-files", "-z", "--stage")
_UNTRACKED = ("ls-files", "-z", "--others", "--exclude-standard")
#: Bytes of a file read at once to hash it.
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Paths relative to a root: those that git tracks, and those that it does not."""

    tracked: tuple[str, ...]
    untracked: tuple[str, ...] = ()
    submodules: tuple[Submodule, ...] = ()


def list_files(project: Project, source: SourceKind = "worktree") -> Listing:
    """List the files of a project without touching any of them.

    Paths of deleted files are still among the tracked ones.
    """
    if project.git is None:
        return Listing(tracked=(), untracked=tuple(sorted(_walk(project.root))))
    if source == "head":
        return Listing(tracked=tuple(_committed(project)))
    return _list_repository(
        project.root, project.environ, untracked=source == "worktree"
    )


def list_checkout(
    root: Path, environ: Mapping[str, str], repository: GitRepository | None
) -> list[str]:
    """List the files of any folder, under git or not, that exist on disk."""
    if repository is None:
        return sorted(_walk(root))
    listing = _list_repository(root, environ, untracked=True)
    paths = (*listing.tracked, *listing.untracked)
    return [path for path in paths if os.path.lexists(root / path)]


def source_tree(project: Project, source: SourceKind, scratch: Path) -> SourceTree:
    """Return the files that the jobs start from; see the module's table.

    ``scratch`` is a folder that exists and lives as long as the run; the other
    sources than the working tree are checked out into it. Raises UsageError where
    one of them needs git and there is none.
    """
    root, listing = project.root, Listing(tracked=())
    if source == "worktree":
        listing = list_files(project)
    else:
        if project.git is None:
            raise UsageError(f"--source {source} needs a git repository")
        base = scratch / "source"
        root = base / project.root.relative_to(project.git.toplevel)
        listing = _check_out(project, source, base)
    entries = tuple(_entries(root, (*listing.tracked, *listing.untracked)))
    git = submodule_git = None
    if project.git is not None and project.root == project.git.toplevel:
        git = GitDirectories(
            project=project, scratch=scratch, with_index=source == "worktree"
        )
        if listing.submodules:
            submodule_git = SubmoduleDirectories(project=project, git=git)
    return SourceTree(
        root=root,
        entries=entries,
        tracked=frozenset(listing.tracked),
        submodules=listing.submodules,
        submodule_git=submodule_git,
        lfs=find_lfs_files(project, root, listing.tracked),
        sha=project.sha,
        git=git,
        blob_ids=lambda paths: blob_ids(root, paths),
    )


def blob_ids(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return git's blob id of each path that is a file or a link below the root."""
    found = {}
    for path in paths:
        file = root / path
        try:
            mode = file.lstat().st_mode
            if stat.S_ISLNK(mode):
                found[path] = _blob_id([os.fsencode(file.readlink())])
            elif stat.S_ISREG(mode):
                found[path] = _file_id(file)
        except (OSError, ValueError):  # ValueError: a NUL in the path
            continue
    return found


def _list_repository(
    root: Path, environ: Mapping[str, str], *, untracked: bool
) -> Listing:
    commands = (_TRACKED, _UNTRACKED) if untracked else (_TRACKED,)
    results = git_outputs(root, environ, *commands)
    for code, _, errors in results:
        if code != 0:
            raise GitCommandError("ls-files", errors)
    tracked, submodules = _staged(results[0][1])
    others = _names(results[1][1]) if untracked else []
    found: list[Submodule] = []
    for submodule in submodules:
        # One that is not checked out has no .git: git would list the outer one.
        if not (root / submodule / ".git").exists():
            found.append(Submodule(path=submodule, checked_out=False))
            continue
        inner = _list_repository(root / submodule, environ, untracked=untracked)
        tracked += [f"{submodule}/{path}" for path in inner.tracked]
        others += [f"{submodule}/{path}" for path in inner.untracked]
        found += _with_inner(submodule, inner)
    return Listing(
        tracked=tuple(tracked),
        untracked=tuple(filter(_wanted, others)),
        submodules=tuple(found),
    )


def _with_inner(path: str, inner: Listing) -> list[Submodule]:
    """Return a submodule with those that are inside of it."""
    nested = (
        replace(submodule, path=f"{path}/{submodule.path}", nested=True)
        for submodule in inner.submodules
    )
    return [Submodule(path=path), *nested]


def _staged(output: bytes) -> tuple[list[str], list[str]]:
    # "<mode> …\t<path>"; a path in conflict comes up to three times.
    files: dict[str, None] = {}
    submodules = []
    for record in _names(output):
        head, _, path = record.partition("\t")
        if head.startswith(_SUBMODULE):
            submodules.append(path)
        elif _wanted(path):
            files[path] = None
    return list(files), submodules


def _committed(project: Project) -> list[str]:
    if not project.sha:
        return []
    # Run from the root, the paths are relative to it and those above it left out.
    files, _ = _staged(project.git_output("ls-tree", "-r", "-z", project.sha))
    return files


def _check_out(project: Project, source: SourceKind, destination: Path) -> Listing:
    destination.mkdir(parents=True)
    if source == "head" and not project.sha:
        return Listing(tracked=())
    # The developer's index is not touched: git works on a copy, or on a new one.
    index = destination.parent / "source.index"
    if source == "head":
        project.git_output("read-tree", "HEAD", extra={"GIT_INDEX_FILE": str(index)})
    elif not _copy_index(project, index):
        return Listing(tracked=())
    inside = project.root.relative_to(project.git.toplevel if project.git else "")
    return _check_out_index(
        project.root, project.environ, index, destination, inside=inside
    )


def _copy_index(project: Project, index: Path) -> bool:
    staged = project.git.directory / "index" if project.git else index
    if not staged.is_file():  # nothing was ever staged
        return False
    shutil.copyfile(staged, index)
    return True


def _check_out_index(
    root: Path,
    environ: Mapping[str, str],
    index: Path,
    destination: Path,
    *,
    inside: Path,
) -> Listing:
    # Git puts a file at its path from the top of its repository; ``inside`` is that
    # of the root.
    extra = {"GIT_INDEX_FILE": str(index)}
    output = git_output(root, environ, *_TRACKED, extra=extra)
    tracked, submodules = _staged(output)
    git_output(
        root,
        environ,
        "checkout-index",
        "-z",
        "--stdin",
        f"--prefix={destination}/",
        stdin=b"".join(os.fsencode(path) + b"\0" for path in tracked),
        extra=extra,
    )
    commits = _submodule_commits(output)
    found: list[Submodule] = []
    for position, submodule in enumerate(submodules):
        if not (root / submodule / ".git").exists():
            found.append(Submodule(path=submodule, checked_out=False))
            continue
        inner_index = index.with_name(f"{index.name}.{position}")
        inner = {"GIT_INDEX_FILE": str(inner_index)}
        git_output(
            root / submodule, environ, "read-tree", commits[submodule], extra=inner
        )
        listing = _check_out_index(
            root / submodule,
            environ,
            inner_index,
            destination / inside / submodule,
            inside=Path(),
        )
        tracked += [f"{submodule}/{path}" for path in listing.tracked]
        found += _with_inner(submodule, listing)
    return Listing(tracked=tuple(tracked), submodules=tuple(found))


def _submodule_commits(output: bytes) -> dict[str, str]:
    commits = {}
    for record in _names(output):
        head, _, path = record.partition("\t")
        if head.startswith(_SUBMODULE):
            commits[path] = head.split(" ")[1]
    return commits


def _names(output: bytes) -> list[str]:
    return os.fsdecode(output).rstrip("\0").split("\0") if output else []


def _wanted(path: str) -> bool:
    # A path with a trailing slash is a repository inside that is no submodule.
    return not path.startswith(f"{_OURS}/") and path != _OURS and path[-1] != "/"


def _entries(root: Path, paths: Iterable[str]) -> Iterator[TreeEntry]:
    base = f"{root}/"
    for path in paths:
        try:
            found = os.lstat(base + path)
        except OSError:  # deleted, or a folder above it has become a file
            continue
        if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):
            yield TreeEntry(
                path=path,
                mode=found.st_mode,
                size=found.st_size,
                mtime_ns=found.st_mtime_ns,
            )


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        relative = os.path.relpath(folder, root)
        prefix = "" if relative == "." else f"{relative}/"
        # A link to a folder is an entry of its own; os.walk does not follow it.
        links = (name for name in folders if Path(folder, name).is_symlink())
        yield from (f"{prefix}{name}" for name in (*files, *links))


def _file_id(file: Path) -> str:
    size = file.stat().st_size
    with file.open("rb") as content:
        return _blob_id(iter(lambda: content.read(_CHUNK), b""), size)


def _blob_id(chunks: Iterable[bytes], size: int | None = None) -> str:
    if size is None:
        chunks = list(chunks)
        size = sum(map(len, chunks))
    # The id of an object is what git defines it to be; nothing rests on its secrecy.
    digest = sha1(b"blob %d\0" % size, usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
