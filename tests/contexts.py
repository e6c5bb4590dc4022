"""What a pipeline is created for, in memory: repository, include reader, context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spotci.context import Context
from spotci.errors import ReadError
from spotci.parser.globs import matches
from spotci.slugs import slugify
from spotci.source import Origin, SourceFile
from spotci.variables import Level, Variable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from spotci.context import MergeRequest

ZEROS = "0" * 40
SHA = "e83c5163316f89bfbde7d9ab23ca2e25604af290"


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeRepository:
    """Files and changes that were written down; ``changed`` None is not known."""

    paths: Collection[str] = (".gitlab-ci.yml",)
    changed: Collection[str] | None = None
    changed_by_base: Mapping[str, Collection[str]] = field(default_factory=dict)
    projects: Mapping[str, Collection[str]] = field(default_factory=dict)
    #: Every other project exists and is empty.
    any_project: bool = False

    def files(self) -> Collection[str]:
        return self.paths

    def changed_files(self, compare_to: str | None = None) -> Collection[str] | None:
        if compare_to is None:
            return self.changed
        if compare_to not in self.changed_by_base:
            raise ReadError(f"unknown ref {compare_to}")
        return self.changed_by_base[compare_to]

    def project_files(self, project: str, ref: str | None) -> Collection[str]:
        key = project if ref is None else f"{project}@{ref}"
        if key not in self.projects and not self.any_project:
            raise ReadError(f"unknown project {key}")
        return self.projects.get(key, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeReader:
    """Files by path; those of other places under ``project:path`` or their address.

    ``fallback`` is the text of every file that is not there; None is an error.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    fallback: str | None = None

    def local(self, path: str, origin: Origin) -> SourceFile:
        key = path if origin.project is None else f"{origin.project}:{path}"
        return self._file(key, f"Local file `{path}` does not exist!", origin)

    def local_matches(self, pattern: str, origin: Origin) -> Sequence[str]:
        del origin
        return sorted(path for path in self.texts if matches(pattern, path))

    def project(self, project: str, path: str, ref: str | None) -> SourceFile:
        return self._file(
            f"{project}:{path}",
            f"Project `{project}` file `{path}` does not exist!",
            Origin(project=project, ref=ref),
        )

    def remote(self, url: str, integrity: str | None) -> SourceFile:
        del integrity
        return self._file(
            url,
            f"Remote file `{url}` could not be fetched because of HTTP code `404`"
            " error!",
        )

    def template(self, name: str) -> SourceFile:
        return self._file(name, f"Template file `{name}` does not exist!")

    def component(self, address: str) -> SourceFile:
        return self._file(address, f"Component '{address}' - content not found")

    def _file(self, key: str, missing: str, origin: Origin | None = None) -> SourceFile:
        text = self.texts.get(key, self.fallback)
        if text is None:
            raise ReadError(missing)
        if not text.strip():
            raise ReadError(missing.replace("does not exist", "is empty"))
        return SourceFile(name=key, text=text, origin=origin or Origin())


def context(
    *,
    branch: str | None = "main",
    tag: str | None = None,
    merge_request: MergeRequest | None = None,
    source: str | None = None,
    project_path: str = "group/project",
    variables: Mapping[str, str] | None = None,
    predefined: Mapping[str, str] | None = None,
    repository: FakeRepository | None = None,
    reader: FakeReader | None = None,
    inputs: Mapping[str, object] | None = None,
    scoped: Sequence[tuple[str, Variable]] = (),
    full: bool = False,
) -> Context:
    """Make a context with the predefined variables that rules mostly ask for.

    ``variables`` are those of whoever starts the pipeline; ``predefined`` replaces or
    adds predefined ones.
    """
    if source is None:
        source = "push" if merge_request is None else "merge_request_event"
    if tag is not None or merge_request is not None:
        branch = None
    values = _predefined(branch, tag, merge_request, source, project_path)
    values |= predefined or {}
    return Context(
        source=source,
        branch=branch,
        tag=tag,
        merge_request=merge_request,
        project_path=project_path,
        variables=(
            *_variables(values, Level.PREDEFINED, "predefined"),
            *_variables(variables or {}, Level.PIPELINE, "pipeline"),
        ),
        scoped_variables=tuple(scoped),
        inputs=inputs or {},
        repository=repository or FakeRepository(),
        reader=reader or FakeReader(),
        changes_always_true=full,
    )


def _variables(
    values: Mapping[str, str], level: Level, origin: str
) -> tuple[Variable, ...]:
    return tuple(
        Variable(name=name, value=value, level=level, origin=origin)
        for name, value in values.items()
    )


def _predefined(
    branch: str | None,
    tag: str | None,
    merge_request: MergeRequest | None,
    source: str,
    project_path: str,
) -> dict[str, str]:
    namespace, _, name = project_path.rpartition("/")
    ref = branch or tag or (merge_request.source_branch if merge_request else "")
    values = {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_COMMIT_BEFORE_SHA": ZEROS,
        "CI_COMMIT_REF_NAME": ref,
        "CI_COMMIT_REF_SLUG": slugify(ref),
        "CI_COMMIT_SHA": SHA,
        "CI_COMMIT_SHORT_SHA": SHA[:8],
        "CI_DEFAULT_BRANCH": "main",
        "CI_PIPELINE_SOURCE": source,
        "CI_PROJECT_NAME": name,
        "CI_PROJECT_NAMESPACE": namespace,
        "CI_PROJECT_PATH": project_path,
    }
    if branch is not None:
        values["CI_COMMIT_BRANCH"] = branch
    if tag is not None:
        values["CI_COMMIT_TAG"] = tag
    if merge_request is not None:
        values |= {
            "CI_MERGE_REQUEST_IID": str(merge_request.iid),
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": merge_request.source_branch,
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": merge_request.target_branch,
            "CI_MERGE_REQUEST_LABELS": ",".join(merge_request.labels),
            "CI_MERGE_REQUEST_EVENT_TYPE": "detached",
        }
    return values
