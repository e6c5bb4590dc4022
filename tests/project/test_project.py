from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.errors import UsageError
from spotci.project import ContextOptions, make_context, open_project
from spotci.project.git import GitCommandError, git_output, read_git
from tests.project.repositories import GitFolder

if TYPE_CHECKING:
    from pathlib import Path


def test_a_repository_tells_commit_branch_tags_and_remote(
    repository: GitFolder,
) -> None:
    first = repository.commit({"a": "1"})
    sha = repository.commit({"a": "2"}, "Title é\n\nBody\n")
    repository.git("tag", "v1.0.0")
    repository.git("tag", "-a", "v1.0.1", "-m", "annotated")

    project = repository.open()

    assert project.root == repository.root
    assert project.sha == sha
    assert project.path == "acme/web/Shop"
    assert project.server_url == "https://gitlab.example.com"
    assert project.has_remote
    assert project.git is not None
    assert project.git.branch == "main"
    assert project.git.tags == ("v1.0.0", "v1.0.1")
    commit = project.git.commit
    assert commit is not None
    assert commit.parents == (first,)
    assert commit.message == "Title é\n\nBody\n"
    assert commit.timestamp == "2026-03-04T05:06:07+02:00"
    assert commit.author_name == "Ada Lovelace"


def test_it_is_opened_from_a_folder_below(repository: GitFolder) -> None:
    repository.commit({".gitlab-ci.yml": "x", "src/.gitlab-ci.yml": "y"})

    project = open_project(repository.root / "src", repository.environ)

    assert project.root == repository.root


def test_a_folder_with_a_pipeline_in_a_repository_without_one_is_a_root(
    repository: GitFolder,
) -> None:
    repository.commit({"examples/shop/.gitlab-ci.yml": "x", "examples/shop/a/b": ""})

    project = open_project(repository.root / "examples/shop/a", repository.environ)

    assert project.root == repository.root / "examples/shop"


def test_before_the_first_commit(repository: GitFolder) -> None:
    project = repository.open()

    assert project.git is not None
    assert (project.git.commit, project.git.branch, project.sha) == (None, "main", "")


def test_a_detached_head_has_no_branch(repository: GitFolder) -> None:
    repository.commit()
    repository.git("checkout", "-q", "--detach")

    project = repository.open()

    assert project.git is not None
    assert project.git.branch is None


def test_a_worktree_has_a_branch_of_its_own(
    repository: GitFolder, tmp_path: Path
) -> None:
    repository.commit({"a": "1"})
    repository.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))

    project = open_project(tmp_path / "other", repository.environ)

    assert project.root == tmp_path / "other"
    assert project.git is not None
    assert project.git.branch == "other"
    assert project.git.common == repository.root / ".git"
    assert project.git.directory == repository.root / ".git/worktrees/other"


def test_without_git_everything_has_a_value(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    folder = tmp_path / "My Shop"
    folder.mkdir()

    project = open_project(folder, environ)

    assert project.git is None
    assert project.root == folder
    assert project.path == "local/My-Shop"
    assert not project.has_remote
    assert project.default_branch == "main"
    assert project.user_name == "Ada Lovelace"
    assert project.user_login == "ada"


def test_without_the_git_program_everything_has_a_value(
    repository: GitFolder, tmp_path: Path
) -> None:
    repository.commit()

    project = repository.open(PATH=str(tmp_path))

    assert project.git is None
    assert project.root == repository.root


def test_a_bare_repository_is_no_project_of_git(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    bare = GitFolder.create(tmp_path / "bare.git", environ)
    bare.git("config", "core.bare", "true")

    assert read_git(tmp_path / "bare.git" / ".git", environ).repository is None


def test_a_repository_that_git_refuses_is_an_error(repository: GitFolder) -> None:
    repository.git("config", "core.repositoryFormatVersion", "99")

    with pytest.raises(UsageError, match="git cannot read this repository: "):
        repository.open()


def test_a_folder_must_exist(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="none is not a folder"):
        open_project(tmp_path / "none", environ)


def test_variables_of_a_git_hook_do_not_misdirect(
    repository: GitFolder, tmp_path: Path
) -> None:
    sha = repository.commit()

    project = repository.open(
        GIT_DIR=str(tmp_path / "elsewhere"), GIT_INDEX_FILE="x", GIT_WORK_TREE="y"
    )

    assert project.sha == sha


def test_git_errors_say_what_git_said(repository: GitFolder) -> None:
    with pytest.raises(GitCommandError, match=r"^git show: fatal: .*nonsense"):
        git_output(repository.root, repository.environ, "show", "nonsense")


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        pytest.param(
            [
                "update-ref refs/remotes/origin/trunk HEAD",
                "symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/trunk",
            ],
            "trunk",
            id="HEAD of the remote",
        ),
        pytest.param(
            ["update-ref refs/remotes/origin/master HEAD"], "master", id="on the remote"
        ),
        pytest.param(["branch -m master", "branch feature"], "master", id="local"),
        pytest.param(
            ["branch -m work", "branch trunk", "config init.defaultBranch trunk"],
            "trunk",
            id="init.defaultBranch",
        ),
        pytest.param(["branch -m work"], "work", id="the only one"),
    ],
)
def test_default_branch(
    repository: GitFolder, commands: list[str], expected: str
) -> None:
    repository.commit()
    for command in commands:
        repository.git(*command.split())

    assert repository.open().default_branch == expected


@pytest.mark.parametrize(
    ("settings", "path", "url"),
    [
        pytest.param({}, "acme/web/Shop", "https://gitlab.example.com", id="remote"),
        pytest.param(
            {"SPOTCI_PROJECT_PATH": "other/name"},
            "other/name",
            "https://gitlab.example.com",
            id="path",
        ),
        pytest.param(
            {"SPOTCI_GITLAB_URL": "http://git.corp:8080/"},
            "acme/web/Shop",
            "http://git.corp:8080",
            id="server",
        ),
        pytest.param(
            {"SPOTCI_GITLAB_URL": "https://corp.example/acme"},
            "web/Shop",
            "https://corp.example/acme",
            id="server below a path",
        ),
        pytest.param(
            {"SPOTCI_PROJECT_REMOTE": "mirror"},
            "mirror/shop",
            "https://gitlab.com",
            id="another remote",
        ),
    ],
)
def test_identity(
    repository: GitFolder, settings: dict[str, str], path: str, url: str
) -> None:
    repository.git("remote", "add", "mirror", "git@gitlab.com:mirror/shop.git")

    project = repository.open(**settings)

    assert (project.path, project.server_url) == (path, url)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            {"SPOTCI_PROJECT_REMOTE": "none"},
            'there is no git remote "none", which project.remote names',
            id="remote",
        ),
        pytest.param(
            {"SPOTCI_GITLAB_URL": "gitlab.com"},
            'gitlab.url must be a web address, not "gitlab.com"',
            id="server",
        ),
    ],
)
def test_identity_that_cannot_be(
    repository: GitFolder, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        repository.open(**settings)

    assert str(caught.value) == message


def test_the_remote_of_the_branch_comes_first(repository: GitFolder) -> None:
    repository.git("remote", "add", "fork", "git@gitlab.com:ada/shop.git")
    repository.commit()
    repository.git("config", "branch.main.remote", "fork")
    repository.git("config", "branch.main.merge", "refs/heads/work")

    project = repository.open()

    assert project.path == "ada/shop"
    assert project.git is not None
    assert project.git.upstreams == {"main": "refs/remotes/fork/work"}


def test_ids_are_the_same_everywhere_and_can_be_set(repository: GitFolder) -> None:
    assert repository.open().id == repository.open().id
    assert repository.open(SPOTCI_PROJECT_ID="42").id == 42


def test_nothing_secret_is_in_the_text_of_a_project(repository: GitFolder) -> None:
    project = repository.open(SPOTCI_GITLAB_TOKEN="canary-1", OTHER="canary-2")

    assert "canary" not in repr(project)


def test_a_listing_needs_four_processes(repository: GitFolder, tmp_path: Path) -> None:
    repository.commit({"a": "1"})
    repository.pushed()
    repository.commit({"b": "1"})
    log = tmp_path / "log"
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\necho "$1" >> {log}\n'
        f'PATH="{repository.environ["PATH"]}" exec git "$@"\n'
    )
    wrapper.chmod(0o755)
    path = f"{wrapper.parent}:{repository.environ['PATH']}"

    make_context(repository.open(PATH=path), ContextOptions())

    commands = sorted(log.read_text().split())
    assert commands == ["config", "for-each-ref", "log", "rev-parse"]
