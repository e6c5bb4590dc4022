"""The git folders of submodules in a job, laid out as git itself lays them out.

``<path>/.git`` is a file that leads to ``.git/modules/<name>`` of the repository around
it, whose configuration names the submodule.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.project.git import GitCommandError, git_output
from spotci.project.git_directory import GitDirectories
from spotci.project.project import open_project

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from spotci.project.project import Project

__all__ = ["SubmoduleDirectories"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmoduleDirectories:
    """Prepares the git folders of a project's submodules; see tree.SubmoduleGit."""

    project: Project
    git: GitDirectories

    def fill(self, folder: Path, paths: AbstractSet[str], depth: int) -> None:
        """Write the git folders of these submodules into a folder.

        It comes to lie over a workspace whose ``.git`` has ``depth`` commits. Raises
        SpotciError and OSError.
        """
        config = folder / ".git" / "config"
        config.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.git.prepare(depth) / "config", config)
        self._fill(folder, self.project, "", paths, config.parent, depth)

    def _fill(  # noqa: PLR0917 - a step of a recursion, and all of it changes
        self,
        folder: Path,
        project: Project,
        place: str,
        paths: AbstractSet[str],
        directory: Path,
        depth: int,
    ) -> None:
        """Add the submodules of one project, which lies at ``place``."""
        for name, path in _names(project).items():
            inside = f"{place}{path}"
            if inside not in paths:
                continue
            module = directory / "modules" / name
            inner = open_project(project.root / path, project.environ)
            made = GitDirectories(
                project=inner,
                scratch=self.git.scratch / "modules" / inside,
                with_index=self.git.with_index,
            ).prepare(depth)
            module.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(made, module)
            tree = folder / inside
            tree.mkdir(parents=True, exist_ok=True)
            (tree / ".git").write_text(f"gitdir: {os.path.relpath(module, tree)}\n")
            worktree = os.path.relpath(tree, module)
            _set(project, module / "config", "core.worktree", worktree)
            url = f"{inner.server_url}/{inner.path}.git"
            _set(project, directory / "config", f"submodule.{name}.active", "true")
            _set(project, directory / "config", f"submodule.{name}.url", url)
            self._fill(folder, inner, f"{inside}/", paths, module, depth)


def _set(project: Project, config: Path, key: str, value: str) -> None:
    git_output(
        *(project.root, project.environ, "config", "-f", str(config), key, value)
    )


def _names(project: Project) -> dict[str, str]:
    """Return the submodules of ``.gitmodules``: paths by names."""
    try:
        output = git_output(
            *(project.root, project.environ, "config", "-z", "-f", ".gitmodules"),
            *("--get-regexp", r"^submodule\..*\.path$"),
        )
    except GitCommandError:  # there are none
        return {}
    found = {}
    for record in os.fsdecode(output).split("\0"):
        key, newline, path = record.partition("\n")
        name = key.removeprefix("submodule.").removesuffix(".path")
        # A name may come from anybody, and becomes a path.
        if newline and ".." not in name.split("/") and not name.startswith("/"):
            found[name] = path
    return found
