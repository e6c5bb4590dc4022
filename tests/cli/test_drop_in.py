"""The files of gitlab-ci-local 4.75 decide the same here: compared side by side."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.command_line import CommandLine

PIPELINE = dedent("""\
    variables: {OVERRIDDEN: yaml, FROM_YAML: yaml}
    staging:
      environment: {name: staging/one}
      script: &show
        - env | sort | grep -E '^(T_|OVERRIDDEN|FROM_)' || true
        - cat "$T_FILE"
    elsewhere: {script: *show}
    """)
VARIABLES = dedent("""\
    T_LOCAL: local
    OVERRIDDEN: project-file
    T_SCOPED:
      type: variable
      values:
        "staging/*": staged
        "*": anywhere
    """)
HOME_VARIABLES = dedent("""\
    global:
      T_GLOBAL: global
      T_GROUP: global
      T_PROJECT: global
    group:
      gitlab.example.com/group/:
        T_GROUP: group
      gitlab.example.com/other/:
        T_OTHER_GROUP: group
    project:
      gitlab.example.com/group/sub/proj.git:
        T_PROJECT: project
        T_LOCAL: home
        T_FILE:
          type: file
          values:
            "*": "content of a file\\n"
        T_HOME_SCOPED:
          type: variable
          values:
            "staging/*": in-staging
            "production": in-production
      gitlab.example.com/group/other.git:
        T_OTHER_PROJECT: project
    """)
#: What jobs see, as gitlab-ci-local shows it for the same files.
EVERYWHERE = {
    "FROM_OPTION=option",
    "FROM_YAML=yaml",
    "OVERRIDDEN=project-file",
    "T_GLOBAL=global",
    "T_GROUP=group",
    "T_PROJECT=project",
    "T_LOCAL=local",
    "content of a file",
}
#: Every option that ``gitlab-ci-local --help`` prints.
OPTIONS = """
    artifacts-to-source ca-file cleanup color completion concurrency container-emulate
    container-executable container-mac-address cwd default-image device
    evaluate-rule-changes extra-host fetch-includes file force-shell-executor gpus help
    helper-image home ignore-predefined-vars ignore-schema-paths ignores-file input
    inputs-file json-schema-validation list list-all list-csv list-csv-all list-json
    manual max-job-name-padding maximum-includes mount-cache needs network only-needs
    preview privileged pull-policy quiet registry remote-variables
    shell-executor-no-image shell-isolation shm-size stage state-dir timestamps ulimit
    umask unset-variable userns validate-dependency-chain variable variables-file
    version volume wait-for-services-timeout wait-image
    """
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "migrate-from-gitlab-ci-local.md"


@pytest.fixture
def spotci(
    project: Callable[[dict[str, str]], CommandLine], tmp_path: Path
) -> CommandLine:
    home = tmp_path / "home" / ".gitlab-ci-local"
    home.mkdir(parents=True)
    (home / "variables.yml").write_text(HOME_VARIABLES)
    line = project(
        {
            ".gitlab-ci.yml": PIPELINE,
            ".gitlab-ci-local-variables.yml": VARIABLES,
            ".gitlab-ci-local-env": '# options\nVARIABLE="FROM_OPTION=option"\n',
        }
    )
    line.git("init", "-q", "-b", "main")
    line.git("remote", "add", "origin", "git@gitlab.example.com:group/sub/proj.git")
    return line


@pytest.mark.parametrize(
    ("job", "scoped"),
    [
        pytest.param(
            "staging", {"T_SCOPED=staged", "T_HOME_SCOPED=in-staging"}, id="in scope"
        ),
        pytest.param("elsewhere", {"T_SCOPED=anywhere"}, id="out of scope"),
    ],
)
def test_jobs_see_the_same(spotci: CommandLine, job: str, scoped: set[str]) -> None:
    done = spotci("run", "--engine", "shell", "--output", "plain", job)

    assert done.code == 0
    lines = re.findall(rf"^{job} \| (.*)$", done.out, re.MULTILINE)
    shown = {
        line
        for line in lines
        if re.match(r"(T_|OVERRIDDEN|FROM_|content)", line)
        and not line.startswith("T_FILE=")
    }
    assert shown == EVERYWHERE | scoped


def test_options_of_the_environment_beat_those_of_files(
    spotci: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spotci.folder / "other.yml").write_text(
        "by-name: {rules: [{if: $A == 'here B=2'}], script: [x]}\n"
        "unset: {rules: [{if: $CI_COMMIT_BRANCH == null}], script: [x]}\n"
    )
    (spotci.folder / ".gitlab-ci-local-env").write_text("FILE=none.yml\nVARIABLE=A=x")
    monkeypatch.setenv("GCL_FILE", "other.yml")
    monkeypatch.setenv("GCL_VARIABLE", "A=here B=2")
    monkeypatch.setenv("GCL_UNSET_VARIABLE", "CI_COMMIT_BRANCH")

    assert jobs(spotci) == ["by-name", "unset"]


def test_a_variable_can_be_unset(spotci: CommandLine) -> None:
    (spotci.folder / ".gitlab-ci.yml").write_text(
        "unset: {rules: [{if: $CI_COMMIT_BRANCH == null}], script: [x]}\n"
        "always: {script: [x]}\n"
    )

    assert jobs(spotci) == ["always"]
    assert jobs(spotci, "--unset-variable", "CI_COMMIT_BRANCH") == ["unset", "always"]


@pytest.mark.parametrize("command", ["list", "run"])
def test_another_file_in_another_folder(spotci: CommandLine, command: str) -> None:
    (spotci.folder / "ci").mkdir()
    (spotci.folder / "ci" / "other.yml").write_text(
        "include: ci/more.yml\nother: {script: [echo $CI_CONFIG_PATH]}\n"
    )
    (spotci.folder / "ci" / "more.yml").write_text("more: {script: [pwd]}\n")
    engine = () if command == "list" else ("--engine", "shell", "--output", "plain")

    done = spotci("--cwd", "ci", command, "--file", "other.yml", *engine)

    assert done.code == 0, done.err
    assert {"more", "other"} <= set(re.findall(r"\w+", done.out))
    assert ("ci/other.yml" in done.out) is (command == "run")


def test_a_file_outside_of_the_project_is_refused(spotci: CommandLine) -> None:
    done = spotci("list", "--file", "../other.yml")

    assert done.code == 2
    assert "../other.yml is not in the project" in done.err


def test_a_folder_that_is_none(spotci: CommandLine) -> None:
    done = spotci("-C", "nowhere", "list")

    assert done.code == 2
    assert "'nowhere' does not exist" in done.err


@pytest.mark.parametrize(
    ("given", "name"),
    [
        pytest.param((), "job-prod-3", id="from the file"),
        pytest.param(("--input", "env=dev"), "job-dev-3", id="the option wins"),
    ],
)
def test_inputs_of_the_file(
    spotci: CommandLine, given: tuple[str, ...], name: str
) -> None:
    (spotci.folder / ".gitlab-ci-local-inputs.yml").write_text("env: prod\nn: 3\n")
    (spotci.folder / ".gitlab-ci.yml").write_text(
        "spec: {inputs: {env: {options: [dev, prod]}, n: {type: number}}}\n---\n"
        "job-$[[ inputs.env ]]-$[[ inputs.n ]]: {script: [x]}\n"
    )

    assert jobs(spotci, *given) == [name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[a]", "must be a map of inputs", id="list"),
        pytest.param("a: ]", ".gitlab-ci-local-inputs.yml:1: not YAML", id="no YAML"),
    ],
)
def test_inputs_that_are_none(spotci: CommandLine, text: str, message: str) -> None:
    (spotci.folder / ".gitlab-ci-local-inputs.yml").write_text(text)

    done = spotci("list")

    assert done.code == 2
    assert message in done.err


def test_a_line_makes_jobs_local(spotci: CommandLine) -> None:
    (spotci.folder / ".spotci.env").write_text("GITLAB_CI=false\n")
    (spotci.folder / ".gitlab-ci.yml").write_text(
        "local: {rules: [{if: $GITLAB_CI == 'false'}], script: [echo is $GITLAB_CI]}\n"
    )

    done = spotci("run", "--engine", "shell", "--output", "plain")

    assert "local | is false" in done.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param((), "--only-needs needs the name of a job", id="no job"),
        pytest.param(("--no-needs", "staging"), "cannot be used together", id="both"),
    ],
)
def test_needs_alone_of_nothing(
    spotci: CommandLine, options: tuple[str, ...], message: str
) -> None:
    done = spotci("run", "--engine", "shell", "--only-needs", *options)

    assert done.code == 2
    assert message in done.err


def test_the_needs_run_alone(spotci: CommandLine) -> None:
    (spotci.folder / ".gitlab-ci.yml").write_text(
        "first: {script: [echo is first]}\n"
        "second: {needs: [first], script: [echo is second]}\n"
    )

    options = ("--engine", "shell", "--output", "plain", "--only-needs", "second")
    done = spotci("run", *options)

    assert done.code == 0
    assert "first | is first" in done.out
    assert "is second" not in done.out


def test_descriptions_are_listed(spotci: CommandLine) -> None:
    (spotci.folder / ".gitlab-ci.yml").write_text(
        "# @Description Install the packages\n"
        "# of the lock file\n"
        "install: {script: [x]}\n\n"
        "# @Description of nothing\n\n"
        "test: {script: [x]}\n"
    )

    assert "Install the packages" in spotci("list").out
    assert [
        (job["name"], job["description"])
        for job in spotci("list", "--format", "json").json["jobs"]
    ] == [("install", "Install the packages"), ("test", None)]


def jobs(spotci: CommandLine, *options: str) -> list[str]:
    done = spotci("list", "--format", "json", *options)
    assert done.code == 0, done.out + done.err
    return [job["name"] for job in done.json["jobs"]]


@pytest.mark.parametrize("option", OPTIONS.split())
def test_every_option_has_a_row(option: str) -> None:
    left = [
        line.split("|")[1]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]

    assert any(re.search(rf"`--{option}[`= ]", cell) for cell in left)
