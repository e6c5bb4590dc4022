"""The conformance cases as data: see the README beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotci.context import MergeRequest
from tests.contexts import FakeReader, FakeRepository, context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spotci.context import Context

CASES = Path(__file__).parents[2] / "fixtures" / "conformance"

#: The text of a file that a case includes and does not contain.
ANY_FILE = ".any-included-file: {}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of a file of cases."""

    id: str
    category: str
    source: str
    expect: Mapping[str, Any]
    yaml: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_judged(self) -> bool:
        """Whether GitLab's server agrees with the case: its editor may be stricter."""
        return not self.expect.get("schema_only", False)


def read_cases(folder: Path) -> list[Case]:
    """Return all cases of a folder, in the order of files and lines."""
    return [
        Case(**json.loads(line))
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]


def context_of(case: Case) -> Context:
    """Return the context that a case describes."""
    given = case.context
    merge_request = given.get("merge_request")
    inputs = given.get("inputs", {})
    return context(
        branch=given.get("branch", "master"),
        tag=given.get("tag"),
        merge_request=None if merge_request is None else MergeRequest(**merge_request),
        source=given.get("source"),
        project_path=given.get("project_path", "group/project"),
        variables=_texts(given.get("variables", {})),
        predefined={"CI_DEFAULT_BRANCH": "master"} | _texts(given.get("fixed", {})),
        repository=FakeRepository(
            paths=[".gitlab-ci.yml", *case.files, *given.get("files", [])],
            changed=None if given.get("new_branch") else given.get("changed_files"),
            changed_by_base=given.get("changed_files_by_base", {}),
            # Without a context the case is about the configuration alone.
            any_project=not given,
        ),
        reader=FakeReader(
            texts={path.removeprefix("/"): text for path, text in case.files.items()},
            fallback=ANY_FILE if case.category == "schema" else None,
        ),
        inputs=inputs,
    )


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
