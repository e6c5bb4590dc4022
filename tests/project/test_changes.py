from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.errors import ReadError
from spotci.project import ContextOptions, make_context
from tests.project.repositories import GitFolder

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def changed(
    repository: GitFolder, compare_to: str | None = None, **options: object
) -> Collection[str] | None:
    context = make_context(
        repository.open(),
        ContextOptions(**options),  # type: ignore[arg-type]
    )
    return context.repository.changed_files(compare_to)


def test_commits_that_are_not_pushed_and_the_working_tree(
    repository: GitFolder,
) -> None:
    repository.commit(
        {"old": "1", "edited": "1", "deleted": "1", ".gitignore": "*.log"}
    )
    repository.pushed()
    repository.commit({"first": "1"})
    repository.commit({"second": "1"})
    repository.write({"edited": "2", "untracked": "1", "x.log": "1"})
    (repository.root / "deleted").unlink()

    assert changed(repository) == {"first", "second", "edited", "deleted", "untracked"}
    assert changed(repository, source="head") == {"first", "second"}


def test_the_index_is_compared_where_it_is_the_source(repository: GitFolder) -> None:
    repository.commit({"a": "1", "b": "1"})
    repository.pushed()
    repository.write({"a": "2", "b": "2", "c": "1"})
    repository.git("add", "a")

    assert changed(repository, source="index") == {"a"}


def test_where_all_is_pushed_the_edits_are_the_change(repository: GitFolder) -> None:
    repository.commit({"a": "1"})
    repository.commit({"b": "1"})
    repository.pushed()
    repository.write({"a": "2"})

    assert changed(repository) == {"a"}


def test_where_all_is_pushed_and_nothing_edited_it_is_the_last_commit(
    repository: GitFolder,
) -> None:
    repository.commit({"a": "1"})
    repository.commit({"b": "1"})
    repository.pushed()

    assert changed(repository) == {"b"}


def test_a_branch_without_upstream_begins_at_the_commit_before(
    repository: GitFolder,
) -> None:
    repository.commit({"a": "1"})
    repository.commit({"b": "1"})
    repository.write({"c": "1"})

    assert changed(repository) == {"b", "c"}


def test_a_first_commit_has_no_known_changes(repository: GitFolder) -> None:
    repository.commit({"a": "1"})

    assert changed(repository) is None


def test_an_upstream_that_went_on_does_not_count(repository: GitFolder) -> None:
    repository.commit({"a": "1"})
    repository.git("checkout", "-q", "-b", "theirs")
    repository.commit({"theirs": "1"})
    repository.pushed("main")
    repository.git("checkout", "-q", "main")
    repository.commit({"ours": "1"})

    assert changed(repository) == {"ours"}


def test_a_tracked_branch_of_another_name_is_the_upstream(
    repository: GitFolder,
) -> None:
    repository.commit({"a": "1"})
    repository.pushed("trunk")
    repository.git("config", "branch.main.remote", "origin")
    repository.git("config", "branch.main.merge", "refs/heads/trunk")
    repository.commit({"b": "1"})
    repository.commit({"c": "1"})

    assert changed(repository) == {"b", "c"}


def test_both_names_of_a_rename_count(repository: GitFolder) -> None:
    repository.commit({"old/a": "some text that is long enough to be found again\n"})
    repository.git("mv", "old/a", "b")
    repository.git("config", "diff.renames", "copies")

    assert changed(repository, changed_since="HEAD") == {"old/a", "b"}


def test_a_merge_request_begins_at_the_merge_base(repository: GitFolder) -> None:
    repository.commit({"a": "1"})
    repository.git("checkout", "-q", "-b", "work")
    repository.commit({"b": "1"})
    repository.commit({"c": "1"})
    repository.git("checkout", "-q", "main")
    repository.commit({"later": "1"})
    repository.git("checkout", "-q", "work")
    repository.write({"d": "1"})

    assert changed(repository, event="merge_request") == {"b", "c", "d"}


def test_a_target_branch_that_is_not_there_leaves_changes_unknown(
    repository: GitFolder,
) -> None:
    repository.commit({"a": "1"})

    assert changed(repository, event="merge_request", target_branch="none") is None


@pytest.mark.parametrize("event", ["schedule", "web", "api", "trigger", "pipeline"])
def test_other_events_have_no_known_changes(repository: GitFolder, event: str) -> None:
    repository.commit({"a": "1"})
    repository.commit({"a": "2"})

    assert changed(repository, event=event) is None
    assert changed(repository, event=event, tag="v1") is None


def test_a_tag_has_no_known_changes(repository: GitFolder) -> None:
    repository.commit({"a": "1"})
    repository.commit({"a": "2"})

    assert changed(repository, tag="v1") is None


@pytest.mark.parametrize("event", ["push", "schedule"])
def test_compare_to_counts_in_every_event(repository: GitFolder, event: str) -> None:
    repository.commit({"a": "1"})
    repository.git("branch", "base")
    repository.commit({"b": "1"})
    repository.commit({"c": "1"})

    assert changed(repository, "base", event=event) == {"b", "c"}
    assert changed(repository, "refs/heads/base", event=event) == {"b", "c"}
    assert changed(repository, "HEAD~1", event=event) == {"c"}


def test_compare_to_takes_what_the_server_has(repository: GitFolder) -> None:
    repository.commit({"a": "1"})
    repository.pushed("base")
    repository.commit({"b": "1"})
    repository.git("branch", "base")

    assert changed(repository, "base") == {"b"}


@pytest.mark.parametrize("ref", ["none", "--output=x", ""])
def test_compare_to_a_ref_that_is_not_there(repository: GitFolder, ref: str) -> None:
    repository.commit({"a": "1"})

    with pytest.raises(ReadError) as caught:
        changed(repository, ref)

    assert str(caught.value) == f"`{ref}` is not a valid ref"


def test_stated_changes_replace_all(repository: GitFolder) -> None:
    repository.commit({"a": "1"})
    repository.commit({"b": "1"})

    assert changed(repository, changed=("x", "y/z"), event="web") == {"x", "y/z"}
    assert changed(repository, "HEAD~1", changed=("x",)) == {"x"}
    assert changed(repository, changed=()) == set()


def test_changed_since(repository: GitFolder) -> None:
    first = repository.commit({"a": "1"})
    repository.commit({"b": "1"})
    repository.commit({"c": "1"})

    assert changed(repository, changed_since=first, event="web") == {"b", "c"}
    with pytest.raises(ReadError, match="`nowhere` is not a valid ref"):
        changed(repository, changed_since="nowhere")


def test_names_survive_in_any_encoding(repository: GitFolder) -> None:
    repository.commit({"a": "1"})
    repository.commit({"mit Leer/ä\n": "1"})

    assert changed(repository) == {"mit Leer/ä\n"}


def test_a_root_below_the_top_has_its_own_changes_alone(
    repository: GitFolder,
) -> None:
    repository.commit({"shop/.gitlab-ci.yml": "x"})
    repository.commit({"shop/a": "1", "other": "1"})
    repository.write({"shop/b": "1", "more": "1"})
    shop = GitFolder(repository.root / "shop", repository.environ)

    assert changed(shop) == {"a", "b"}
    assert changed(shop, source="head") == {"a"}


def test_nothing_is_written_to_the_repository(repository: GitFolder) -> None:
    repository.commit({"a": "1"})
    repository.commit({"b": "1"})
    # An index with old times is one that git would like to refresh.
    repository.write({"a": "1"})
    before = (repository.root / ".git/index").read_bytes()

    changed(repository)

    assert (repository.root / ".git/index").read_bytes() == before


def test_files_are_those_of_the_source(repository: GitFolder) -> None:
    repository.commit({"a": "1", "gone": "1", ".gitignore": "ignored"})
    repository.write({"new": "1", "ignored": "1", ".spotci/runs/x": "1"})
    (repository.root / "gone").unlink()
    repository.write({"staged": "1"})
    repository.git("add", "staged")

    def files(source: str) -> set[str]:
        options = ContextOptions(source=source)  # type: ignore[arg-type]
        return set(make_context(repository.open(), options).repository.files())

    assert files("worktree") == {"a", ".gitignore", "new", "staged"}
    assert files("index") == {"a", "gone", ".gitignore", "staged"}
    assert files("head") == {"a", "gone", ".gitignore"}


def test_without_git_changes_are_unknown_and_files_are_walked(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    folder = GitFolder(tmp_path / "plain", environ)
    folder.write({"a": "1", "b/c": "1", ".spotci/x": "1"})

    context = make_context(folder.open(), ContextOptions())

    assert context.repository.changed_files() is None
    assert context.repository.files() == {"a", "b/c"}
    with pytest.raises(ReadError):
        context.repository.changed_files("main")
