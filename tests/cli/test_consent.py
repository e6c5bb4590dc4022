from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from spotci.cli.consent import Consents, docker_jobs, obtain_consent
from spotci.cli.isolation import describe_isolation
from spotci.cli.loading import load
from spotci.cli.options import Chosen
from spotci.cli.planning import Task
from spotci.cli.selection import Request, select, select_manual
from spotci.errors import UsageError
from spotci.pipeline import Image
from tests.builders import job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.command_line import CommandLine

PIPELINE = """\
default: {image: alpine}
unit: {script: [make test]}
images:
  image: docker:28
  services: [docker:28-dind]
  script: [docker build .]
"""

ROOT = "as good as root on this machine"


class Terminal(io.StringIO):
    """A terminal at which somebody types, or reads."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Desk:
    """A project, and somebody at a terminal who answers."""

    line: CommandLine
    monkeypatch: pytest.MonkeyPatch

    def task(self, *names: str, manual: tuple[str, ...] = ()) -> Task:
        loaded = load(Chosen())
        excluded = loaded.compilation.excluded_jobs
        selection = select(loaded.pipeline, excluded, Request(names=names))
        played = select_manual(selection.pipeline, manual)
        return Task(loaded=loaded, selection=selection, manual=played)

    def ask(self, answer: str = "") -> str:
        """Obtain consent with this answer, and return what was asked."""
        output = Terminal()
        with self.monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", Terminal(f"{answer}\n" if answer else ""))
            patch.setattr(sys, "stderr", output)
            obtain_consent(self.task())
        return output.getvalue()

    def change(self, old: str, new: str) -> None:
        path = self.line.folder / ".gitlab-ci.yml"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def set(self, docker: str) -> None:
        self.monkeypatch.setenv("SPOTCI_ENGINE_DOCKER", docker)


@pytest.fixture
def desk(project: Callable[..., CommandLine], monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(project({".gitlab-ci.yml": PIPELINE}), monkeypatch)


@pytest.mark.parametrize(
    ("definition", "asks"),
    [
        ("image: alpine", False),
        ("image: docker:28", True),
        ("image: registry.example.com/tools/docker:cli", True),
        ("image: docker-tools", False),
        ("services: [docker:28-dind]", True),
        ("services: [registry.example.com/my-dind:1]", True),
        ("services: [redis:7]", False),
        ("{variables: {V: 'docker:28'}, image: $V}", True),
        ("{variables: {V: '28'}, image: 'python:$V'}", False),
        ("{image: docker:28, when: manual}", False),
    ],
)
def test_which_jobs_ask_for_docker(desk: Desk, definition: str, *, asks: bool) -> None:
    body = definition if definition.startswith("{") else f"{{{definition}}}"
    text = body[:-1] + ", script: [x]}"
    desk.change(PIPELINE, f"default: {{image: alpine}}\nthis: {text}\n")

    assert bool(docker_jobs(desk.task())) is asks


@pytest.mark.parametrize(
    ("names", "manual"), [(("ship",), ()), ((), ("ship",)), ((), ("all",))]
)
def test_manual_jobs_count_when_they_are_played(
    desk: Desk, names: tuple[str, ...], manual: tuple[str, ...]
) -> None:
    desk.change(PIPELINE, "ship: {image: docker, script: [x], when: manual}\n")

    assert [j.name for j in docker_jobs(desk.task(*names, manual=manual))] == ["ship"]


def test_the_question(desk: Desk) -> None:
    asked = desk.ask("y")

    assert asked.startswith(
        f"A job of {desk.line.folder} asks for Docker, to command the daemon of"
        " spot-ci-dind:\nimages\n"
        "Whoever commands it is as good as root on this machine. Do you trust this"
        " repository?\n"
    )


def test_yes_is_for_the_jobs_as_they_are(desk: Desk) -> None:
    assert desk.ask("y")
    assert not desk.ask()

    desk.change("make test", "make check")
    assert not desk.ask()

    desk.change("docker build .", "docker run -v /:/host evil")
    assert desk.ask("y")
    assert not desk.ask()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("image: docker:28\n", "image: docker:29\n"),
        ("docker:28-dind", "evil/dind"),
        ("  script:", "  variables: {A: b}\n  script:"),
        ("  script:", "  before_script: [x]\n  script:"),
        ("  script:", "  after_script: [x]\n  script:"),
        ("default: {", "variables: {A: b}\ndefault: {"),
    ],
)
def test_all_that_a_job_does_with_docker_is_asked_about(
    desk: Desk, old: str, new: str
) -> None:
    desk.ask("y")

    desk.change(old, new)

    assert desk.ask("y")


def test_always_is_for_whatever_becomes_of_them(desk: Desk) -> None:
    assert desk.ask("a")

    desk.change("docker build .", "docker push x")

    assert not desk.ask()


def test_no_ends_the_run_and_is_not_remembered(desk: Desk) -> None:
    for _ in range(2):
        with pytest.raises(UsageError) as caught:
            desk.ask("n")
        assert str(caught.value) == (
            'images may not use Docker\nengine.docker = "never" in'
            " ~/.config/spotci/config.toml runs them without Docker"
        )


def test_where_nobody_can_be_asked_auto_goes_on(desk: Desk) -> None:
    obtain_consent(desk.task())

    assert desk.ask("y")


def test_where_nobody_can_be_asked_ask_refuses(desk: Desk) -> None:
    desk.set("ask")

    with pytest.raises(UsageError) as caught:
        obtain_consent(desk.task())

    assert str(caught.value) == (
        'images may not use Docker: engine.docker is "ask", and nobody can be asked'
        " here\nrun it once on a terminal and say yes"
    )
    desk.ask("y")
    obtain_consent(desk.task())


@pytest.mark.parametrize("docker", ["never", "always"])
def test_other_settings_ask_nothing(desk: Desk, docker: str) -> None:
    desk.set(docker)

    assert not desk.ask()


def test_a_terminal_of_a_ci_is_nobody(desk: Desk) -> None:
    desk.monkeypatch.setenv("CI", "true")

    assert not desk.ask()


def test_repositories_are_asked_about_one_by_one(tmp_path: Path) -> None:
    consents = Consents(tmp_path / "state")
    build = job("build", image=Image(name="docker"))

    consents.remember(tmp_path / "a", [build])
    consents.remember(tmp_path / "b", None)

    assert consents.missing(tmp_path / "a", [build]) == ()
    assert consents.missing(tmp_path / "b", [job("other")]) == ()
    assert consents.missing(tmp_path / "c", [build]) == (build,)
    file = tmp_path / "state" / "consent.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("text", ["", "[]", '{"/a": 1}', "{"])
def test_a_file_that_is_broken_allows_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "consent.json").write_text(text)
    build = job("build", image=Image(name="docker"))

    assert Consents(tmp_path).missing(tmp_path, [build]) == (build,)

    Consents(tmp_path).remember(tmp_path, [build])
    assert Consents(tmp_path).missing(tmp_path, [build]) == ()


@pytest.mark.parametrize(
    ("settings", "names", "expected"),
    [
        (
            {},
            ("unit",),
            "T0, unprivileged containers in spot-ci-dind, without its Docker daemon",
        ),
        (
            {},
            (),
            f"T1, images commands the Docker daemon of spot-ci-dind: {ROOT}",
        ),
        (
            {"DIND_SERVICE": "nested"},
            (),
            f"T1, images commands a privileged Docker daemon: {ROOT}",
        ),
        (
            {"DOCKER": "always"},
            ("unit",),
            f"T1, every job commands the Docker daemon of spot-ci-dind: {ROOT}",
        ),
        (
            {"DOCKER": "never"},
            (),
            "T0, unprivileged containers in spot-ci-dind, without its Docker daemon",
        ),
        (
            {"KIND": "host"},
            ("unit",),
            (
                "T0, unprivileged containers in your own Docker, beside yours (--engine"
                " host)"
            ),
        ),
        (
            {"KIND": "host"},
            (),
            (
                "T1, images commands your own Docker (--engine host), with all your"
                f" containers: {ROOT}"
            ),
        ),
        (
            {"KIND": "shell"},
            (),
            "none, the jobs run as you on this machine (--engine shell)",
        ),
    ],
    ids=["T0", "T1", "nested", "always", "never", "host T0", "host T1", "shell"],
)
def test_the_tier_of_a_run(
    desk: Desk, settings: dict[str, str], names: tuple[str, ...], expected: str
) -> None:
    for name, value in settings.items():
        desk.monkeypatch.setenv(f"SPOTCI_ENGINE_{name}", value)

    assert describe_isolation(desk.task(*names)) == f"isolation: {expected}"
