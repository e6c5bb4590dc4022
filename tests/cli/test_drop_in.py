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


@pytest.mark.parametrize("option", OPTIONS.split())
def test_every_option_has_a_row(option: str) -> None:
    left = [
        line.split("|")[1]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]

    assert any(re.search(rf"`--{option}[`= ]", cell) for cell in left)
