"""Gets the images that demo and tests use into the Docker engine: ``make images``.

Each is pulled where its registry answers. Where none does, a stand-in under the same
name is built from Debian's packages (``tools/standins/``), so that everything runs
without a registry; a label tells a stand-in from the real image.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, DockerException, ImageNotFound

LABEL = "spotci.standin"
BASE = "debian:trixie-slim"
STANDINS = Path(__file__).parent / "standins"
#: Documentation and translations, which no job reads.
EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standin:
    """How to build the stand-in of an image: its folder, and the build target."""

    folder: str
    target: str | None = None

    def digest(self) -> str:
        """Return a hash over the files that the stand-in is built from."""
        total = hashlib.sha256(f"{BASE} {self.target}".encode())
        for path in sorted((STANDINS / self.folder).iterdir()):
            total.update(path.name.encode() + path.read_bytes())
        return total.hexdigest()[:16]


IMAGES = {
    "docker:28-dind": Standin(folder="docker", target="dind"),
    "docker:28": Standin(folder="docker", target="cli"),
    "registry:2": Standin(folder="registry"),
    "python:3.12-slim": Standin(folder="python"),
    "postgres:16": Standin(folder="postgres"),
    "redis:7": Standin(folder="redis"),
    "busybox:1.36": Standin(folder="busybox", target="busybox"),
    "alpine:3.20": Standin(folder="busybox", target="alpine"),
    "ruby:3.1": Standin(folder="ruby"),
}


def main() -> int:
    """Bring every image of the table into the engine."""
    try:
        client = docker.from_env(timeout=600)
        client.ping()
    except DockerException as error:
        say(f"no Docker engine answers ({error}); run `make engine` first")
        return 3

    reachable = True
    for name, standin in IMAGES.items():
        label = _label(client, name)
        if label in ("", standin.digest()):
            continue
        if reachable and label is None:
            reachable = pull(client, name)
            if reachable:
                continue
        build(client, name, standin)
    say(f"{len(IMAGES)} images are in the engine")
    return 0


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(f"images: {text}", flush=True)


def _label(client: docker.DockerClient, name: str) -> str | None:
    """Return the stand-in label: empty for a real image, None for a missing one."""
    try:
        return str(client.images.get(name).labels.get(LABEL, ""))
    except ImageNotFound:
        return None


def pull(client: docker.DockerClient, name: str) -> bool:
    """Pull an image; say whether the registry could be reached at all."""
    say(f"pulling {name}")
    try:
        client.images.pull(name)
    except ImageNotFound:
        say(f"{name} is not in its registry")
    except APIError as error:
        say(f"no registry answers ({error.explanation}); building stand-ins")
        return False
    return True


def build(client: docker.DockerClient, name: str, standin: Standin) -> None:
    """Build the stand-in of an image from Debian's packages."""
    if _label(client, BASE) is None:
        make_base(client)
    started = time.monotonic()
    say(f"building a stand-in for {name} from Debian's packages")
    try:
        client.images.build(
            path=str(STANDINS / standin.folder),
            tag=name,
            target=standin.target,
            labels={LABEL: standin.digest()},
            rm=True,
        )
    except BuildError as error:
        log = "".join(str(entry.get("stream", "")) for entry in error.build_log)
        say(f"{name} could not be built:\n{log}\n{error}")
        raise SystemExit(1) from error
    say(f"built {name} in {time.monotonic() - started:.0f} s")


def make_base(client: docker.DockerClient) -> None:
    """Make the base image of the stand-ins with mmdebstrap."""
    started = time.monotonic()
    say(f"making {BASE} with mmdebstrap")
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        "--include=ca-certificates",
        *(f"--dpkgopt=path-exclude={path}" for path in EXCLUDED),
        "trixie",
        "-",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for
        repository, tag = BASE.split(":")
        client.api.import_image(
            src=process.stdout, repository=repository, tag=tag, stream_src=True
        )
    if process.returncode != 0:
        say(f"mmdebstrap failed with exit code {process.returncode}")
        raise SystemExit(1)
    say(f"made {BASE} in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
