"""The front half of the parser: text → one map, with nothing left to look up in it.

The order is GitLab's: documents and inputs, includes, merge, ``extends``,
``!reference``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.errors import YamlError
from spotci.parser.include import Includer
from spotci.parser.merge import extend_all
from spotci.parser.nodes import Mapping
from spotci.parser.reference import resolve_references
from spotci.source import Span

if TYPE_CHECKING:
    from spotci.context import Context
    from spotci.parser.problems import Problems
    from spotci.source import SourceFile

__all__ = ["Loaded", "load"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration with includes merged, and the files that it came from."""

    root: Mapping
    sources: tuple[SourceFile, ...]


def load(file: SourceFile, context: Context, problems: Problems) -> Loaded:
    """Read a configuration with all that it includes.

    What is wrong is reported to ``problems``; the root is then what could be read.
    """
    includer = Includer(context, problems)
    root = None
    if file.text.strip():
        root = includer.read(file, context.inputs)
    if root is None:
        if not problems.errors:
            problems.error("Please provide content of .gitlab-ci.yml", None)
        root = _nothing(file)
    # What is missing may stand in a file that could not be read: it is not reported.
    complete = not problems.errors
    before = len(problems.errors)
    try:
        root = extend_all(root, problems, complete=complete)
        if len(problems.errors) == before and _has_references(includer.sources):
            root = resolve_references(root, problems, complete=complete)
    except YamlError as error:
        problems.errors.append(error)
        root = _nothing(file)
    return Loaded(root=root, sources=tuple(includer.sources))


def _has_references(sources: list[SourceFile]) -> bool:
    return any("!reference" in source.text for source in sources)


def _nothing(file: SourceFile) -> Mapping:
    return Mapping(span=Span(file=file, line=1, column=1, end_column=2))
