"""Reads what ``include`` names: an ``IncludeReader`` of :mod:`spotci.context`.

Local files are those on disk, committed or not, or those of ``--source``. What is
outside of the project is read by :mod:`spotci.project.outside`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from spotci.errors import ReadError
from spotci.project.checkouts import Checkout, source_file, wildcard
from spotci.project.config_file import commit_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from spotci.project.outside import OutsideReader
    from spotci.project.project import Project
    from spotci.project.tree import SourceKind
    from spotci.source import Origin, SourceFile

__all__ = ["ProjectIncludeReader"]

_YAML = (".yml", ".yaml")


class ProjectIncludeReader:
    """Reads the includes of one project; may be asked from one thread at a time."""

    def __init__(self, project: Project, *, source: SourceKind = "worktree") -> None:
        self._project = project
        self._commit = commit_of(project, source)
        self._own = Checkout(root=project.root, environ=project.environ)

    def local(self, path: str, origin: Origin) -> SourceFile:
        """Read a file of the repository that the including file is from."""
        if origin.project is not None:
            content = self._outside.read(origin, path)
            name = f"{path}@{origin.project}"
        elif self._commit is None:
            content, name = self._own.read(path), path
        else:
            content, name = self._own.read_at(self._commit, path), path
        if content is None:
            raise ReadError(f"Local file `{path}` does not exist!")
        if not content.strip():
            raise ReadError(f"Local file `{path}` is empty!")
        return source_file(name, content, origin)

    def local_matches(self, pattern: str, origin: Origin) -> Sequence[str]:
        """Return the YAML files that a pattern with ``*`` finds, sorted."""
        if origin.project is not None:
            paths = self._outside.files(origin)
        else:
            paths = self._own.files(self._commit)
        expression = wildcard(pattern)
        found = (path for path in paths if path.endswith(_YAML))
        return sorted(path for path in found if expression.fullmatch(path))

    def project(self, project: str, path: str, ref: str | None) -> SourceFile:
        """Read a file of another project."""
        return self._outside.project(project, path, ref)

    def remote(self, url: str, integrity: str | None) -> SourceFile:
        """Fetch a URL, and compare its content with a digest where one is given."""
        return self._outside.remote(url, integrity)

    def template(self, name: str) -> SourceFile:
        """Read one of GitLab's templates, such as ``Jobs/SAST.gitlab-ci.yml``."""
        return self._outside.template(name)

    def component(self, address: str) -> SourceFile:
        """Read a component ``host/project/name@version``."""
        return self._outside.component(address)

    def project_files(self, project: str, ref: str | None) -> Collection[str]:
        """Return the paths of another project."""
        return self._outside.files(self._outside.origin(project, ref))

    @cached_property
    def _outside(self) -> OutsideReader:
        # Most pipelines need neither a server nor the code to ask one.
        from spotci.project.outside import OutsideReader  # noqa: PLC0415 - start-up time

        return OutsideReader(self._project, self._own)
