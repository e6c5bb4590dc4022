"""Includes of projects, components and templates, read from servers the whole way.

They are one server in memory, behind TLS and a proxy, so that it can be called
``gitlab.example.com`` and ``gitlab.com``.
"""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from spotci.parser.compile import compile_pipeline
from spotci.project import ContextOptions, make_context, read_config_file
from tests.project.gitlab_server import TOKEN, FakeProject

if TYPE_CHECKING:
    from spotci.pipeline import Pipeline
    from tests.project.gitlab_server import FakeGitlab
    from tests.project.repositories import GitFolder
    from tests.project.servers import Server

LINT = """\
spec:
  component: [name, version, reference]
  inputs: {{stage: {{default: test}}}}
---
lint:
  stage: $[[ inputs.stage ]]
  script: echo {} $[[ component.version ]] of $[[ component.reference ]]
"""
DENIED = (
    "Project `acme/hidden` not found or access denied! Make sure any includes in the"
    " pipeline configuration are correctly defined."
)


@pytest.fixture
def environ(gitlab_environ: dict[str, str]) -> dict[str, str]:
    return gitlab_environ


def pipeline_of(repository: GitFolder, text: str, **environ: str) -> Pipeline:
    repository.write({".gitlab-ci.yml": dedent(text)})
    project = repository.open(**environ)
    context = make_context(project, ContextOptions())
    compiled = compile_pipeline(read_config_file(project, "worktree"), context)
    assert compiled.pipeline is not None
    return compiled.pipeline


def scripts_of(repository: GitFolder, text: str, **environ: str) -> dict[str, str]:
    jobs = pipeline_of(repository, text, **environ).jobs
    return {str(name): " ".join(job.script) for name, job in jobs.items()}


def error_of(repository: GitFolder, text: str, **environ: str) -> str:
    with pytest.raises(ExceptionGroup) as caught:
        pipeline_of(repository, text, **environ)
    (error,) = caught.value.exceptions
    return str(error)


def versions() -> FakeProject:
    """Return a project of a component with two releases, a tag and a branch."""
    project = FakeProject(releases=["1.2.0", "1.10.0", "2.0.0-rc1"])
    for name in ("1.2.0", "1.10.0", "2.0.0-rc1", "v1", "main"):
        project.commit({"templates/lint.yml": LINT.format(name)}, name)
    return project


def test_a_pipeline_of_all_kinds_of_files(
    repository: GitFolder, gitlab: FakeGitlab, server: Server
) -> None:
    hidden = FakeProject(private=True)
    hidden.commit(
        {"ci.yml": "include: more.yml\n", "more.yml": "a: {script: old}"}, "v1"
    )
    hidden.commit({"ci.yml": "a: {script: new}\n"}, "main")
    templates = FakeProject()
    folder = "lib/gitlab/ci/templates"
    templates.commit(
        {
            f"{folder}/Jobs/Scan.gitlab-ci.yml": "include:\n"
            "  template: Verify/Base.gitlab-ci.yml\n"
            "scan: {extends: .base, script: scan}\n",
            f"{folder}/Verify/Base.gitlab-ci.yml": ".base: {stage: test}\n",
        },
        "master",
    )
    gitlab.projects = {
        "acme/hidden": hidden,
        "acme/tools/lint-it": versions(),
        "gitlab-org/gitlab": templates,
    }

    scripts = scripts_of(
        repository,
        """\
        include:
          - {project: acme/hidden, file: /ci.yml, ref: v1}
          - component: $CI_SERVER_FQDN/acme/tools/lint-it/lint@~latest
            inputs: {stage: build}
          - template: Jobs/Scan.gitlab-ci.yml
        """,
    )

    assert scripts == {
        "a": "old",
        "lint": "echo 1.10.0 1.10.0 of ~latest",
        "scan": "scan",
    }
    hosts = {
        (headers["Host"], "PRIVATE-TOKEN" in headers) for _, headers in server.requests
    }
    assert hosts == {("gitlab.example.com", True), ("gitlab.com", False)}


@pytest.mark.parametrize(
    ("version", "script"),
    [
        pytest.param("~latest", "1.10.0 1.10.0 of ~latest", id="latest release"),
        pytest.param("1", "1.10.0 1.10.0 of 1", id="one number"),
        pytest.param("1.2", "1.2.0 1.2.0 of 1.2", id="two numbers"),
        pytest.param("1.2.0", "1.2.0 1.2.0 of 1.2.0", id="a release"),
        pytest.param("v1", "v1  of v1", id="a tag that looks like a part"),
        pytest.param("main", "main  of main", id="a branch"),
    ],
)
def test_versions_of_a_component(
    repository: GitFolder, gitlab: FakeGitlab, version: str, script: str
) -> None:
    gitlab.projects = {"acme/tools": versions()}
    address = f"gitlab.example.com/acme/tools/lint@{version}"

    assert scripts_of(repository, f"include: [{{component: '{address}'}}]\n") == {
        "lint": f"echo {script}"
    }


def test_a_component_at_a_commit_and_in_a_folder(
    repository: GitFolder, gitlab: FakeGitlab
) -> None:
    project = FakeProject()
    sha = project.commit({"templates/lint/template.yml": LINT.format("it")})
    project.commit({})
    gitlab.projects = {"acme/tools": project}
    address = f"gitlab.example.com/acme/tools/lint@{sha}"

    assert scripts_of(repository, f"include: [{{component: '{address}'}}]\n") == {
        "lint": f"echo it  of {sha}"
    }


def test_the_files_of_a_component_include_those_beside_them(
    repository: GitFolder, gitlab: FakeGitlab
) -> None:
    project = FakeProject()
    project.commit(
        {
            "templates/all.yml": "include: /ci/*.yml\n",
            "ci/a.yml": "a: {script: a}\n",
            "ci/b.yml": "b: {script: b}\n",
            "ci/no.txt": "no",
        },
        "main",
    )
    gitlab.projects = {"acme/tools": project}
    include = "include: [{component: gitlab.example.com/acme/tools/all@main}]\n"

    assert scripts_of(repository, include) == {"a": "a", "b": "b"}


def test_a_component_of_another_server_gets_no_token(
    repository: GitFolder, gitlab: FakeGitlab, server: Server
) -> None:
    gitlab.projects = {"acme/tools": versions()}

    scripts_of(repository, "include: [{component: gitlab.com/acme/tools/lint@main}]\n")

    assert {headers["Host"] for _, headers in server.requests} == {"gitlab.com"}
    assert TOKEN not in str(server.requests)


def test_a_server_below_a_path(
    repository: GitFolder, gitlab: FakeGitlab, server: Server
) -> None:
    gitlab.root, gitlab.projects = "/git/lab", {"acme/tools": versions()}
    address = "gitlab.example.com/git/lab/acme/tools/lint@1.2"

    scripts = scripts_of(
        repository,
        f"include: [{{component: {address}}}]\n",
        SPOTCI_GITLAB_URL="https://gitlab.example.com/git/lab",
    )

    assert scripts == {"lint": "echo 1.2.0 1.2.0 of 1.2"}
    assert all(h["PRIVATE-TOKEN"] == TOKEN for _, h in server.requests)


def test_a_project_that_was_renamed_is_found(
    repository: GitFolder, gitlab: FakeGitlab, server: Server
) -> None:
    project = FakeProject(private=True)
    project.commit({"ci.yml": "a: {script: a}\n"})
    gitlab.projects, gitlab.renamed = {"acme/new": project}, {"acme/old": "acme/new"}

    include = "include: [{project: acme/old, file: ci.yml}]\n"

    assert scripts_of(repository, include) == {"a": "a"}
    assert all(h["PRIVATE-TOKEN"] == TOKEN for _, h in server.requests)


def test_rules_ask_for_the_files_of_another_project(
    repository: GitFolder, gitlab: FakeGitlab
) -> None:
    project = FakeProject()
    project.commit({f"f{number}": "" for number in range(101)} | {"z/Dockerfile": ""})
    gitlab.projects = {"acme/tools": project}

    scripts = scripts_of(
        repository,
        """\
        a:
          script: a
          rules: [{exists: {project: acme/tools, paths: ["**/Dockerfile"]}}]
        b:
          script: b
          rules: [{exists: {project: acme/tools, paths: [Dockerfile]}}]
        """,
    )

    assert scripts == {"a": "a"}


@pytest.mark.parametrize(
    ("include", "changed", "message"),
    [
        pytest.param(
            "{project: acme/hidden, file: a.yml}",
            {"TOKEN": ""},
            DENIED,
            id="private and no token",
        ),
        pytest.param(
            "{project: acme/hidden, file: a.yml}",
            {"TOKEN": "expired"},
            DENIED,
            id="wrong token",
        ),
        pytest.param(
            "{component: gitlab.example.com/acme/hidden/a@1}",
            {"TOKEN": ""},
            "Component 'gitlab.example.com/acme/hidden/a@1' - project does not exist or"
            " you don't have sufficient permissions",
            id="component of a private project",
        ),
        pytest.param(
            "{component: gitlab.example.com/acme/hidden/a@9}",
            {},
            "Component 'gitlab.example.com/acme/hidden/a@9' - content not found",
            id="no such version",
        ),
        pytest.param(
            "{component: gitlab.example.com/acme/hidden/none@main}",
            {},
            "Component 'gitlab.example.com/acme/hidden/none@main' - content not found",
            id="no such component",
        ),
        pytest.param(
            "{component: gitlab.example.com/acme/hidden/a@~latest}",
            {},
            "Component 'gitlab.example.com/acme/hidden/a@~latest' - content not found",
            id="no release yet",
        ),
        pytest.param(
            "{project: acme/hidden, file: a.yml, ref: v9}",
            {},
            "Project `acme/hidden` reference `v9` does not exist!",
            id="no such ref",
        ),
        pytest.param(
            "{project: acme/hidden, file: b.yml}",
            {},
            "Project `acme/hidden` file `b.yml` does not exist!",
            id="no such file",
        ),
        pytest.param(
            "{project: acme/ill, file: a.yml}",
            {},
            "Project `acme/ill` could not be read because of HTTP code `502` error!",
            id="error page of a proxy",
        ),
        pytest.param(
            "{template: Jobs/None.gitlab-ci.yml}",
            {},
            "Included file `Jobs/None.gitlab-ci.yml` is empty or does not exist!",
            id="no such template",
        ),
    ],
)
def test_errors(
    repository: GitFolder,
    gitlab: FakeGitlab,
    include: str,
    changed: dict[str, str],
    message: str,
) -> None:
    hidden = FakeProject(private=True)
    hidden.commit({"a.yml": "a: {script: a}\n"}, "main")
    templates = FakeProject()
    templates.commit({}, "master")
    gitlab.projects = {"acme/hidden": hidden, "gitlab-org/gitlab": templates}
    gitlab.ill = {"acme/ill"}

    told = error_of(repository, f"include: [{include}]\n", **changed)

    assert told.splitlines()[0].partition(": error: ")[2] == message
    assert TOKEN not in told
