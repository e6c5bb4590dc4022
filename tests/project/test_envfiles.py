from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spotci.errors import UsageError
from spotci.project import ContextOptions, make_context
from spotci.project.envfiles import read_env_files
from spotci.variables import Level, effective

if TYPE_CHECKING:
    from spotci.project.envfiles import FileVariables
    from tests.project.repositories import GitFolder


def home_file(repository: GitFolder, name: str, text: str) -> None:
    path = Path(repository.environ["HOME"], ".gitlab-ci-local", name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def read(repository: GitFolder, *named: str) -> FileVariables:
    return read_env_files(repository.open(), named)


def pairs(found: FileVariables) -> dict[str, str]:
    return {variable.name: variable.value for variable in found.variables}


def test_without_files_there_is_nothing(repository: GitFolder) -> None:
    found = read(repository)

    assert (found.variables, found.scoped, found.warnings) == ([], [], [])


def test_precedence_of_the_files(repository: GitFolder, tmp_path: Path) -> None:
    home_file(
        repository,
        "variables.yml",
        "global: {A: global, B: global, C: global, D: global, E: global, F: global,"
        " G: global}\n"
        "group: {gitlab.example.com/acme/: {B: group, C: group}}\n"
        "project: {gitlab.example.com/acme/web/Shop.git: {C: project, D: project}}\n",
    )
    repository.write(
        {
            ".gitlab-ci-local-variables.yml": "D: local\nE: local",
            ".gitlab-ci-local-env.dind": "E=dind\nF=dind",
            ".spotci.env": "F=own\nG=own",
        }
    )
    named = tmp_path / "named.env"
    named.write_text("G=named")

    project = repository.open()
    options = ContextOptions(env_files=(str(named),))
    context = make_context(project, options)
    winners = effective(context.variables)

    assert {name: winners[name].value for name in "ABCDEFG"} == {
        "A": "global",
        "B": "group",
        "C": "project",
        "D": "local",
        "E": "dind",
        "F": "own",
        "G": "named",
    }
    assert [winners[name].level for name in "ABC"] == [
        Level.INSTANCE,
        Level.GROUP,
        Level.PROJECT,
    ]
    assert winners["F"].origin == ".spotci.env:1"
    assert winners["D"].origin == ".gitlab-ci-local-variables.yml:1"


@pytest.mark.parametrize(
    ("section", "key", "expected"),
    [
        pytest.param(
            "project", "gitlab.example.com/acme/web/Shop.git", True, id="exact"
        ),
        pytest.param(
            "project", "gitlab.example.com:acme/web/Shop.git", True, id="colon"
        ),
        pytest.param("project", "gitlab.example.com/acme/web/Shop", True, id="no .git"),
        pytest.param("project", "gitlab.example.com/acme/web/Shop2.git", False, id="2"),
        pytest.param("project", "gitlab.com/acme/web/Shop.git", False, id="host"),
        pytest.param("group", "gitlab.example.com/acme/", True, id="group"),
        pytest.param("group", "gitlab.example.com/acme/web", True, id="subgroup"),
        pytest.param("group", "acme", True, id="group without host"),
        pytest.param("group", "gitlab.example.com/ac", False, id="part of a name"),
        pytest.param("group", "gitlab.example.com/acme/web/Shop", False, id="no group"),
    ],
)
def test_scopes_of_the_users_file(
    repository: GitFolder, section: str, key: str, expected: bool
) -> None:
    home_file(repository, "variables.yml", f'{section}:\n  "{key}":\n    A: found\n')

    assert ("A" in pairs(read(repository))) is expected


def test_values_are_texts_as_they_are_written(repository: GitFolder) -> None:
    repository.write(
        {
            ".gitlab-ci-local-variables.yml": "---\nA: 1.10\nB: yes\nC: 012\nD: null\n"
            "E: |\n  one\n  two\nF: 'x $A'\nG:\n"
        }
    )

    assert pairs(read(repository)) == {
        "A": "1.10",
        "B": "yes",
        "C": "012",
        "D": "",
        "E": "one\ntwo\n",
        "F": "x $A",
        "G": "",
    }


def test_variables_of_environments_are_for_their_jobs_alone(
    repository: GitFolder,
) -> None:
    repository.write(
        {
            ".gitlab-ci-local-variables.yml": "A:\n  values:\n    '*': all\n"
            "    staging: one\n    'review/*': reviews\n    'review/main*': main\n"
        }
    )

    context = make_context(repository.open(), ContextOptions())

    def value(environment: str | None) -> str:
        return effective(context.variables_for(environment))["A"].value

    assert value(None) == "all"
    assert value("production") == "all"
    assert value("staging") == "one"
    assert value("review/x/y") == "reviews"
    assert value("review/main-2") == "main"
    assert value("preview/x") == "all"


def test_attributes_of_a_variable(repository: GitFolder) -> None:
    text = (
        "A: {masked: true, values: {'*': long-enough, staging: another-one}}\n"
        "B: {masked: false, values: {'*': long-enough}}\n"
        "C: {raw: true, type: file, masked: true, values: {'*': 'a $value'}}\n"
        "D: long-enough\n"
    )
    repository.write({".gitlab-ci-local-variables.yml": text})

    found = read(repository)

    assert {
        variable.name: (variable.masked, not variable.expand, variable.file)
        for variable in found.variables
    } == {
        "A": (True, False, False),
        "B": (False, False, False),
        "C": (True, True, True),
        "D": (False, False, False),
    }
    assert [(scope, each.masked) for scope, each in found.scoped] == [("staging", True)]
    assert found.warnings == []


def test_attributes_in_the_users_file(repository: GitFolder) -> None:
    home_file(
        repository,
        "variables.yml",
        "global:\n  A: {masked: true, values: {'*': long-enough}}\n",
    )

    (variable,) = read(repository).variables

    assert (variable.masked, variable.level) == (True, Level.INSTANCE)


def test_attributes_that_do_nothing_are_warned_about(repository: GitFolder) -> None:
    repository.write(
        {
            ".gitlab-ci-local-variables.yml": "A:\n"
            "  mask: true\n  masked: true\n  values: {'*': short}\n"
        }
    )

    found = read(repository)

    assert [variable.masked for variable in found.variables] == [False]
    name = ".gitlab-ci-local-variables.yml"
    assert [warning.message for warning in found.warnings] == [
        f'{name}:2: A: unknown key "mask", ignored',
        f"{name}:4: A: fewer than 8 characters: it is not masked",
    ]


def test_files_as_values(repository: GitFolder, tmp_path: Path) -> None:
    hosts = Path(repository.environ["HOME"], "known_hosts")
    hosts.write_text("host key")
    other = tmp_path / "other.pem"
    other.write_text("certificate")
    repository.write(
        {
            ".gitlab-ci-local-variables.yml": "A: ~/known_hosts\n"
            f"B: {other}\nC: /no/such/file\n"
            "D: {type: file, values: {'*': content}}\n"
            "E: {values: {'*': ~/known_hosts}}\n"
        }
    )

    found = {variable.name: variable for variable in read(repository).variables}

    assert {name: (v.value, v.file) for name, v in found.items()} == {
        "A": ("host key", True),
        "B": ("certificate", True),
        "C": ("/no/such/file", False),
        "D": ("content", True),
        "E": ("~/known_hosts", False),
    }


def test_a_file_of_the_repository_cannot_take_files_of_the_user(
    repository: GitFolder,
) -> None:
    secret = Path(repository.environ["HOME"], "id_rsa")
    secret.write_text("canary")
    repository.commit(
        {
            ".gitlab-ci-local-variables.yml": f"A: ~/id_rsa\nB: {repository.root}/x",
            "x": "inside",
        }
    )

    found = read(repository)

    assert pairs(found) == {"A": "~/id_rsa", "B": "inside"}
    (warning,) = found.warnings
    assert str(warning) == (
        "warning: .gitlab-ci-local-variables.yml: A names a file outside of the "
        "repository; it is not read, since this file is part of the repository"
    )


@pytest.mark.parametrize(
    ("name", "key"),
    [
        pytest.param(".spotci.env", None, id=".spotci.env"),
        pytest.param(".gitlab-ci-local-env.dind", None, id="dind"),
        pytest.param(".gitlab-ci-local-variables.yml", None, id="variables"),
        pytest.param("more.env", "files = ['more.env']", id="settings"),
    ],
)
def test_no_file_of_the_repository_leads_out_of_it(
    repository: GitFolder, tmp_path: Path, name: str, key: str | None
) -> None:
    (tmp_path / "neighbour.env").write_text("A=canary")
    (repository.root / name).symlink_to(tmp_path / "neighbour.env")
    if key is not None:
        repository.write({".spotci.toml": f"[variables]\n{key}\n"})

    with pytest.raises(UsageError) as caught:
        read(repository)

    assert str(caught.value) == (
        f'"{name}" leads out of the repository\n'
        "name the file with --env-file, or in ~/.config/spotci/config.toml"
    )


def test_the_user_may_name_files_anywhere(
    repository: GitFolder, tmp_path: Path
) -> None:
    (tmp_path / "mine.env").write_text("A=1")

    project = repository.open(SPOTCI_VARIABLES_FILES=str(tmp_path / "mine.env"))

    assert pairs(read_env_files(project)) == {"A": "1"}


def test_a_variables_file_may_hold_lines(repository: GitFolder) -> None:
    repository.write({".gitlab-ci-local-variables.yml": "A=1\nB='~/x $Y'\n# note\n"})

    found = read(repository)

    assert pairs(found) == {"A": "1", "B": "~/x $Y"}
    assert [variable.expand for variable in found.variables] == [True, False]


def test_options_of_gitlab_ci_local(repository: GitFolder) -> None:
    home_file(repository, ".env", "VARIABLE=A=home\n")
    repository.write(
        {
            ".gitlab-ci-local-env": "PRIVILEGED=true\nVARIABLE='A=1 B=x=y'\n"
            "UNSET_VARIABLE=CI_SERVER_NAME\nINPUT='size=3 wrong'\n"
        }
    )

    found = read(repository)
    context = make_context(repository.open(), ContextOptions(inputs={"more": True}))

    assert [(v.name, v.value, v.level) for v in found.variables] == [
        ("A", "home", Level.PIPELINE),
        ("A", "1", Level.PIPELINE),
        ("B", "x=y", Level.PIPELINE),
    ]
    assert dict(context.inputs) == {"size": "3", "more": True}
    assert "CI_SERVER_NAME" not in {variable.name for variable in context.variables}


def test_lines_of_another_tool_are_warned_about(repository: GitFolder) -> None:
    repository.write({".gitlab-ci-local-env.dind": "A=1\n--privileged\n"})

    found = read(repository)

    assert pairs(found) == {"A": "1"}
    assert [warning.message for warning in found.warnings] == [
        ".gitlab-ci-local-env.dind:2: not KEY=VALUE, ignored"
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param(
            ".spotci.env", "A=1\nB", ".spotci.env:2: not KEY=VALUE", id="line"
        ),
        pytest.param(
            ".gitlab-ci-local-variables.yml",
            "A: 1\nB: [1]\n",
            ".gitlab-ci-local-variables.yml:2: must be a map",
            id="list as value",
        ),
        pytest.param(
            ".gitlab-ci-local-variables.yml",
            "A-B: 1\n",
            '.gitlab-ci-local-variables.yml:1: "A-B" is no name of a variable',
            id="name",
        ),
        pytest.param(
            ".gitlab-ci-local-variables.yml",
            "A:\n  type: secret\n  values: {'*': x}\n",
            ".gitlab-ci-local-variables.yml:2: A: type must be variable or file",
            id="type",
        ),
        pytest.param(
            ".gitlab-ci-local-variables.yml",
            "A: {type: file}\n",
            ".gitlab-ci-local-variables.yml:1: A: must be a text or have values",
            id="no values",
        ),
        pytest.param(
            ".gitlab-ci-local-variables.yml",
            "A:\n  masked: yes please\n  values: {'*': x}\n",
            ".gitlab-ci-local-variables.yml:2: A: masked must be true or false",
            id="masked",
        ),
        pytest.param(
            ".gitlab-ci-local-variables.yml",
            "A: {values: {'*': [1]}}\n",
            ".gitlab-ci-local-variables.yml:1: A: must be a text",
            id="list in values",
        ),
        pytest.param(
            ".gitlab-ci-local-variables.yml",
            "- A\n",
            ".gitlab-ci-local-variables.yml:1: must be a map of variables",
            id="list",
        ),
        pytest.param(
            ".gitlab-ci-local-variables.yml",
            "A: 'x\n",
            ".gitlab-ci-local-variables.yml:2: found unexpected end of stream",
            id="not YAML",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    repository: GitFolder, name: str, text: str, message: str
) -> None:
    repository.write({name: text})

    with pytest.raises(UsageError) as caught:
        read(repository)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("DEPLOY_TOKEN", True),
        ("client_secret", True),
        ("DB_PASSWORD", True),
        ("DB_PASSWD", True),
        ("SSH_PRIVATE_KEY", True),
        ("STRIPE_API_KEY", True),
        ("STRIPE_APIKEY", True),
        ("GOOGLE_CREDENTIALS", True),
        ("AWS_ACCESS_KEY_ID", True),
        ("DOCKER_AUTH_CONFIG", True),
        ("DB_PWD", True),
        ("MY_CODE", True),
        ("PUBLIC_TOKEN", False),
        ("CACHE_KEY", False),
        ("PWD", False),
        ("IMAGE", False),
    ],
)
def test_secrets_are_masked_by_name(
    repository: GitFolder, name: str, masked: bool
) -> None:
    repository.write(
        {
            ".spotci.env": f"{name}=long-enough",
            ".spotci.toml": "[variables]\nmask = ['*_code']\nunmask = ['public_*']\n",
        }
    )

    context = make_context(repository.open(), ContextOptions())

    assert effective(context.variables)[name].masked is masked


def test_switches_with_secret_names_are_not_warned_about(
    repository: GitFolder,
) -> None:
    repository.write({".spotci.env": "USE_TOKEN=true\nNO_SECRET=0\nTOKEN=\n"})

    assert make_context(repository.open(), ContextOptions()).warnings == ()
