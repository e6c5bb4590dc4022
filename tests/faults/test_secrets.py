"""Secrets: random canaries, looked for in everything that a run leaves; S1 to S5, N3.

A run prints them in every form that is masked, keeps them in caches and names, and is
watched meanwhile: arguments of all processes, objects of both daemons. Afterwards, and
after SIGKILL, they are looked for in records, reports and the volumes of the engine.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from base64 import b64encode
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spotci.dind.labels import Role
from tests.faults.world import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.world import World

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

_PIPELINE = r"""
image: busybox:1.36
print:
  services:
    - {name: "busybox:1.36", alias: web, command: [httpd, -f, -p, "80"]}
  cache: {key: $CANARY_TOKEN, paths: [cached]}
  artifacts: {name: $CANARY_TOKEN, paths: [out], reports: {dotenv: out/dotenv}}
  environment: {name: "of/$CANARY_TOKEN", url: "https://e.example/$CANARY_TOKEN"}
  script:
    - mkdir out && echo 1 >cached && echo A=1 >out/dotenv
    - printf '%s\n' "$CANARY_TOKEN" "x${CANARY_TOKEN}y" >&2
    - set -x; true "$CANARY_TOKEN"; set +x
    - cat "$SECRET_FILE"
    - i=1
    - 'while [ "$i" -le "${#CANARY_TOKEN}" ]; do
         printf %s "${CANARY_TOKEN}" | cut -c "$i" | tr -d "\n"; i=$((i + 1));
       done; echo'
    - for prefix in "" a ab; do printf %s%s "$prefix" "$CANARY_TOKEN" | base64; done
    - printf '{"token":"%s"}\n' "$CANARY_TOKEN"
    - printf 'https://e.example/?q=%s\n' "$CANARY_TOKEN"
    - printf '\033[1m%s\033[0m\r%s\n' "$CANARY_TOKEN" "$CANARY_TOKEN"
    - printf 'section_start:1:s\r\033[0K%s\n' "$CANARY_TOKEN"
    - printf 'section_end:1:s\r\033[0K\n'
    - echo "${LEAK:-$GITLAB_TOKEN}"
    - sleep 1
  after_script:
    - echo "$CANARY_TOKEN"
fail:
  needs: [print]
  script:
    - echo "$CANARY_TOKEN" >secret-file
    - cp "$SECRET_FILE" secret-copy
    - eval "$CANARY_TOKEN"
  allow_failure: true
"""

_HANG = """
image: busybox:1.36
hang:
  script:
    - echo "$CANARY_TOKEN" >secret-file
    - cp "$SECRET_FILE" secret-copy
    - echo begun; sleep 300
"""

# The canary comes reversed, so that the command itself is no finding.
_SCAN = r"""
printf %s "$1" | rev >/tmp/canary
find /spotci /var/lib/docker -type f -exec grep -lF -f /tmp/canary {} + 2>/dev/null
rm /tmp/canary
exit 0
"""


@dataclass
class Canaries:
    """Random secrets; ``seen`` are those places where one was found."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    file: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    #: In the environment of spotci, for spotci alone.
    own: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def in_text(self, text: str | bytes) -> bool:
        """Say whether one is in a text, plain or as base64."""
        data = text.encode("utf-8", "replace") if isinstance(text, str) else text
        values = (self.token, self.file, self.own)
        plain = [value.encode() for value in values]
        # Of three bytes that base64 encodes together none may be a neighbour's.
        coded = [b64encode(value[at : at + 21]) for value in plain for at in (0, 1, 2)]
        return any(value in data for value in (*plain, *coded))


@pytest.fixture(scope="module")
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture(scope="module")
def rich(new_world: Callable[[], World], canaries: Canaries) -> World:
    """A user with secrets in the files that spotci reads, and in the environment."""
    world = new_world()
    environ = world.project.environ
    environ["GITLAB_TOKEN"] = environ["SPOTCI_GITLAB_TOKEN"] = canaries.own
    world.write(_PIPELINE, **{".gitignore": ".spotci.env\n.gitlab-ci-local-*\n"})
    root = world.project.root
    (root / ".spotci.env").write_text(f"CANARY_TOKEN={canaries.token}\n")
    (root / ".gitlab-ci-local-variables.yml").write_text(
        "SECRET_FILE:\n  type: file\n  values:\n"
        f'    "*": "{canaries.file}\\nof two lines\\n"\n'
    )
    return world


class _Watch:
    """Samples arguments of processes, and objects of both daemons, for a canary."""

    def __init__(self, world: World, canaries: Canaries) -> None:
        self.world, self.canaries = world, canaries
        self.samples = self.inspected = 0
        self.found: set[str] = set()
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            self.arguments()
            with suppress(Exception):  # an object may go while it is looked at
                self.objects()
            self.samples += 1
            time.sleep(0.05)

    def arguments(self) -> None:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                self.look(str(file), file.read_bytes())

    def objects(self) -> None:
        world = self.world
        host, inner = world.host, world.engine()
        ours = {"label": f"spotci.engine={world.settings.name}"}
        for client, filters in ((host, ours), (inner, None)):
            for item in client.containers(all=True, filters=filters):
                self.inspect(item["Id"], client.inspect_container(item["Id"]))
            for item in client.volumes(filters=filters)["Volumes"] or ():
                self.inspect(item["Name"], client.inspect_volume(item["Name"]))
            for item in client.networks(filters=filters):
                self.inspect(item["Id"], client.inspect_network(item["Id"]))
        for item in inner.images():
            self.image(inner, item["Id"])

    def image(self, client: Any, name: str) -> None:
        self.inspect(name, client.inspect_image(name))
        self.inspect(name, client.history(name))

    def inspect(self, name: str, state: Any) -> None:
        self.inspected += 1
        self.look(name, json.dumps(state))

    def look(self, place: str, content: str | bytes) -> None:
        if self.canaries.in_text(content):
            self.found.add(place)


@contextmanager
def watching(world: World, canaries: Canaries) -> Iterator[_Watch]:
    watch = _Watch(world, canaries)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        yield watch
    finally:
        watch.ended.set()
        thread.join()


def on_volumes(world: World, canaries: Canaries) -> list[str]:
    """Return the files of the engine's volumes that hold a canary."""
    values = (canaries.token, canaries.file, canaries.own)
    return [
        line
        for value in values
        for line in world.shell(_SCAN, value[::-1]).splitlines()
    ]


def on_host(world: World, canaries: Canaries) -> list[str]:
    """Return what spotci wrote on the host that holds a canary."""
    places = (world.runs.root, Path(world.project.environ["HOME"]))
    return [
        str(path)
        for place in places
        for path in place.rglob("*")
        if canaries.in_text(str(path.relative_to(place)))
        or (path.is_file() and canaries.in_text(path.read_bytes()))
    ]


def test_no_secret_is_in_anything_that_a_run_leaves(
    rich: World, canaries: Canaries, figure: Callable[..., None]
) -> None:
    project = rich.project
    project.spotci("up")
    with watching(rich, canaries) as watch:
        shown = {"json": project.spotci("run", "--output", "json")}
    for output in ("plain", "quiet"):
        shown[output] = project.spotci("run", "--output", output)
    for command in (
        ("report", "--no-open", "--output", "-"),
        ("report", "--format", "junit", "--output", "-"),
        ("logs",),
        ("runs",),
        ("explain", "print"),
        ("show",),
        ("list", "--format", "json"),
        ("doctor",),
    ):
        shown[" ".join(command)] = project.spotci(*command, code=None)

    leaks = [name for name, text in shown.items() if canaries.in_text(text)]

    assert "[MASKED]" in shown["plain"]
    assert leaks == []
    assert watch.found == set()
    assert on_host(rich, canaries) == []
    assert on_volumes(rich, canaries) == []
    figure("secrets: outputs and reports searched", len(shown))
    figure("secrets: samples of all processes' arguments", watch.samples)
    figure("secrets: objects of both daemons inspected", watch.inspected)
    figure("secrets leaked", 0)


def test_no_secret_is_left_by_a_run_that_is_killed(
    rich: World, canaries: Canaries, figure: Callable[..., None]
) -> None:
    rich.write(_HANG)
    process = rich.start("run", "--output", "plain")
    assert process.stdout is not None
    assert any("begun" in line for line in iter(process.stdout.readline, ""))
    assert len(on_volumes(rich, canaries)) >= 2

    process.kill()
    process.communicate()

    until(lambda: on_volumes(rich, canaries) == [], within=30)
    assert on_host(rich, canaries) == []
    assert rich.containers() == []
    figure("secrets on volumes after SIGKILL", 0)


@pytest.mark.long
def test_files_of_secrets_are_private_and_in_memory(rich: World) -> None:
    rich.write(
        'image: busybox:1.36\na: {script: [umask, "echo $SECRET_FILE", sleep 300]}\n'
    )
    process = rich.start("run", "--output", "plain", umask=0)
    assert process.stdout is not None
    assert any("SECRET_FILE" in line for line in iter(process.stdout.readline, ""))

    places = rich.shell("find /spotci/r/*/t -name SECRET_FILE")
    folder = places.strip().rpartition("/")[0]
    disk = rich.shell('stat -f -c %T "$1"', folder).strip()
    outside = rich.shell('stat -c %a "$1"', folder.rpartition("/")[0]).strip()
    process.terminate()
    process.communicate()

    assert disk == "tmpfs"
    # Jobs of any user read it in their own mount; the way to it is root's alone.
    assert outside == "711"
    assert rich.runs.root.stat().st_mode & 0o077 == 0


def test_the_users_own_token_reaches_a_job_only_by_the_pipelines_variables(
    rich: World, canaries: Canaries
) -> None:
    rich.write(
        "image: busybox:1.36\n"
        'a: {script: ["env | sort", "echo token:${GITLAB_TOKEN-unset}:"]}\n'
    )

    first = rich.project.run()
    second = rich.project.run("--variable", f"GITLAB_TOKEN={canaries.own}")

    assert "token:unset:" in first.log("a")
    assert "token:[MASKED]:" in second.log("a")
    assert not canaries.in_text(first.log("a") + second.log("a"))


def test_neither_socket_nor_home_nor_agent_of_the_user_is_mounted(rich: World) -> None:
    state = rich.host.inspect_container(rich.settings.name)

    sources = {mount["Source"] for mount in state["Mounts"] if mount["Type"] == "bind"}
    volumes = {mount["Name"] for mount in state["Mounts"] if mount["Type"] == "volume"}

    assert sources == {str(rich.settings.state_dir / rich.settings.name)}
    assert volumes == {rich.settings.data_volume, rich.settings.work_volume}
    assert state["Config"]["Labels"]["spotci.role"] == Role.ENGINE
