"""What other local runners got wrong when they executed jobs, on the real engine.

Each was seen by running them. One pipeline has them all, and each test looks at what
became of one; ``docs/peer-faults.md`` names the tests of all the faults.
"""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import committed
from tests.e2e.project import Project

if TYPE_CHECKING:
    from tests.e2e.project import Run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

CHILD = """\
child:
  image: busybox:1.36
  script: exit 1
"""
PIPELINE = """\
stages: [build, test, deploy]
default: {image: busybox:1.36}

make:
  stage: build
  script:
    - echo built >made
    - echo changed >message
    - chmod 777 .
  artifacts: {paths: [made, message]}

image that is missing:
  stage: build
  image: {name: "localhost:1/no/such:image", pull_policy: never}
  allow_failure: true
  script: echo never

retried:
  stage: build
  retry: {max: 2, exit_codes: 3}
  allow_failure: true
  script: [echo attempt, exit 3]

ends at its timeout:
  stage: build
  timeout: 2 seconds
  allow_failure: true
  script: sleep 600

delayed:
  stage: build
  when: delayed
  start_in: 3 seconds
  script: date +%s

slow:
  stage: build
  script: sleep 12

next:
  stage: test
  needs: [make]
  script: date +%s

in its own container:
  stage: test
  needs: [make]
  script:
    - echo changed again >made
    - echo here >/tmp/left
  after_script:
    - cat made /tmp/left

on an overlay:
  stage: test
  needs: [make]
  script: grep -c "^overlay $CI_PROJECT_DIR overlay " /proc/mounts

artifacts of what failed:
  stage: test
  needs: []
  allow_failure: true
  script: [echo trace >trace.txt, exit 1]
  artifacts: {when: on_failure, paths: [trace.txt]}

hostile service:
  stage: test
  needs: []
  services:
    - name: busybox:1.36
      alias: web
      command:
        - sh
        - -c
        - mkdir w; echo "$1" >w/index.html; exec httpd -f -p 80 -h w
        - sh
        - "`touch pwned`$(touch pwned)"
      variables: {HEALTHCHECK_TCP_PORT: "80"}
  script: wget -qO- http://web/

token:
  stage: test
  needs: []
  script: test -n "$CI_JOB_TOKEN" && test "$CI_JOB_TOKEN" != "$PERSONAL"

child that fails:
  stage: test
  needs: []
  trigger: {include: child.yml, strategy: depend}

exit code that is not allowed:
  stage: test
  needs: []
  allow_failure: {exit_codes: [3]}
  script: exit 4

after a failure:
  stage: deploy
  script: echo never
"""
FILES = {
    ".gitlab-ci.yml": PIPELINE,
    ".gitignore": ".spotci/\n",
    "child.yml": CHILD,
    "message": "from the source\n",
}
PERSONAL = "glpat-of-the-user"


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str]
) -> Project:
    root = tmp_path_factory.mktemp("faults")
    root.chmod(0o750)
    for name, text in FILES.items():
        (root / name).write_text(dedent(text), "utf-8")
    return committed(Project(root, {**environ, "GITLAB_TOKEN": PERSONAL}))


@pytest.fixture(scope="module")
def run(project: Project) -> Run:
    return project.run("--variable", f"PERSONAL={PERSONAL}", code=1)


def output(run: Run, job: str) -> list[str]:
    """Return what the scripts of a job printed, without the commands."""
    lines = [
        line
        for event in run.events
        if event["event"] == "job_log"
        and event["job"] == job
        and event.get("kind", "output") == "output"
        for line in event["text"].split("\n")
    ]
    return [line for line in lines if not line.startswith("\x1b[32;1m$ ")]


def test_a_missing_image_fails_its_job_alone(run: Run) -> None:
    result = run.results["image that is missing"]

    assert (result["status"], result["failure_reason"]) == (
        "failed",
        "image_pull_failure",
    )
    assert "Traceback" not in run.log("image that is missing")
    assert run.statuses["make"] == "success"


def test_a_job_is_retried_as_often_as_it_says(run: Run) -> None:
    assert output(run, "retried") == ["attempt"] * 3
    assert run.results["retried"]["attempt"] == 3


def test_a_job_ends_at_its_timeout(run: Run) -> None:
    result = run.results["ends at its timeout"]

    assert result["failure_reason"] == "job_execution_timeout"
    assert result["finished_at"] - result["started_at"] < 120


def test_a_delayed_job_waits_and_then_runs(run: Run) -> None:
    at = {
        event["status"]: event["at"]
        for event in run.events
        if event["event"] == "job_status_changed" and event["job"] == "delayed"
    }

    assert run.statuses["delayed"] == "success"
    assert at["pending"] - at["scheduled"] >= 3


def test_a_job_does_not_wait_for_the_neighbours_of_what_it_needs(run: Run) -> None:
    order = [
        event["result"]["job"]
        for event in run.events
        if event["event"] == "job_finished"
    ]

    assert order.index("make") < order.index("next") < order.index("slow")


def test_after_script_runs_in_the_container_as_the_script_left_it(run: Run) -> None:
    assert output(run, "in its own container") == ["changed again", "here"]


def test_a_workspace_is_a_mount_and_no_copy(run: Run) -> None:
    assert output(run, "on an overlay") == ["1"]


def test_artifacts_of_a_failed_job_are_kept(run: Run, project: Project) -> None:
    assert run.statuses["artifacts of what failed"] == "failed"
    kept = project.root.glob(".spotci/runs/*/artifacts/*/trace.txt")
    assert [path.read_text() for path in kept] == ["trace\n"]


def test_the_command_of_a_service_is_no_code_of_the_host(
    run: Run, project: Project
) -> None:
    assert output(run, "hostile service") == ["`touch pwned`$(touch pwned)"]
    assert not list(project.root.rglob("pwned"))


def test_jobs_do_not_get_the_token_of_the_user(run: Run) -> None:
    assert run.statuses["token"] == "success"


def test_a_child_that_fails_fails_the_job_that_depends_on_it(run: Run) -> None:
    assert run.statuses["child that fails"] == "failed"
    assert not run.results["child that fails"].get("allow_failure")


def test_an_exit_code_that_is_not_allowed_fails_the_pipeline(run: Run) -> None:
    result = run.results["exit code that is not allowed"]

    assert (result["exit_code"], result.get("allow_failure", False)) == (4, False)
    assert run.statuses["after a failure"] == "skipped"
    assert run.finished["status"] == "failed"


def test_the_project_stays_as_it_was(run: Run, project: Project) -> None:
    assert run.statuses["make"] == "success"
    assert project.root.stat().st_mode & 0o777 == 0o750
    assert (project.root / "message").read_text() == FILES["message"]
    assert project.git("status", "--porcelain") == ""
    assert {path.name for path in project.root.iterdir()} == {
        *FILES,
        ".git",
        ".spotci",
    }
