"""Variables: their levels, and the expanders of the server and of the runner (pure).

GitLab documents the precedence under "CI/CD variable precedence" and the expanders
under "Where variables can be used". There are three:

* the server expands the values of variables, environments, tags and globs;
* the runner expands what is left, in images, caches, artifacts and variables;
* the shell of the job expands the script.
"""

from __future__ import annotations

import re
from dataclasses import field, replace
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from spotci.source import Span

__all__ = [
    "YAML_LEVELS",
    "Level",
    "Variable",
    "effective",
    "expand",
    "expand_all",
    "expand_runner",
    "find_cycle",
    "references",
]


class Level(IntEnum):
    """Precedence of a variable: of two with one name the higher level wins."""

    PREDEFINED = 10
    DEPLOYMENT = 20
    ROOT = 30
    WORKFLOW = 35
    JOB = 40
    MATRIX = 45
    RULE = 50
    #: ``GITLAB_USER_*``, which YAML cannot override.
    USER = 55
    DOTENV = 60
    INSTANCE = 70
    GROUP = 80
    PROJECT = 90
    PIPELINE = 100
    #: Given when a manual job is played.
    MANUAL = 110
    #: Set by the runner after all others, such as ``CI_PROJECT_DIR``.
    RUNNER = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable before expansion.

    ``expand`` is False for ``variables:NAME:expand: false``; ``file`` marks a file
    variable, whose value is the content of the file. ``origin`` says where the value
    came from, for ``spotci explain``: a file name, an option, ``predefined``.
    """

    name: str
    value: str
    level: Level = Level.JOB
    expand: bool = True
    file: bool = False
    masked: bool = False
    origin: str = ""
    span: Span | None = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        # A secret must not leak through a traceback or a log of this object.
        value = "[MASKED]" if self.masked else self.value
        return f"Variable({self.name}={value!r}, {self.level.name})"


#: The levels that GitLab merges into one before it expands anything: of a variable
#: of the same name in ``variables``, a matrix and a rule only the last one is left.
YAML_LEVELS = frozenset(
    {Level.ROOT, Level.WORKFLOW, Level.JOB, Level.MATRIX, Level.RULE}
)

# $$ and %% stand for themselves, and so does ${}.
_REFERENCE = re.compile(
    r"\$\$|%%"
    r"|\$(?P<plain>[a-zA-Z_][a-zA-Z0-9_]*)"
    r"|\$\{(?P<braces>[a-zA-Z_][a-zA-Z0-9_]*)?\}"
    r"|%(?P<percent>[a-zA-Z_][a-zA-Z0-9_]*)%"
)
# os.Expand of Go: a special character is a name of its own, with or without braces.
_RUNNER_REFERENCE = re.compile(
    r"\$(?:\{(?P<braces>[^}]+)\}|\{\}?|(?P<special>[*#$@!?\-0-9])|(?P<plain>[A-Za-z0-9_]+))"
)


def effective(variables: Iterable[Variable]) -> dict[str, Variable]:
    """Return the variable that wins for each name, in the order of precedence.

    Of two with one name the higher level wins, and of one level the later.
    """
    return {variable.name: variable for variable in _by_level(variables)}


@lru_cache(maxsize=4096)
def references(value: str) -> tuple[str, ...]:
    """Return the names that a value refers to in one of the forms of the server."""
    if "$" not in value and "%" not in value:
        return ()
    return tuple(name for match in _REFERENCE.finditer(value) if (name := _name(match)))


def expand(
    value: str,
    variables: Mapping[str, Variable],
    *,
    keep_undefined: bool,
    expand_file_refs: bool = True,
    expand_raw_refs: bool = True,
) -> str:
    """Replace the references in a value, once, as the server does.

    The forms are ``$NAME``, ``${NAME}`` and ``%NAME%``; ``$$`` and ``%%`` stay. An
    undefined name gives nothing, or stays as written with ``keep_undefined``.
    Without ``expand_file_refs`` or ``expand_raw_refs`` a reference to a variable of
    that kind stays as written, for the runner.
    """
    if "$" not in value and "%" not in value:
        return value

    def replacement(match: re.Match[str]) -> str:
        name = _name(match)
        if name is None:
            return match[0]
        variable = variables.get(name)
        if variable is None:
            return match[0] if keep_undefined else ""
        if variable.file:
            return variable.value if expand_file_refs else match[0]
        if not variable.expand and not expand_raw_refs:
            return match[0]
        return variable.value

    return _REFERENCE.sub(replacement, value)


def expand_all(
    variables: Sequence[Variable],
    *,
    keep_undefined: bool,
    expand_raw_refs: bool = True,
    expand_file_refs: bool = True,
) -> tuple[Variable, ...]:
    """Expand every value recursively, and return them in the order of dependency.

    The variables may come in any order of levels and hold a name more than once: a
    variable that refers to its own name takes the value of a lower level. Those with
    ``expand`` False stay as they are. A cycle leaves all of them as they were;
    :func:`find_cycle` names it.
    """
    collection = _collection(variables)
    order, cycle = _order(collection)
    if cycle is not None:
        return tuple(collection)
    expanded: dict[str, Variable] = {}
    result = []
    for variable in order:
        value = variable.value
        if variable.expand:
            value = expand(
                value,
                expanded,
                keep_undefined=keep_undefined,
                expand_file_refs=expand_file_refs,
                expand_raw_refs=expand_raw_refs,
            )
        final = variable if value == variable.value else replace(variable, value=value)
        expanded[final.name] = final
        result.append(final)
    return tuple(result)


def find_cycle(variables: Sequence[Variable]) -> tuple[str, ...] | None:
    """Return the names of variables that refer to each other, or None."""
    return _order(_collection(variables))[1]


def expand_runner(value: str, variables: Mapping[str, str]) -> str:
    """Replace the references in a value, once, as GitLab Runner does.

    That is Go's ``os.Expand``: ``$NAME`` and ``${NAME}``, where ``$$`` is ``$`` and
    the other special parameters of a shell, like undefined names, are empty.
    """
    if "$" not in value:
        return value

    def replacement(match: re.Match[str]) -> str:
        name = match["braces"] or match["special"] or match["plain"]
        if name == "$":
            return "$"
        return "" if name is None else variables.get(name, "")

    return _RUNNER_REFERENCE.sub(replacement, value)


def _name(match: re.Match[str]) -> str | None:
    return match["plain"] or match["braces"] or match["percent"]


def _by_level(variables: Iterable[Variable]) -> list[Variable]:
    return sorted(variables, key=lambda variable: variable.level)


def _collection(variables: Iterable[Variable]) -> list[Variable]:
    """Return the variables as GitLab collects them: by level, the YAML merged."""
    ordered = _by_level(variables)
    winner = {
        variable.name: index
        for index, variable in enumerate(ordered)
        if variable.level in YAML_LEVELS
    }
    # The same variable given twice is one variable, not one that hides another.
    unique: dict[tuple[str, int, str], Variable] = {}
    for index, variable in enumerate(ordered):
        if variable.level in YAML_LEVELS and winner[variable.name] != index:
            continue
        unique[variable.name, variable.level, variable.value] = variable
    return list(unique.values())


def _depends_on(variable: Variable) -> tuple[str, ...]:
    return references(variable.value) if variable.expand else ()


def _order(
    variables: Sequence[Variable],
) -> tuple[list[Variable], tuple[str, ...] | None]:
    """Return the variables each behind those it refers to, or the names of a cycle.

    The order is that of Ruby's ``TSort``, which GitLab uses: depth first. A name
    stands for all the variables that bear it; one that refers to itself is no cycle.
    """
    by_name: dict[str, list[int]] = {}
    for index, variable in enumerate(variables):
        by_name.setdefault(variable.name, []).append(index)

    def children(index: int) -> Iterator[int]:
        for name in _depends_on(variables[index]):
            yield from by_name.get(name, ())

    order: list[Variable] = []
    begun: set[int] = set()
    for root in range(len(variables)):
        # The path from the root to the variable in hand, as a chain of the text may
        # be longer than Python's stack.
        path = {root: children(root)} if root not in begun else {}
        begun.add(root)
        while path:
            index, waiting = next(reversed(path.items()))
            child = next(waiting, None)
            if child is None:
                order.append(variables[index])
                del path[index]
            elif child not in begun:
                path[child] = children(child)
                begun.add(child)
            elif child in path and child != index:
                chain = list(path)
                cycle = chain[chain.index(child) :]
                return order, tuple(variables[member].name for member in cycle)
    return order, None
