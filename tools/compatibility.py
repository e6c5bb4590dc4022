"""Writes ``docs/gitlab-compatibility.md``: ``make docs``.

The tables come from ``spotci/parser/keywords/support.py`` and from the golden cases of
``fixtures``, the differences from this file. ``tests/test_compatibility.py`` fails
where the page is not what this program would write.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from spotci.parser.keywords.support import KEYWORDS, Support
from spotci.parser.nodes import Mapping, Sequence
from spotci.parser.yaml import parse
from spotci.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spotci.parser.keywords.support import Keyword
    from spotci.parser.nodes import Node

__all__ = ["PAGE", "cases_of", "golden_folders", "page", "summary"]

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures"
PAGE = ROOT / "docs" / "gitlab-compatibility.md"
#: Folders of fixtures that are no golden cases.
_OTHERS = ("conformance", "job-logs", "spot-platform")
#: Top-level keys that are keywords themselves; every other key is a job.
_GLOBAL = frozenset(
    {
        *("default", "include", "stages", "variables", "workflow"),
        *("after_script", "before_script", "cache", "image", "services"),
    }
)
_WORDS = {
    Support.EXECUTED: "yes",
    Support.RECORDED: "recorded",
    Support.NOT_EXECUTED: "not executed",
}
#: What is part of the language and no keyword of a job or of the top level.
_LANGUAGE = {
    "`spec:inputs`, `$[[ inputs.x ]]`": "spec-inputs",
    "`!reference`": "reference",
    "hidden jobs, names of jobs": "job-names",
    "YAML 1.1": "yaml",
    "`<<`": "merge-keys",
    "`[skip ci]`": "ci-skip",
}
#: Cases that only use a keyword, where none has its name.
_USES = 3


def golden_folders() -> list[Path]:
    """Return the folders of the golden cases by name."""
    return [
        folder
        for folder in sorted(FIXTURES.iterdir())
        if folder.is_dir() and folder.name not in _OTHERS
    ]


def cases_of(keyword: Keyword) -> list[str]:
    """Return the cases named after a keyword, or else some that use it."""
    slug = keyword.path.replace(":", "-").replace("_", "-")
    named = _named(slug)
    if named:
        return named
    using = [
        folder.name
        for folder in golden_folders()
        if not folder.name.startswith("wrong-") and keyword.path in _paths_used(folder)
    ]
    parent = keyword.path.partition(":")[0].replace("_", "-")
    # Those that are about the keyword above come first.
    return sorted(using, key=lambda name: not name.startswith(parent))[:_USES]


def _named(slug: str) -> list[str]:
    return [
        folder.name
        for folder in golden_folders()
        if folder.name == slug or folder.name.startswith(f"{slug}-")
    ]


@cache
def _paths_used(folder: Path) -> frozenset[str]:
    """Return the paths of all keywords in the files of a case: ``artifacts:paths``."""
    paths: set[str] = set()
    for file in sorted(folder.rglob("*.yml")):
        text = file.read_text("utf-8")
        for document in parse(SourceFile(name=file.name, text=text)):
            paths.update(_paths_of_document(document))
    return frozenset(paths)


def _paths_of_document(document: Node) -> Iterator[str]:
    if not isinstance(document, Mapping):
        return
    for key, entry in document.entries.items():
        name = str(key)
        if name in _GLOBAL:
            yield name
            yield from _paths(entry.value, f"{name}:")
        if name == "default" or name not in _GLOBAL:
            yield from _paths(entry.value, "")


def _paths(node: Node, prefix: str) -> Iterator[str]:
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _paths(item, prefix)
    elif isinstance(node, Mapping):
        for key, entry in node.entries.items():
            yield f"{prefix}{key}"
            yield from _paths(entry.value, f"{prefix}{key}:")


def summary(folder: Path) -> str:
    """Return the comment at the top of a case, which says what it shows."""
    lines = (folder / ".gitlab-ci.yml").read_text("utf-8").splitlines()
    comment = []
    for line in lines:
        if not line.startswith("#"):
            break
        comment.append(line.removeprefix("#").strip())
    return " ".join(comment)


def page() -> str:
    """Return the text of the page."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield from _PREFACE.splitlines()
    yield from (
        "",
        "| keyword | here | what is different | cases |",
        "|---|---|---|---|",
    )
    for keyword in KEYWORDS.values():
        yield _row(
            f"`{keyword.path}`",
            _WORDS[keyword.support],
            _sentence(keyword),
            _links(cases_of(keyword)),
        )
    for words, slug in _LANGUAGE.items():
        yield _row(words, "yes", "", _links(_named(slug)))
    yield ""
    yield from _DIFFERENCES.splitlines()
    yield from ("", "## All cases", "")
    yield "Each is a folder of `fixtures`, and a test: the configuration with what"
    yield "`spotci list --format json` or `spotci lint` says of it."
    yield from ("", "| case | what it shows |", "|---|---|")
    for folder in golden_folders():
        yield _row(_link(folder.name), summary(folder))


def _sentence(keyword: Keyword) -> str:
    parts = (part for part in (keyword.note, keyword.hint) if part)
    return "; ".join(parts)


def _links(names: list[str]) -> str:
    return ", ".join(map(_link, names))


def _link(name: str) -> str:
    return f"[{name}](../fixtures/{name})"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


_PREFACE = """\
# Compatibility with GitLab

<!-- made by tools/compatibility.py: run `make docs` -->

Every keyword is checked as GitLab checks it, and rules, needs and matrices are
decided as GitLab decides them. What becomes of a keyword in a run:

- **yes**: it is executed.
- **recorded**: it is kept in the pipeline and its records; it has no effect here.
- **not executed**: GitLab would do something that a local run lacks; one warning
  names the first place.

A part of a keyword without a row of its own is as the keyword is.

## Keywords"""

_DIFFERENCES = """\
## Differences from GitLab

### What a pipeline is created for

- **`changes` of a push** is about what you have changed: GitLab compares the commits
  of the push, and you have not pushed yet. Files edited and not committed count, see
  [what counts as changed](how-to/merge-requests-and-tags.md#what-counts-as-changed).
- **Merge requests** are those of GitLab's detached pipelines. Merged results, merge
  trains, approvals, assignees and milestones are not simulated; labels are given with
  `--label`.
- **Variables of projects, groups and instances** come from files, as nobody asks a
  server: [variables and secrets](how-to/variables-and-secrets.md).
- **Protected branches and tags** are those that the settings name, and the default
  branch.
- **`include`** of other projects and components reads a checkout that the settings
  name, or fetches: [private includes](how-to/private-includes-and-components.md).
- Pipeline execution policies, compliance pipelines and limits of a plan do not exist
  here.

### Predefined variables

All that have a meaning on one machine are set; `spotci explain JOB` lists them. Absent,
until you set them in [an env file](how-to/variables-and-secrets.md), are:

| variable | why |
|---|---|
| `CI_DEPLOY_USER`, `CI_DEPLOY_PASSWORD` | the deploy token is the server's secret |
| `CI_SERVER_TLS_CA_FILE`, `CI_SERVER_TLS_CERT_FILE`, `CI_SERVER_TLS_KEY_FILE` | no \
runner is registered with a server: there is no connection with such files |
| `KUBECONFIG`, `CI_KUBERNETES_ACTIVE` | no cluster is connected |
| `CI_RELEASE_DESCRIPTION`, `CI_DEPLOY_FREEZE`, `CI_HAS_OPEN_REQUIREMENTS` | releases, \
freeze periods and requirements are on the server |
| `CI_MERGE_REQUEST_ASSIGNEES`, `CI_MERGE_REQUEST_MILESTONE` | so are assignees and \
milestones |
| `CI_GITLAB_FIPS_MODE` | set by servers that run in FIPS mode alone |
| `CHAT_CHANNEL`, `CHAT_INPUT`, `CHAT_USER_ID` | there is no chat |

### What is told

- **All errors at once**, each with its place and often with a hint. GitLab stops at
  the first of `extends`, `!reference`, `include` and interpolation. The messages are
  GitLab's.
- **YAML** is read as Ruby's Psych reads it: `12:30` is 45000, `0x1F` is 31, `yes` is
  true, the last of two equal keys wins, and `<<` overwrites the keys that stand
  before it.

### What a run does

- **`trigger`** runs its pipeline inside the same run, child pipelines and those of
  other projects. Another project must be a checkout that the settings name under
  `[projects]`.
- **`needs:project`** takes what the last passed job left in the record of such a
  checkout, and a bridge with `needs:pipeline` alone mirrors the newest run there on the
  default branch. Without the checkout a job goes on, with a warning, and a bridge is
  skipped.
- **`id_tokens`, `secrets`, `identity`** need a server or a provider. Set the
  variables yourself.
- **`CI_JOB_TOKEN`** and the password of the registry are made for each run, and no
  GitLab knows them.
- **`release`** and **`pages`**: what would be published is kept in the record of the
  run.
- **`resource_group`** holds among the jobs of one run, not between runs.
- **`artifacts`** are files in `.spotci/runs`, and stay until the run is removed,
  whatever `expire_in` says. `spotci artifacts --zip .` makes the archive that
  `artifacts:name` names.
- **`cache`** is kept in the engine. `Archive is up to date!` is decided by what the job
  wrote, not by times of files.
- **Submodules** come as they are checked out in your repository: nothing is fetched.
  A job sees those that `GIT_SUBMODULE_STRATEGY` and
  `GIT_SUBMODULE_PATHS` name, and an empty folder for the others.
- **`tags`** choose no runner: every job runs on this machine.
- **`environment`** sets its variables; `auto_stop_in` and `on_stop` start nothing by
  themselves.
- **`interruptible`** and **`auto_cancel:on_new_commit`** have no effect: no newer
  pipeline replaces a run. `auto_cancel:on_job_failure` has.
- **Jobs of a Kubernetes executor**: keywords below `kubernetes` have no effect."""


def main() -> None:
    """Write the page if it is not as it should be."""
    text = page()
    if not PAGE.is_file() or PAGE.read_text("utf-8") != text:
        PAGE.write_text(text, "utf-8")
        print(f"docs: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
