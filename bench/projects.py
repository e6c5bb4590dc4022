"""Makes the repositories that are measured."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["IMAGE", "commit", "many_files", "many_jobs", "trivial_jobs"]

IMAGE = "busybox:1.36"
_GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@spot.example",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@spot.example",
}


def commit(folder: Path) -> Path:
    """Make a folder a repository with one commit of all that is in it."""
    for command in (
        ("init", "--quiet", "--initial-branch=main"),
        ("remote", "add", "origin", "https://gitlab.example.com/bench/project.git"),
        ("add", "--all"),
        ("commit", "--quiet", "--message=bench"),
    ):
        subprocess.run(
            ["git", *command], cwd=folder, env={**os.environ, **_GIT}, check=True
        )
    return folder


def many_jobs(folder: Path, jobs: int, includes: int) -> Path:
    """Jobs with rules, variables, needs and extends, spread over included files."""
    ci = folder / "ci"
    ci.mkdir(parents=True)
    each = jobs // max(includes, 1)
    for file in range(max(includes, 1)):
        text = "".join(_job(file, number) for number in range(each))
        (ci / f"{file}.yml").write_text(text)
    listed = "".join(f"  - local: ci/{file}.yml\n" for file in range(max(includes, 1)))
    (folder / ".gitlab-ci.yml").write_text(
        f"include:\n{listed}stages: [build, test]\n"
        "variables:\n  LEVEL: info\n"
        f".base:\n  image: {IMAGE}\n  tags: [docker]\n  variables:\n    A: a\n"
    )
    return commit(folder)


def _job(file: int, number: int) -> str:
    name = f"job-{file}-{number}"
    needs = f"  needs: [job-{file}-{number - 1}]\n" if number % 10 else ""
    return (
        f"{name}:\n  extends: .base\n  stage: test\n{needs}"
        f"  variables:\n    NAME: {name}\n    B: $A\n"
        "  rules:\n    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH\n"
        "    - if: $CI_COMMIT_TAG =~ /^v\\d+/\n"
        f"  script:\n    - echo {name}\n    - make test\n"
    )


def trivial_jobs(folder: Path, jobs: int) -> Path:
    """Jobs that do nothing, all at once."""
    folder.mkdir(parents=True)
    text = "".join(
        f"job{number}:\n  image: {IMAGE}\n  script: ['true']\n"
        for number in range(jobs)
    )
    (folder / ".gitlab-ci.yml").write_text(text)
    return commit(folder)


def many_files(folder: Path, files: int, jobs: int) -> Path:
    """Make a repository of small files, and jobs that look at one of them, in a row."""
    for number in range(files):
        path = folder / f"d{number // 200}" / f"f{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n" * 16)
    stages = ", ".join(f"s{number}" for number in range(jobs))
    text = f"stages: [{stages}]\n" + "".join(
        f"job{number}:\n  stage: s{number}\n  image: {IMAGE}\n"
        "  script: [cat d0/f0.txt]\n"
        for number in range(jobs)
    )
    (folder / ".gitlab-ci.yml").write_text(text)
    return commit(folder)
