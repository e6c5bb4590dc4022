from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.errors import UsageError
from spotci.project import read_config_file
from tests.project.repositories import GitFolder

if TYPE_CHECKING:
    from pathlib import Path

    from spotci.project import SourceKind

CONFIG = ".gitlab-ci.yml"


@pytest.fixture
def repository(tmp_path: Path, environ: dict[str, str]) -> GitFolder:
    folder = GitFolder.create(tmp_path / "project", environ)
    folder.commit({CONFIG: "committed"})
    folder.write({CONFIG: "staged"})
    folder.git("add", "-A")
    folder.write({CONFIG: "edited"})
    return folder


@pytest.mark.parametrize(
    ("source", "text"),
    [("worktree", "edited"), ("index", "staged"), ("head", "committed")],
)
def test_each_source_has_its_own(
    repository: GitFolder, source: SourceKind, text: str
) -> None:
    found = read_config_file(repository.open(), source)

    assert (found.name, found.text) == (CONFIG, text)


def test_the_settings_name_another_file(repository: GitFolder) -> None:
    repository.commit({"ci/pipeline.yml": "other"})
    project = repository.open(SPOTCI_PROJECT_CONFIG="ci/pipeline.yml")

    assert read_config_file(project, "head").name == "ci/pipeline.yml"


def test_an_empty_file_and_one_with_a_byte_order_mark(repository: GitFolder) -> None:
    (repository.root / CONFIG).write_bytes(b"\xef\xbb\xbf")

    assert read_config_file(repository.open(), "worktree").text == ""


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        pytest.param(
            "worktree",
            "there is no .gitlab-ci.yml in {root}",
            "run spotci in a folder of a project with a pipeline",
            id="worktree",
        ),
        pytest.param(
            "index",
            "there is no .gitlab-ci.yml in the index of {root}",
            "stage .gitlab-ci.yml, or leave out --source index",
            id="index",
        ),
        pytest.param(
            "head",
            "there is no .gitlab-ci.yml in the head of {root}",
            "commit .gitlab-ci.yml, or leave out --source head",
            id="head",
        ),
    ],
)
def test_a_source_without_the_file_says_what_to_do(
    tmp_path: Path,
    environ: dict[str, str],
    source: SourceKind,
    message: str,
    hint: str,
) -> None:
    folder = GitFolder.create(tmp_path / "project", environ)

    with pytest.raises(UsageError) as caught:
        read_config_file(folder.open(), source)

    assert caught.value.message == message.format(root=folder.root)
    assert caught.value.hint == hint


def test_the_index_needs_git(tmp_path: Path, environ: dict[str, str]) -> None:
    folder = GitFolder(tmp_path / "plain", environ)
    folder.write({CONFIG: "text"})

    with pytest.raises(UsageError, match="--source index needs a git repository"):
        read_config_file(folder.open(), "index")


def test_what_is_no_text_cannot_be_read(repository: GitFolder) -> None:
    (repository.root / CONFIG).write_bytes(b"\xff")

    with pytest.raises(UsageError, match=r"cannot be read: .* is not UTF-8!"):
        read_config_file(repository.open(), "worktree")
