"""Asks a repository about its files, each question once.

``rules:changes`` and ``rules:exists`` of a thousand jobs ask for few different
patterns; the answers for one compilation are kept here.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import ReadError
from spotci.parser.globs import compile_glob

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from spotci.context import Repository

__all__ = ["MAX_COMPARISONS", "Answer", "RepositoryFiles", "RuleError"]

#: GitLab takes a clause as true where it would need more comparisons of a pattern
#: with a path than this.
MAX_COMPARISONS = 50_000

_METACHARACTERS = frozenset("*?[{")
_NESTED = "**/*"


class RuleError(Exception):
    """A clause cannot be decided; the message is GitLab's, without the job."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a clause holds, and the path or the reason that decided it."""

    holds: bool
    detail: str


@dataclass(slots=True)
class RepositoryFiles:
    """The files of a repository, for the clauses of one compilation."""

    repository: Repository
    #: ``--full``: every ``changes`` clause holds.
    changes_always_true: bool = False
    _changes: dict[tuple[tuple[str, ...], str | None], Answer] = field(
        default_factory=dict, init=False, repr=False
    )
    _exists: dict[tuple[tuple[str, ...], str | None, str | None], Answer] = field(
        default_factory=dict, init=False, repr=False
    )
    _trees: dict[tuple[str | None, str | None], frozenset[str]] = field(
        default_factory=dict, init=False, repr=False
    )

    def changed(self, globs: tuple[str, ...], compare_to: str | None) -> Answer:
        """Whether a changed path matches, for patterns that have been expanded.

        Raises RuleError where ``compare_to`` is no ref.
        """
        key = (globs, compare_to)
        if key not in self._changes:
            self._changes[key] = self._changed(*key)
        return self._changes[key]

    def exists(
        self, globs: tuple[str, ...], project: str | None, ref: str | None
    ) -> Answer:
        """Whether a file matches, for patterns that have been expanded.

        Raises RuleError where the other project cannot be read.
        """
        key = (globs, project, ref)
        if key not in self._exists:
            self._exists[key] = self._any_exists(*key)
        return self._exists[key]

    def _changed(self, globs: tuple[str, ...], compare_to: str | None) -> Answer:
        if self.changes_always_true:
            return Answer(holds=True, detail="every changes clause holds, as asked")
        try:
            paths = self.repository.changed_files(compare_to)
        except ReadError as error:
            raise RuleError("rules:changes:compare_to is not a valid ref") from error
        if paths is None:
            return Answer(holds=True, detail="the changed files are not known")
        if not paths:
            return Answer(holds=False, detail="no file has changed")
        if len(paths) * len(globs) > MAX_COMPARISONS:
            return Answer(holds=True, detail="too many comparisons")
        return _first_match(globs, sorted(paths)) or Answer(
            holds=False, detail=f"no changed file matches {', '.join(globs)}"
        )

    def _any_exists(
        self, globs: tuple[str, ...], project: str | None, ref: str | None
    ) -> Answer:
        missing = Answer(holds=False, detail=f"no file matches {', '.join(globs)}")
        if not globs:
            return missing
        paths = self._tree(project, ref)
        # An exact path and a suffix are not compared as patterns, nor counted.
        patterns = []
        for glob in globs:
            suffix = glob.removeprefix(_NESTED)
            if _METACHARACTERS.isdisjoint(glob):
                if glob in paths:
                    return Answer(holds=True, detail=f"{glob} exists")
            elif _is_suffix(suffix):
                found = min(
                    (path for path in paths if path.endswith(suffix)), default=""
                )
                if found:
                    return Answer(holds=True, detail=f"{found} matches {glob}")
            else:
                patterns.append(glob)
        if not patterns:
            return missing
        if all("/" not in glob and "**" not in glob for glob in globs):
            paths = frozenset(path for path in paths if "/" not in path)
        if len(paths) * len(patterns) > MAX_COMPARISONS:
            return Answer(holds=True, detail="too many comparisons")
        return _first_match(patterns, sorted(paths)) or missing

    def _tree(self, project: str | None, ref: str | None) -> frozenset[str]:
        key = (project, ref)
        if key not in self._trees:
            self._trees[key] = frozenset(self._read(project, ref))
        return self._trees[key]

    def _read(self, project: str | None, ref: str | None) -> Collection[str]:
        if project is None:
            return self.repository.files()
        try:
            return self.repository.project_files(project, ref)
        except ReadError as error:
            if ref is None:
                raise RuleError(
                    f"rules:exists:project `{project}` is not a valid project path"
                ) from error
            raise RuleError(
                f"rules:exists:ref `{ref}` is not a valid ref in project `{project}`"
            ) from error


def _is_suffix(text: str) -> bool:
    return text.startswith(".") and "/" not in text and _METACHARACTERS.isdisjoint(text)


def _first_match(globs: Iterable[str], paths: Iterable[str]) -> Answer | None:
    """Return the first path that a pattern matches, as an answer."""
    paths = list(paths)
    for glob in globs:
        try:
            compiled = compile_glob(glob)
        except ValueError as error:
            # As with too many comparisons: what costs too much to tell holds.
            return Answer(holds=True, detail=str(error))
        for path in paths:
            if compiled.matches(path):
                return Answer(holds=True, detail=f"{path} matches {glob}")
    return None
