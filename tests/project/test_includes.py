from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from spotci.errors import ReadError
from spotci.project.checkouts import semantic_versions, wildcard
from spotci.project.includes import ProjectIncludeReader
from spotci.source import Component, Origin
from tests.project.repositories import GitFolder
from tests.project.servers import Answer, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from spotci.project import SourceKind
    from tests.project.servers import Server

OWN = Origin()
SHA = "0123456789abcdef0123456789abcdef01234567"
DENIED = (
    "Project `{}` not found or access denied! Make sure any includes in the pipeline "
    "configuration are correctly defined."
)


def reader(
    repository: GitFolder,
    source: SourceKind = "worktree",
    environ: Mapping[str, str] | None = None,
) -> ProjectIncludeReader:
    return ProjectIncludeReader(repository.open(**(environ or {})), source=source)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve({}) as running:
        yield running


def allowing(server: Server) -> dict[str, str]:
    return {
        "SPOTCI_INCLUDE_ALLOW_HTTP": "true",
        "SPOTCI_INCLUDE_ALLOW_HOSTS": server.authority,
        "SPOTCI_INCLUDE_TTL": "0",
    }


def gitlab(server: Server) -> dict[str, str]:
    return {
        "SPOTCI_GITLAB_URL": f"http://{server.authority}",
        "SPOTCI_GITLAB_TOKEN": "glpat-canary",
        "SPOTCI_INCLUDE_ALLOW_HTTP": "true",
    }


@pytest.fixture
def templates(tmp_path: Path, environ: dict[str, str]) -> GitFolder:
    """The checkout of another project, which the settings name."""
    folder = GitFolder.create(tmp_path / "templates", environ)
    folder.commit({"build.yml": "v: 1\n", "empty.yml": ""})
    folder.git("tag", "v1.0.0")
    folder.commit(
        {
            "build.yml": "v: 2\n",
            "sub/more.yml": "x: 1\n",
            "templates/lint.yml": "lint: 1\n",
            "templates/scan/template.yml": "scan: 1\n",
        }
    )
    folder.git("tag", "v1.1.0")
    return folder


@pytest.fixture
def mapped(repository: GitFolder, templates: GitFolder) -> GitFolder:
    assert templates.root.name == "templates"
    repository.write(
        {".spotci.toml": '[projects]\n"acme/templates" = "../templates"\n'}
    )
    return repository


class TestLocal:
    def test_a_file_is_read_as_it_is_on_disk(self, repository: GitFolder) -> None:
        repository.commit({"ci/a.yml": "committed"})
        repository.write({"ci/a.yml": "edited"})

        found = reader(repository).local("ci/a.yml", OWN)

        assert (found.name, found.text, found.origin) == ("ci/a.yml", "edited", OWN)

    def test_other_sources_read_their_version(self, repository: GitFolder) -> None:
        repository.commit({"a.yml": "head"})
        repository.write({"a.yml": "index"})
        repository.git("add", "-A")
        repository.write({"a.yml": "worktree", "new.yml": "new"})

        assert reader(repository, "index").local("a.yml", OWN).text == "index"
        assert reader(repository, "head").local("a.yml", OWN).text == "head"
        with pytest.raises(ReadError, match=r"Local file `new.yml` does not exist!"):
            reader(repository, "head").local("new.yml", OWN)

    @pytest.mark.parametrize(
        "path",
        [
            pytest.param("none.yml", id="missing"),
            pytest.param("folder", id="folder"),
            pytest.param("../outside.yml", id="above"),
            pytest.param("folder/../../outside.yml", id="above by a detour"),
            pytest.param("link.yml", id="link outside"),
            pytest.param("linked/outside.yml", id="through a folder outside"),
            pytest.param("loop.yml", id="link to itself"),
            pytest.param("nul\0.yml", id="NUL"),
            pytest.param("x" * 5000, id="long"),
        ],
    )
    def test_what_is_not_a_file_of_the_repository_does_not_exist(
        self, repository: GitFolder, path: str
    ) -> None:
        outside = repository.root.parent / "outside.yml"
        outside.write_text("canary")
        repository.write({"folder/x": ""})
        (repository.root / "link.yml").symlink_to(outside)
        (repository.root / "linked").symlink_to(repository.root.parent)
        (repository.root / "loop.yml").symlink_to("loop.yml")

        with pytest.raises(ReadError) as caught:
            reader(repository).local(path, OWN)

        assert str(caught.value) == f"Local file `{path}` does not exist!"

    def test_a_path_from_the_root_of_the_machine_is_outside(
        self, repository: GitFolder
    ) -> None:
        with pytest.raises(ReadError, match="does not exist"):
            reader(repository).local("/etc/passwd", OWN)

    def test_a_link_within_the_repository_is_followed(
        self, repository: GitFolder
    ) -> None:
        repository.write({"real.yml": "text"})
        (repository.root / "link.yml").symlink_to("real.yml")

        assert reader(repository).local("link.yml", OWN).text == "text"

    def test_an_empty_file(self, repository: GitFolder) -> None:
        repository.write({"a.yml": ""})

        with pytest.raises(ReadError, match=r"^Local file `a.yml` is empty!$"):
            reader(repository).local("a.yml", OWN)

    def test_a_file_that_is_no_text(self, repository: GitFolder) -> None:
        (repository.root / "a.yml").write_bytes(b"\xff")

        with pytest.raises(ReadError, match="is not UTF-8"):
            reader(repository).local("a.yml", OWN)

    def test_a_huge_file(self, repository: GitFolder) -> None:
        repository.write({"a.yml": "x" * (2 * 1024 * 1024 + 1)})

        with pytest.raises(ReadError, match="is larger than 2 MiB"):
            reader(repository).local("a.yml", OWN)

    @pytest.mark.parametrize("source", ["worktree", "index", "head"])
    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("ci/*.yml", ["ci/a.yml", "ci/b.yml"]),
            (
                "ci/**.yml",
                ["ci/a.yml", "ci/b.yml", "ci/deep/c.yml", "ci/deep/er/d.yml"],
            ),
            ("ci/**/*.yml", ["ci/deep/c.yml", "ci/deep/er/d.yml"]),
            ("ci/*/*", ["ci/deep/c.yml"]),
            ("**.yaml", ["e.yaml"]),
            ("none/*.yml", []),
        ],
    )
    def test_patterns(
        self,
        repository: GitFolder,
        source: SourceKind,
        pattern: str,
        expected: list[str],
    ) -> None:
        names = "ci/b.yml ci/a.yml ci/deep/c.yml ci/deep/er/d.yml ci/x.txt e.yaml"
        repository.commit(dict.fromkeys(names.split(), "x"))

        assert reader(repository, source).local_matches(pattern, OWN) == expected

    def test_patterns_find_what_the_source_has(self, repository: GitFolder) -> None:
        repository.commit({"ci/head.yml": "x"})
        repository.write({"ci/staged.yml": "x"})
        repository.git("add", "-A")
        repository.write({"ci/new.yml": "x"})
        expected: dict[SourceKind, list[str]] = {
            "worktree": ["ci/head.yml", "ci/new.yml", "ci/staged.yml"],
            "index": ["ci/head.yml", "ci/staged.yml"],
            "head": ["ci/head.yml"],
        }

        found = {
            source: reader(repository, source).local_matches("ci/*.yml", OWN)
            for source in expected
        }

        assert found == expected


class TestProject:
    def test_a_checkout_is_read_from_the_disk(
        self, mapped: GitFolder, templates: GitFolder
    ) -> None:
        templates.write({"build.yml": "edited"})

        for ref in (None, "HEAD", "main"):
            found = reader(mapped).project("acme/templates", "build.yml", ref)
            assert found.text == "edited"
            assert found.name == "build.yml@acme/templates"
            assert found.origin == Origin(project="acme/templates")

    def test_another_version_is_read_from_git(
        self, mapped: GitFolder, templates: GitFolder
    ) -> None:
        found = reader(mapped).project("acme/templates", "build.yml", "v1.0.0")

        assert found.text == "v: 1\n"
        sha = templates.git("rev-parse", "v1.0.0")
        assert found.origin == Origin(project="acme/templates", ref=sha)
        nested = reader(mapped).local("build.yml", found.origin)
        assert (nested.name, nested.text) == ("build.yml@acme/templates", "v: 1\n")

    def test_patterns_in_another_project(self, mapped: GitFolder) -> None:
        origin = Origin(project="acme/templates")

        assert reader(mapped).local_matches("**.yml", origin) == [
            "build.yml",
            "empty.yml",
            "sub/more.yml",
            "templates/lint.yml",
            "templates/scan/template.yml",
        ]

    def test_files_of_another_project(self, mapped: GitFolder) -> None:
        files = reader(mapped).project_files("acme/templates", "v1.0.0")

        assert set(files) == {"build.yml", "empty.yml"}

    @pytest.mark.parametrize(
        ("path", "ref", "message"),
        [
            ("x.yml", None, "Project `acme/templates` file `x.yml` does not exist!"),
            (
                "x.yml",
                "v1.0.0",
                "Project `acme/templates` file `x.yml` does not exist!",
            ),
            ("empty.yml", None, "Project `acme/templates` file `empty.yml` is empty!"),
            ("x.yml", "v9", "Project `acme/templates` reference `v9` does not exist!"),
            ("x.yml", "-x", "Project `acme/templates` reference `-x` does not exist!"),
            (
                "../shop/.spotci.toml",
                None,
                "Project `acme/templates` file `../shop/.spotci.toml` does not exist!",
            ),
        ],
    )
    def test_errors(
        self, mapped: GitFolder, path: str, ref: str | None, message: str
    ) -> None:
        with pytest.raises(ReadError) as caught:
            reader(mapped).project("acme/templates", path, ref)

        assert str(caught.value) == message

    def test_a_project_may_include_itself(self, repository: GitFolder) -> None:
        repository.commit({"a.yml": "old"})
        repository.git("tag", "v1")
        repository.commit({"a.yml": "new"})

        found = reader(repository)

        assert found.project("acme/web/Shop", "a.yml", None).text == "new"
        assert found.project("acme/web/Shop", "a.yml", "v1").text == "old"

    def test_a_repository_names_no_other_folders_than_checkouts(
        self, repository: GitFolder, tmp_path: Path
    ) -> None:
        (tmp_path / "private").mkdir()
        (tmp_path / "private/config.yml").write_text("canary")
        repository.write({".spotci.toml": '[projects]\n"a/b" = "../private"\n'})

        with pytest.raises(ReadError) as caught:
            reader(repository).project("a/b", "config.yml", None)

        assert str(caught.value) == DENIED.format("a/b")
        assert caught.value.hint == (
            f"the settings name {tmp_path / 'private'}, which is no git checkout"
        )

    def test_without_a_server_the_hint_says_what_to_do(
        self, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        folder = GitFolder(tmp_path, environ)

        with pytest.raises(ReadError) as caught:
            reader(folder).project("a/b", "x.yml", None)

        assert str(caught.value) == "the GitLab server of this project is not known"


class TestServer:
    def project(self, project: str = "acme/templates") -> str:
        return f"/api/v4/projects/{quote(project, safe='')}"

    def test_a_file_of_a_branch(self, repository: GitFolder, server: Server) -> None:
        place = self.project()
        server.answers = {
            f"{place}/repository/commits/main": Answer(
                json.dumps({"id": SHA}).encode()
            ),
            f"{place}/repository/files/ci%2Fa.yml/raw?ref={SHA}": Answer(b"a: 1\n"),
        }
        found = reader(repository, environ=gitlab(server))

        file = found.project("acme/templates", "ci/a.yml", "main")
        again = found.project("acme/templates", "ci/a.yml", "main")

        assert file.text == again.text == "a: 1\n"
        assert file.origin == Origin(project="acme/templates", ref=SHA)
        assert found.local("ci/a.yml", file.origin).text == "a: 1\n"
        # Everything else came from the cache.
        assert len(server.requests) == 2
        assert all(h["PRIVATE-TOKEN"] == "glpat-canary" for _, h in server.requests)

    def test_the_token_goes_to_no_other_server(
        self, repository: GitFolder, server: Server
    ) -> None:
        url = f"http://{server.authority}/acme/shop.git"
        repository.git("remote", "set-url", "origin", url)
        environ = {**allowing(server), "SPOTCI_GITLAB_TOKEN": "glpat-canary"}

        with pytest.raises(ReadError):
            reader(repository, environ=environ).project("acme/x", "a.yml", "main")

        assert server.requests
        assert "canary" not in str(server.requests)

    def test_files_and_patterns(self, repository: GitFolder, server: Server) -> None:
        place = self.project()
        entries = [{"path": f"f{n}.yml", "type": "blob"} for n in range(100)]
        query = f"ref={SHA}&recursive=true&per_page=100&page="
        server.answers = {
            f"{place}/repository/commits/HEAD": Answer(
                json.dumps({"id": SHA}).encode()
            ),
            f"{place}/repository/tree?{query}1": Answer(json.dumps(entries).encode()),
            f"{place}/repository/tree?{query}2": Answer(
                b'[{"path": "sub", "type": "tree"},'
                b' {"path": "sub/a.yml", "type": "blob"}]'
            ),
            f"{place}/repository/tree?{query}3": Answer(b"[]"),
        }
        found = reader(repository, environ=gitlab(server))

        assert len(found.project_files("acme/templates", None)) == 101
        origin = Origin(project="acme/templates", ref=SHA)
        assert found.local_matches("sub/*.yml", origin) == ["sub/a.yml"]

    @pytest.mark.parametrize(
        ("answers", "message"),
        [
            pytest.param({}, DENIED.format("acme/templates"), id="project"),
            pytest.param(
                {"": Answer(b"{}")},
                "Project `acme/templates` reference `main` does not exist!",
                id="reference",
            ),
            pytest.param(
                {"/repository/commits/main": Answer(json.dumps({"id": SHA}).encode())},
                "Project `acme/templates` file `a.yml` does not exist!",
                id="file",
            ),
            pytest.param(
                {"/repository/commits/main": Answer(status=500)},
                "Project `acme/templates` could not be read because of HTTP code `500` "
                "error!",
                id="server fault",
            ),
            pytest.param(
                {"/repository/commits/main": Answer(b"<html>")},
                "Project `acme/templates` could not be read because of an answer that "
                "is not JSON!",
                id="no JSON",
            ),
            pytest.param(
                {"/repository/commits/main": Answer(b'{"id": "../x"}')},
                "Project `acme/templates` gave an answer that is no commit!",
                id="no commit",
            ),
        ],
    )
    def test_errors(
        self,
        repository: GitFolder,
        server: Server,
        answers: dict[str, Answer],
        message: str,
    ) -> None:
        server.answers = {f"{self.project()}{k}": v for k, v in answers.items()}

        with pytest.raises(ReadError) as caught:
            reader(repository, environ=gitlab(server)).project(
                "acme/templates", "a.yml", "main"
            )

        assert str(caught.value) == message


class TestRemote:
    def test_a_file_is_fetched(self, repository: GitFolder, server: Server) -> None:
        server.answers["/a.yml"] = Answer(b"a: 1\n")
        found = reader(repository, environ=allowing(server)).remote(
            server.url("/a.yml"), None
        )

        assert (found.name, found.text) == (server.url("/a.yml"), "a: 1\n")
        assert found.origin == OWN

    def test_integrity(self, repository: GitFolder, server: Server) -> None:
        server.answers["/a.yml"] = Answer(b"a: 1\n")
        digest = base64.b64encode(sha256(b"a: 1\n").digest()).decode()
        found = reader(repository, environ=allowing(server))

        assert found.remote(server.url("/a.yml"), f"sha256-{digest}").text == "a: 1\n"
        with pytest.raises(ReadError) as caught:
            found.remote(server.url("/a.yml"), "sha256-AAAA")
        assert str(caught.value) == (
            f"Remote file `{server.url('/a.yml')}` does not match its integrity!"
        )
        assert caught.value.hint == f"the content has sha256-{digest}"

    @pytest.mark.parametrize(
        ("url", "message", "hint"),
        [
            pytest.param(
                "ftp://x/y",
                "Remote file `ftp://x/y` does not have a valid address!",
                None,
                id="scheme",
            ),
            pytest.param(
                "https://",
                "Remote file `https://` does not have a valid address!",
                None,
                id="no host",
            ),
            pytest.param(
                "https://localhost:1/x?private_token=canary&y=1",
                "Remote file `https://localhost:1/x?private_token=[MASKED]&y=1` could "
                "not be fetched because of a blocked address: requests to localhost "
                "are not allowed!",
                "to allow it: SPOTCI_INCLUDE_ALLOW_HOSTS=localhost:1",
                id="loopback",
            ),
            pytest.param(
                "http://ada:canary@example.com/x",
                "Remote file `http://[MASKED]@example.com/x` could not be fetched "
                "because of a blocked address: only https is allowed!",
                "to allow it: SPOTCI_INCLUDE_ALLOW_HTTP=true",
                id="http",
            ),
        ],
    )
    def test_errors(
        self, repository: GitFolder, url: str, message: str, hint: str | None
    ) -> None:
        with pytest.raises(ReadError) as caught:
            reader(repository).remote(url, None)

        assert (str(caught.value), caught.value.hint) == (message, hint)

    def test_status_and_empty_files(
        self, repository: GitFolder, server: Server
    ) -> None:
        server.answers["/empty.yml"] = Answer(b"")
        found = reader(repository, environ=allowing(server))

        with pytest.raises(ReadError, match="because of HTTP code `404` error!"):
            found.remote(server.url("/none.yml"), None)
        with pytest.raises(ReadError, match="is empty or does not exist!"):
            found.remote(server.url("/empty.yml"), None)

    def test_offline_what_was_fetched_is_used(
        self, repository: GitFolder, server: Server
    ) -> None:
        server.answers["/a.yml"] = Answer(b"a: 1\n")
        reader(repository, environ=allowing(server)).remote(server.url("/a.yml"), None)
        offline = reader(repository, environ={"SPOTCI_INCLUDE_OFFLINE": "true"})

        assert offline.remote(server.url("/a.yml"), None).text == "a: 1\n"
        with pytest.raises(ReadError, match="the offline mode"):
            offline.remote(server.url("/b.yml"), None)
        assert len(server.requests) == 1


class TestTemplate:
    def test_a_folder_of_templates(self, repository: GitFolder, tmp_path: Path) -> None:
        (tmp_path / "gitlab/Jobs").mkdir(parents=True)
        (tmp_path / "gitlab/Jobs/SAST.gitlab-ci.yml").write_text("sast: 1\n")
        repository.write({".spotci.toml": "[include]\ntemplates = '../gitlab'\n"})
        found = reader(repository)

        assert found.template("Jobs/SAST.gitlab-ci.yml").text == "sast: 1\n"
        with pytest.raises(ReadError) as caught:
            found.template("Jobs/None.gitlab-ci.yml")
        assert str(caught.value) == (
            "Included file `Jobs/None.gitlab-ci.yml` is empty or does not exist!"
        )
        with pytest.raises(ReadError, match="does not exist"):
            found.template("../../shop/x.gitlab-ci.yml")

    def test_a_name_that_is_no_template(self, repository: GitFolder) -> None:
        with pytest.raises(ReadError) as caught:
            reader(repository).template("SAST.yml")

        assert str(caught.value) == "Template file `SAST.yml` is not a valid location!"


class TestComponent:
    @pytest.mark.parametrize(
        ("reference", "version"),
        [
            ("~latest", "v1.1.0"),
            ("1", "v1.1.0"),
            ("1.1", "v1.1.0"),
            ("v1.1.0", "v1.1.0"),
            ("main", None),
        ],
    )
    def test_versions_in_a_checkout(
        self,
        mapped: GitFolder,
        templates: GitFolder,
        reference: str,
        version: str | None,
    ) -> None:
        templates.git("tag", "v2.0.0-rc1", "v1.1.0")
        address = f"gitlab.example.com/acme/templates/lint@{reference}"
        found = reader(mapped).component(address)

        sha = templates.git("rev-parse", f"{version or reference}^{{commit}}")
        assert (found.name, found.text) == (address, "lint: 1\n")
        assert found.origin == Origin(project="acme/templates", ref=sha)
        assert found.component == Component(
            name="lint", sha=sha, version=version, reference=reference
        )

    def test_a_component_may_be_a_folder(self, mapped: GitFolder) -> None:
        address = "gitlab.example.com/acme/templates/scan@main"

        assert reader(mapped).component(address).text == "scan: 1\n"

    def test_a_version_of_releases(self, repository: GitFolder, server: Server) -> None:
        place = f"/api/v4/projects/{quote('acme/c', safe='')}"
        releases = [{"tag_name": "1.9.0"}, {"tag_name": "1.10.0"}, {"name": "x"}]
        page = "per_page=100&page="
        server.answers = {
            f"{place}/releases?{page}1": Answer(json.dumps(releases).encode()),
            f"{place}/releases?{page}2": Answer(b"[]"),
            f"{place}/repository/commits/1.10.0": Answer(
                json.dumps({"id": SHA}).encode()
            ),
            f"{place}/repository/files/templates%2Flint%2Ftemplate.yml/raw?ref={SHA}": (
                Answer(b"lint: 1\n")
            ),
        }

        found = reader(repository, environ=gitlab(server)).component(
            f"{server.authority}/acme/c/lint@~latest"
        )

        assert found.text == "lint: 1\n"
        assert found.component == Component(
            name="lint", sha=SHA, version="1.10.0", reference="~latest"
        )

    @pytest.mark.parametrize(
        ("address", "message"),
        [
            pytest.param(
                "gitlab.example.com/acme/templates/lint",
                "Component 'gitlab.example.com/acme/templates/lint' - the component "
                "path is not supported",
                id="no version",
            ),
            pytest.param(
                "gitlab.example.com/acme/templates/none@main",
                "Component 'gitlab.example.com/acme/templates/none@main' - content not "
                "found",
                id="no such component",
            ),
            pytest.param(
                "gitlab.example.com/acme/templates/lint@1.0",
                "Component 'gitlab.example.com/acme/templates/lint@1.0' - content not "
                "found",
                id="a version before there was one",
            ),
            pytest.param(
                "gitlab.example.com/acme/templates/lint@v1",
                "Component 'gitlab.example.com/acme/templates/lint@v1' - content not "
                "found",
                id="a part of a version has no letter",
            ),
            pytest.param(
                "gitlab.example.com/acme/templates/lint@9.9",
                "Component 'gitlab.example.com/acme/templates/lint@9.9' - content not "
                "found",
                id="no such version",
            ),
        ],
    )
    def test_errors(self, mapped: GitFolder, address: str, message: str) -> None:
        with pytest.raises(ReadError) as caught:
            reader(mapped).component(address)

        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("~latest", ["2.0.1", "2.0.0", "1.10.0", "v1.9.0", "3.0.0-rc1"]),
        ("1", ["1.10.0", "v1.9.0"]),
        ("1.9", ["v1.9.0"]),
        ("3", ["3.0.0-rc1"]),
        ("4", []),
        ("2.0.0", []),
        ("main", []),
    ],
)
def test_semantic_versions(wanted: str, expected: list[str]) -> None:
    tags = ["1.10.0", "2.0.0", "v1.9.0", "2.0.1", "3.0.0-rc1", "nightly", "1.2"]

    assert semantic_versions(tags, wanted) == expected


def test_a_wildcard_takes_everything_else_as_it_is() -> None:
    assert wildcard("a+(b)/*.yml").fullmatch("a+(b)/c.yml")
    assert not wildcard("a.b").fullmatch("axb")
