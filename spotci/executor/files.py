"""Which files of a workspace the patterns of artifacts and caches mean (pure)."""

from __future__ import annotations

import posixpath
import stat
from bisect import bisect_left
from collections import Counter
from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.executor.doublestar import compile_pattern, is_literal, literal_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from spotci.executor.backend import FileEntry

__all__ = ["FileSet", "Remark", "Selected", "needed_folders", "relative_pattern"]


@dataclass(frozen=True, slots=True)
class Remark:
    """What the runner says of a pattern; ``warning`` where it found nothing."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The files, links and empty folders that were meant, in order, and remarks."""

    paths: tuple[str, ...]
    remarks: tuple[Remark, ...]
    bytes: int = 0


@dataclass(slots=True)
class FileSet:
    """The files of a workspace, and those among them that the source tree brought."""

    entries: Mapping[str, FileEntry]
    tracked: frozenset[str]
    project_dir: str
    _sorted: list[str] = field(init=False)
    _folders: list[str] = field(init=False)

    def __post_init__(self) -> None:
        folders = {
            path for path, entry in self.entries.items() if stat.S_ISDIR(entry.mode)
        }
        for path in self.entries:
            parent = posixpath.dirname(path)
            while parent and parent not in folders:
                folders.add(parent)
                parent = posixpath.dirname(parent)
        self._folders = sorted(folders)
        self._sorted = sorted(self.entries)

    def select(
        self,
        patterns: Sequence[str],
        *,
        exclude: Sequence[str] = (),
        untracked: bool = False,
    ) -> Selected:
        """Return what the patterns mean, with the runner's remarks.

        A folder is taken with all in it. ``exclude`` is about single paths: ``dir/``
        excludes nothing. Nothing outside of the workspace is ever meant.
        """
        chosen: dict[str, None] = {}
        exclusion = _Exclusion.of(exclude, self.project_dir)
        remarks = []
        for pattern in patterns:
            found, remark = self._of_pattern(pattern, exclusion)
            chosen.update(dict.fromkeys(found))
            remarks.append(remark)
        if untracked:
            others = exclusion.rest(filter(self._is_untracked, self._sorted))
            chosen.update(dict.fromkeys(others))
            remarks.append(
                Remark(f"untracked: found {len(others)} files")
                if others
                else Remark("untracked: no files", warning=True)
            )
        paths = tuple(path for path in sorted(chosen) if self._can_travel(path))
        return Selected(
            paths=paths,
            remarks=(*remarks, *exclusion.remarks()),
            bytes=sum(self.entries[path].size for path in paths),
        )

    def _of_pattern(
        self, pattern: str, exclusion: _Exclusion
    ) -> tuple[list[str], Remark]:
        relative = relative_pattern(pattern, self.project_dir)
        if relative is None:
            return [], _outside(pattern, "processPath")
        try:
            found = exclusion.rest(_matching(self._sorted, relative))
            # An empty folder is among the entries, too.
            folders = set(_matching(self._folders, relative)).difference(self.entries)
        except ValueError as error:
            return [], Remark(f"{pattern}: {error}", warning=True)
        count = len(found) + len(exclusion.rest(sorted(folders)))
        if not count:
            return [], Remark(
                f"{pattern}: no matching files. Ensure that the artifact path is "
                f"relative to the working directory ({self.project_dir})",
                warning=True,
            )
        return found, Remark(
            f"{pattern}: found {count} matching artifact files and directories"
        )

    def _is_untracked(self, path: str) -> bool:
        # A submodule's .git is a file, and no git lists it.
        return (
            path not in self.tracked
            and not stat.S_ISDIR(self.entries[path].mode)
            and posixpath.basename(path) != ".git"
        )

    def _can_travel(self, path: str) -> bool:
        mode = self.entries[path].mode
        return stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)


@dataclass(slots=True)
class _Exclusion:
    """``artifacts:exclude``: which paths are left out, counted as the runner does."""

    rules: tuple[tuple[str, Callable[[str], bool]], ...]
    warnings: tuple[Remark, ...]
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, patterns: Iterable[str], project_dir: str) -> _Exclusion:
        """Read the patterns; one that is outside, or none at all, excludes nothing."""
        rules, warnings = [], []
        for pattern in patterns:
            relative = relative_pattern(pattern, project_dir)
            if relative is None:
                warnings.append(_outside(pattern, "isExcluded"))
                continue
            with suppress(ValueError):
                rules.append((pattern, compile_pattern(relative)))
        return cls(tuple(rules), tuple(warnings))

    def rest(self, paths: Iterable[str]) -> list[str]:
        """Return the paths that are not excluded, and count the others."""
        return [path for path in paths if not self._excludes(path)]

    def remarks(self) -> tuple[Remark, ...]:
        """Return what is to be said of the patterns."""
        said = (
            Remark(f"{pattern}: excluded {self.counts[pattern]} files")
            for pattern, _ in self.rules
            if self.counts[pattern]
        )
        return (*self.warnings, *said)

    def _excludes(self, path: str) -> bool:
        for pattern, matches in self.rules:
            if matches(path):
                self.counts[pattern] += 1
                return True
        return False


def _outside(pattern: str, function: str) -> Remark:
    return Remark(
        f"{function}: artifact path is not a subpath of project directory: {pattern}",
        warning=True,
    )


def relative_pattern(pattern: str, project_dir: str) -> str | None:
    """Return the pattern relative to the project, ``.`` for all; None for outside."""
    if "\0" in pattern or not pattern:
        return None
    path = posixpath.normpath(pattern)
    if path.startswith("/"):
        if path == project_dir:
            return "."
        if not path.startswith(f"{project_dir}/"):
            return None
        path = path[len(project_dir) + 1 :]
    if path == ".." or path.startswith("../"):
        return None
    return path


def needed_folders(
    patterns: Iterable[str], project_dir: str, *, untracked: bool = False
) -> tuple[str, ...] | None:
    """Return where all matches lie, for ``Workspaces.listing``; None is anywhere."""
    if untracked:
        return None
    folders = set()
    for pattern in patterns:
        relative = relative_pattern(pattern, project_dir)
        if relative is None:
            continue
        folder = literal_prefix(relative)
        if folder in ("", "."):
            return None
        folders.add(folder)
    return tuple(sorted(folders))


def _matching(paths: Sequence[str], pattern: str) -> list[str]:
    """Return the sorted paths that match, or lie in a folder that does."""
    if pattern == ".":
        return list(paths)
    if is_literal(pattern):
        found = [pattern] if _contains(paths, pattern) else []
        # A slash is not the next character behind the end: "a-b" sorts before "a/b".
        start = bisect_left(paths, f"{pattern}/")
        end = bisect_left(paths, f"{pattern}0")
        return [*found, *paths[start:end]]
    matches = compile_pattern(pattern, inside=True)
    prefix = literal_prefix(pattern)
    if prefix:
        inside = paths[bisect_left(paths, prefix) : bisect_left(paths, f"{prefix}0")]
        return [path for path in inside if matches(path)]
    return [path for path in paths if matches(path)]


def _contains(paths: Sequence[str], path: str) -> bool:
    index = bisect_left(paths, path)
    return index < len(paths) and paths[index] == path
