"""What becomes of every keyword here: executed, recorded, or not executed.

``docs/gitlab-compatibility.md`` is made from this table, and so are the warnings about
keywords whose effect is missing in a local run.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.parser.keywords.decoding import is_null
from spotci.parser.nodes import Mapping, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping as MappingType

    from spotci.parser.nodes import Entry, Node
    from spotci.parser.problems import Problems

__all__ = ["KEYWORDS", "Keyword", "Support", "warn_of_keywords"]


class Support(StrEnum):
    """What spotci does with a keyword that it has checked."""

    EXECUTED = "executed"
    #: Kept in the pipeline and its records; it has no effect on a local run.
    RECORDED = "recorded"
    #: GitLab would do something that a local run lacks: it warns.
    NOT_EXECUTED = "not executed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyword:
    """A keyword by its path, such as ``image:kubernetes``, and what becomes of it.

    ``note`` says what is different here, in a phrase that follows a colon; ``hint``
    says what a user can do about it.
    """

    path: str
    support: Support = Support.EXECUTED
    note: str = ""
    hint: str | None = None


_SET_VARIABLES = "set them with --variable NAME=VALUE or in an env file"

_TABLE = (
    Keyword(path="after_script"),
    Keyword(path="allow_failure"),
    Keyword(path="artifacts"),
    Keyword(
        path="artifacts:access",
        support=Support.RECORDED,
        note="files of a local run belong to its user",
    ),
    Keyword(
        path="artifacts:expire_in",
        support=Support.RECORDED,
        note="artifacts stay until the run is cleaned",
    ),
    Keyword(
        path="artifacts:expose_as",
        support=Support.RECORDED,
        note="there is no merge request page",
    ),
    Keyword(
        path="artifacts:public",
        support=Support.RECORDED,
        note="files of a local run belong to its user",
    ),
    Keyword(path="artifacts:reports:coverage_report", support=Support.RECORDED),
    Keyword(path="artifacts:reports:dotenv"),
    Keyword(path="artifacts:reports:junit"),
    Keyword(path="before_script"),
    Keyword(path="cache"),
    Keyword(path="coverage"),
    Keyword(
        path="dast_configuration",
        support=Support.NOT_EXECUTED,
        note="the profiles are on the server, their variables are not set",
        hint=_SET_VARIABLES,
    ),
    Keyword(path="default"),
    Keyword(path="dependencies"),
    Keyword(path="environment"),
    Keyword(
        path="environment:auto_stop_in",
        support=Support.RECORDED,
        note="nothing is stopped after the run",
    ),
    Keyword(
        path="environment:kubernetes",
        support=Support.NOT_EXECUTED,
        note="no cluster is connected",
    ),
    Keyword(
        path="environment:on_stop",
        support=Support.RECORDED,
        note="the job that stops the environment can be started by its name",
    ),
    Keyword(path="except"),
    Keyword(path="extends"),
    Keyword(path="hooks:pre_get_sources_script"),
    Keyword(
        path="id_tokens",
        support=Support.NOT_EXECUTED,
        note="only a GitLab server can sign tokens, their variables are not set",
        hint=_SET_VARIABLES,
    ),
    Keyword(
        path="identity",
        support=Support.NOT_EXECUTED,
        note="there is no authentication with the cloud",
    ),
    Keyword(path="image"),
    Keyword(
        path="image:kubernetes",
        support=Support.NOT_EXECUTED,
        note="jobs run in Docker",
        hint="docker:user is its counterpart",
    ),
    Keyword(path="include"),
    Keyword(path="inherit"),
    Keyword(
        path="inputs",
        note="${{ job.inputs.NAME }} becomes the default; operators and functions of"
        " such expressions are not evaluated",
    ),
    Keyword(
        path="interruptible",
        support=Support.RECORDED,
        note="a local run is not replaced by a newer one",
    ),
    Keyword(path="manual_confirmation"),
    Keyword(path="needs"),
    Keyword(path="needs:pipeline"),
    Keyword(path="needs:project", note="of a checkout that the settings name"),
    Keyword(path="only"),
    Keyword(
        path="pages",
        support=Support.NOT_EXECUTED,
        note="the site is kept as an artifact, nothing is published",
    ),
    Keyword(path="parallel"),
    Keyword(
        path="release",
        support=Support.NOT_EXECUTED,
        note="no release is created",
    ),
    Keyword(path="resource_group", note="among the jobs of one run"),
    Keyword(path="retry"),
    Keyword(path="rules"),
    Keyword(
        path="run",
        support=Support.NOT_EXECUTED,
        note="there is no step runner, the job does nothing",
        hint="write script: instead",
    ),
    Keyword(path="script"),
    Keyword(
        path="secrets",
        support=Support.NOT_EXECUTED,
        note="no provider is asked, the variables are not set",
        hint=_SET_VARIABLES,
    ),
    Keyword(path="services"),
    Keyword(
        path="services:kubernetes",
        support=Support.NOT_EXECUTED,
        note="services run in Docker",
        hint="docker:user is its counterpart",
    ),
    Keyword(path="stage"),
    Keyword(path="stages"),
    Keyword(path="start_in"),
    Keyword(
        path="tags",
        support=Support.RECORDED,
        note="every job runs on this machine",
    ),
    Keyword(path="timeout"),
    Keyword(path="trigger"),
    Keyword(path="variables"),
    Keyword(path="when"),
    Keyword(path="workflow"),
    Keyword(
        path="workflow:auto_cancel:on_new_commit",
        support=Support.RECORDED,
        note="a local run is not replaced by a newer one",
    ),
)

#: Every keyword by its path.
KEYWORDS: MappingType[str, Keyword] = MappingProxyType(
    {keyword.path: keyword for keyword in _TABLE}
)
#: First part of a path to the keywords that are not executed, with the further parts.
_WARNED: MappingType[str, tuple[tuple[Keyword, tuple[str, ...]], ...]] = (
    MappingProxyType(
        {
            first: tuple(
                (keyword, tuple(keyword.path.split(":")[1:]))
                for keyword in _TABLE
                if keyword.support is Support.NOT_EXECUTED
                and keyword.path.partition(":")[0] == first
            )
            for first in {keyword.path.partition(":")[0]: None for keyword in _TABLE}
        }
    )
)


def warn_of_keywords(holders: Iterable[Mapping], problems: Problems) -> None:
    """Warn of each keyword that is not executed, once, where it stands first.

    ``holders`` are the jobs and ``default``.
    """
    pending = {first: list(keywords) for first, keywords in _WARNED.items() if keywords}
    for holder in holders:
        for first, keywords in pending.items():
            if first not in holder.entries:
                continue
            for keyword, rest in tuple(keywords):
                entry = _written(holder.entries[first], rest)
                if entry is None:
                    continue
                keywords.remove((keyword, rest))
                problems.warn(
                    f"`{keyword.path}` is not executed here: {keyword.note}",
                    entry.span,
                    hint=keyword.hint,
                )


def _written(entry: Entry, path: tuple[str, ...]) -> Entry | None:
    """Return the first entry at a path, through lists, that is not null or false."""
    if not path:
        return None if is_null(entry.value) or _is_false(entry.value) else entry
    value = entry.value
    for item in value.items if isinstance(value, Sequence) else (value,):
        inner = item.entries.get(path[0]) if isinstance(item, Mapping) else None
        found = None if inner is None else _written(inner, path[1:])
        if found is not None:
            return found
    return None


def _is_false(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is False
