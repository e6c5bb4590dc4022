"""``spotci doctor``: what this machine has and lacks, with the remedy."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spotci import __version__
from spotci.cli.concurrency import default_concurrency
from spotci.cli.doctor_engine import examine_engine
from spotci.cli.findings import Finding
from spotci.cli.loading import open_here
from spotci.errors import SpotciError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spotci.project import Project
    from spotci.report.terminal import Paint

__all__ = ["command", "examine"]

_LITTLE_DISK = 5 * 1024**3


@click.command("doctor")
def command() -> int:
    """Show what this machine has and lacks, and the settings with their origins.

    The exit code is 3 where pipelines cannot run. Settings come from
    ~/.config/spotci/config.toml, .spotci.toml, and SPOTCI_<SECTION>_<KEY> of the
    environment; later ones win.

    \b
    spotci doctor                        this machine, in the project of this folder
    SPOTCI_ENGINE_KIND=shell spotci doctor
    """  # noqa: D301 - click reads the \b
    from spotci.report.terminal import Paint, use_colour  # noqa: PLC0415 - as used

    paint = Paint(enabled=use_colour(sys.stdout, os.environ))
    try:
        project = open_here()
    except SpotciError as error:
        project = None
        findings = [Finding(what="project", text=str(error), level="error")]
    else:
        findings = []
    findings += examine(project)
    for finding in findings:
        print(_render(finding, paint))
    if project is not None:
        print("\n" + _settings(project, paint))
    return 3 if any(finding.level == "error" for finding in findings) else 0


def examine(project: Project | None) -> Iterator[Finding]:
    """Look at everything that a run needs."""
    yield Finding(
        what="spotci",
        text=f"{__version__}, Python {platform.python_version()}, {sys.platform}",
    )
    yield _git(project)
    yield _disk(project)
    if project is not None:
        if project.settings.engine.kind == "shell":
            yield Finding(what="engine", text="shell: jobs run without containers")
        else:
            yield from examine_engine(project)
        engine = project.settings.engine
        jobs = project.settings.run.concurrency or default_concurrency(engine.cpus)
        yield Finding(what="concurrency", text=f"{jobs} jobs at once")


def _git(project: Project | None) -> Finding:
    if shutil.which("git") is None:
        return Finding(
            what="git",
            text="not found",
            level="warning",
            remedy="install git: without it all files are sent to the jobs, ignored "
            "ones too, and rules:changes knows nothing",
        )
    if project is not None and project.git is None:
        return Finding(
            what="git",
            text=f"{project.root} is no repository",
            level="warning",
            remedy="git init: rules and variables of branches need one",
        )
    return Finding(what="git", text="found")


def _disk(project: Project | None) -> Finding:
    free = shutil.disk_usage(project.root if project else Path.cwd()).free
    text = f"{free / 1024**3:.1f} GiB free for records"
    if free >= _LITTLE_DISK:
        return Finding(what="disk", text=text)
    remedy = "spotci clean --runs frees what old records take"
    return Finding(what="disk", text=text, level="warning", remedy=remedy)


def _render(finding: Finding, paint: Paint) -> str:
    signs: dict[str, Callable[[], str]] = {
        "ok": lambda: paint("green", "✓"),
        "warning": lambda: paint("yellow", "!"),
        "error": lambda: paint("red", "✗"),
    }
    text = f"{signs[finding.level]()} {finding.what:<12} {finding.text}"
    return f"{text}\n  {'':<12} {finding.remedy}" if finding.remedy else text


def _settings(project: Project, paint: Paint) -> str:
    from spotci.report.table import render_table  # noqa: PLC0415 - as used

    rows = [
        (name, "" if value is None else _value(value), origin)
        for name, (value, origin) in project.settings.effective().items()
    ]
    return render_table(("setting", "value", "from"), rows, paint=paint)


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
