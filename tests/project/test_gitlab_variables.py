from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spotci.errors import UsageError
from spotci.project import ContextOptions, make_context
from spotci.variables import Level, effective
from tests.project.gitlab_server import TOKEN, FakeGitlab, FakeProject

if TYPE_CHECKING:
    from spotci.context import Context
    from spotci.variables import Variable
    from tests.project.repositories import GitFolder
    from tests.project.servers import Server

PROJECT = "projects/acme/web/Shop"


def entry(key: str, value: str | None = "a value", **more: object) -> dict[str, Any]:
    return {"key": key, "value": value, "variable_type": "env_var", **more}


@pytest.fixture
def gitlab() -> FakeGitlab:
    namespace = {"kind": "group", "full_path": "acme/web"}
    shop = FakeProject(private=True, namespace=namespace)
    empty: dict[str, list[dict[str, Any]]] = {
        "groups/acme": [],
        "groups/acme/web": [],
        PROJECT: [],
    }
    return FakeGitlab(projects={"acme/web/Shop": shop}, variables=dict(empty))


@pytest.fixture
def environ(gitlab_environ: dict[str, str]) -> dict[str, str]:
    return {**gitlab_environ, "SPOTCI_GITLAB_VARIABLES": "acme/*"}


def context_of(repository: GitFolder, branch: str = "main", **environ: str) -> Context:
    return make_context(repository.open(**environ), ContextOptions(branch=branch))


def variable(context: Context, name: str, environment: str | None = None) -> Variable:
    return effective(context.variables_for(environment))[name]


def test_nothing_is_asked_by_default(repository: GitFolder, server: Server) -> None:
    for patterns in ("", "other/*"):
        context_of(repository, SPOTCI_GITLAB_VARIABLES=patterns)

    assert server.requests == []


def test_levels_and_what_the_user_has_here(
    repository: GitFolder, gitlab: FakeGitlab
) -> None:
    for place in gitlab.variables:
        gitlab.variables[place] = [entry("A", place), entry("HERE", place)]
    gitlab.variables[PROJECT] = [entry("HERE", PROJECT)]
    repository.write({".spotci.env": "HERE=mine\n"})

    context = context_of(repository)

    found = variable(context, "A")
    assert (found.value, found.level) == ("groups/acme/web", Level.GROUP)
    assert found.origin == "GitLab: group acme/web"
    assert variable(context, "HERE").value == "mine"


def test_attributes(repository: GitFolder, gitlab: FakeGitlab) -> None:
    gitlab.variables[PROJECT] = [
        entry("PLAIN"),
        entry("KEPT", masked=True, raw=True, variable_type="file"),
        entry("GONE", None, masked=True, hidden=True),
    ]

    context = context_of(repository)

    plain, kept = variable(context, "PLAIN"), variable(context, "KEPT")
    assert (plain.masked, plain.expand, plain.file) == (False, True, False)
    assert (kept.masked, kept.expand, kept.file) == (True, False, True)
    assert "GONE" not in effective(context.variables)
    assert [warning.message for warning in context.warnings] == [
        "project acme/web/Shop: GONE is hidden: GitLab does not tell its value"
    ]


def test_scopes(repository: GitFolder, gitlab: FakeGitlab) -> None:
    gitlab.variables[PROJECT] = [
        entry("A", "exact", environment_scope="review/a"),
        entry("A", "wild", environment_scope="review/*"),
        entry("A", "all", environment_scope="*"),
    ]

    context = context_of(repository)

    environments = (None, "review/a", "review/b", "production")
    values = [variable(context, "A", each).value for each in environments]
    assert values == ["all", "exact", "wild", "all"]


def test_protected_ones_are_for_protected_refs(
    repository: GitFolder, gitlab: FakeGitlab
) -> None:
    gitlab.variables[PROJECT] = [entry("A", protected=True)]

    assert "A" in effective(context_of(repository).variables)
    assert "A" not in effective(context_of(repository, "topic").variables)


def test_a_repository_does_not_protect_itself(
    repository: GitFolder, gitlab: FakeGitlab
) -> None:
    gitlab.variables[PROJECT] = [entry("A", protected=True)]
    repository.write({".spotci.toml": "[project]\nprotected_branches = ['*']\n"})

    context = context_of(repository, "topic")

    assert "A" not in effective(context.variables)
    assert "gets no protected variables" in context.warnings[0].message


def test_a_repository_does_not_pose_as_another(
    repository: GitFolder, server: Server
) -> None:
    repository.write({".spotci.toml": "[project]\npath = 'acme/secret'\n"})

    with pytest.raises(UsageError, match=r"sets project\.path gets no variables"):
        context_of(repository)
    assert server.requests == []


def test_all_pages_are_read_and_none_is_kept(
    repository: GitFolder, gitlab: FakeGitlab, environ: dict[str, str]
) -> None:
    gitlab.variables[PROJECT] = [entry(f"V{n}", "c4nary-value") for n in range(201)]

    found = effective(context_of(repository).variables)

    assert sum(name.startswith("V") for name in found) == 201
    kept = [path for path in Path(environ["HOME"]).rglob("*") if path.is_file()]
    assert not any(b"c4nary-value" in path.read_bytes() for path in kept)


@pytest.mark.parametrize(
    ("place", "changed", "message"),
    [
        pytest.param(
            PROJECT,
            {},
            "variables of project acme/web/Shop could not be read because of HTTP code"
            " `403` error\nit takes a token of a maintainer",
            id="no maintainer",
        ),
        pytest.param(None, {"TOKEN": "wrong"}, "HTTP code `401`", id="wrong token"),
        pytest.param(None, {"TOKEN": ""}, "need a token for https", id="no token"),
        pytest.param(
            None,
            {"SPOTCI_INCLUDE_OFFLINE": "1"},
            "cannot be read offline",
            id="offline",
        ),
    ],
)
def test_what_cannot_be_had_is_an_error_without_the_token(
    repository: GitFolder,
    gitlab: FakeGitlab,
    place: str | None,
    changed: dict[str, str],
    message: str,
) -> None:
    gitlab.variables.pop(place or "", None)

    with pytest.raises(UsageError) as caught:
        context_of(repository, **changed)

    assert message in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_group_that_refuses_is_a_warning_and_the_others_count(
    repository: GitFolder, gitlab: FakeGitlab
) -> None:
    gitlab.variables["groups/acme/web"] = [entry("OF_GROUP")]
    gitlab.variables[PROJECT] = [entry("OF_PROJECT")]
    del gitlab.variables["groups/acme"]

    context = context_of(repository)

    assert {"OF_GROUP", "OF_PROJECT"} <= effective(context.variables).keys()
    (warning,) = context.warnings
    assert warning.message == (
        "jobs run without the variables of group acme: the token may not read them"
        " (HTTP code `403` error); it takes one of an owner of the group"
    )


def test_a_group_that_fails_is_an_error(
    repository: GitFolder, gitlab: FakeGitlab
) -> None:
    gitlab.ill = {"groups/acme"}

    with pytest.raises(UsageError, match="variables of group acme could not be read"):
        context_of(repository)


def test_a_server_that_fails_is_an_error(
    repository: GitFolder, gitlab: FakeGitlab
) -> None:
    gitlab.ill = {"acme/web/Shop"}

    with pytest.raises(UsageError, match="HTTP code `502` error"):
        context_of(repository)
