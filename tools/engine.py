"""Makes sure that a Docker engine answers on this machine: ``make engine``.

Where one answers already, nothing is touched. Otherwise, on Debian or Ubuntu as root,
a daemon is taken from Debian's packages, unpacked into a folder of its own below the
user's cache, and started; elsewhere a message says what to install.

Debian 12's own daemon (20.10) cannot start privileged containers on machines that lack
a capability, so the packages come from Debian 13; runc and iptables are those of the
machine's own release, which fit its C library.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NoReturn

SUITE = "trixie"
PACKAGES = (
    "containerd",
    "docker-buildx",
    "docker-cli",
    "docker-compose",
    "docker.io",
    "tini",
)
OWN_PACKAGES = {"runc": "runc", "iptables": "iptables", "mmdebstrap": "mmdebstrap"}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEFAULT_MIRROR = "http://deb.debian.org/debian"
SOCKET = Path("/var/run/docker.sock")
START_TIMEOUT = 60.0
LEFTOVERS = (Path("/var/lib/docker"), Path("/run/docker"), Path("/run/containerd"))

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spotci-dev"
ROOT = CACHE / "engine"
LOG = CACHE / "dockerd.log"
PID = CACHE / "dockerd.pid"


def main() -> int:
    """Start an engine where none answers, or stop the one that was started here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stop", action="store_true", help="stop what we started")
    if parser.parse_args().stop:
        return stop()

    if version := answering():
        say(f"a Docker engine answers: {version}")
        return 0
    require_root_on_debian()
    if not (ROOT / "usr/sbin/dockerd").exists():
        unpack()
    install_own_packages()
    clear_leftovers()
    return start()


def say(text: str) -> None:
    """Print one line of progress at once."""
    print(f"engine: {text}", flush=True)


def fail(text: str) -> NoReturn:
    """End with a message for the user."""
    print(f"engine: {text}", file=sys.stderr)
    raise SystemExit(3)


class _SocketConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(5)
        self.sock.connect(str(self._path))


def answering() -> str | None:
    """Return the version of the engine that answers, or None."""
    host = os.environ.get("DOCKER_HOST", f"unix://{SOCKET}")
    if not host.startswith("unix://"):
        return f"at {host} (DOCKER_HOST)"
    connection = _SocketConnection(Path(host.removeprefix("unix://")))
    try:
        connection.request("GET", "/version")
        return str(json.load(connection.getresponse())["Version"])
    except (OSError, HTTPException, ValueError, KeyError):
        return None
    finally:
        connection.close()


def require_root_on_debian() -> None:
    """Explain what to install where we cannot install it."""
    release = (
        platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    )
    family = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    if sys.platform != "linux" or not family & {"debian", "ubuntu"}:
        fail(
            "no Docker engine answers. Install Docker Desktop, or Docker Engine 23 or\n"
            "newer (https://docs.docker.com/engine/install/), start it and try again."
        )
    if os.geteuid() != 0:
        fail(
            "no Docker engine answers. Start it (sudo systemctl start docker), or run\n"
            "`sudo make engine` to have one set up from Debian's packages."
        )


def mirrors() -> str:
    """Return the Debian mirror that this machine uses."""
    folder = Path("/etc/apt")
    for path in (
        folder / "sources.list",
        *sorted((folder / "sources.list.d").glob("*")),
    ):
        if not path.is_file():
            continue
        for word in path.read_text(errors="replace").split():
            if word.startswith(("http://", "https://")) and word.rstrip("/").endswith(
                "/debian"
            ):
                return word.rstrip("/")
    return DEFAULT_MIRROR


def unpack() -> None:
    """Fetch the packages of the daemon and unpack them, upgrading nothing."""
    apt = CACHE / "apt"
    for folder in ("lists/partial", "archives/partial", "debs"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    if not KEYRING.exists():
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "debian-archive-keyring")
    (apt / "sources.list").write_text(
        f"deb [signed-by={KEYRING}] {mirrors()} {SUITE} main\n"
    )
    configuration = apt / "apt.conf"
    configuration.write_text(
        f'Dir::State::lists "{apt}/lists";\n'
        f'Dir::Cache::archives "{apt}/archives";\n'
        'Dir::Cache::pkgcache "";\n'
        'Dir::Cache::srcpkgcache "";\n'
        f'Dir::Etc::sourcelist "{apt}/sources.list";\n'
        'Dir::Etc::sourceparts "-";\n'
        'APT::Sandbox::User "root";\n'
    )
    environment = {"APT_CONFIG": str(configuration)}
    say(f"fetching Docker from Debian {SUITE} ({', '.join(PACKAGES)})")
    run("apt-get", "update", "-qq", env=environment)
    run("apt-get", "download", "-qq", *PACKAGES, env=environment, cwd=apt / "debs")

    unfinished = ROOT.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    for package in sorted((apt / "debs").glob("*.deb")):
        run("dpkg", "-x", str(package), str(unfinished))
    init = unfinished / "usr/bin/docker-init"
    init.unlink(missing_ok=True)
    shutil.copy2(unfinished / "usr/bin/tini-static", init)
    shutil.rmtree(ROOT, ignore_errors=True)
    unfinished.rename(ROOT)
    shutil.rmtree(apt / "debs")
    say(f"unpacked into {ROOT}")


def install_own_packages() -> None:
    """Install what the daemon runs, from the machine's own release."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    missing = [
        package
        for package, program in OWN_PACKAGES.items()
        if shutil.which(program, path=path) is None
    ]
    if missing:
        say(f"installing {', '.join(missing)}")
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)


def clear_leftovers() -> None:
    """Remove what a daemon that was killed left: its mounts, sockets and pid files.

    Only called where no daemon answers, and only where none is running: with its
    processes gone, the state below ``/run`` is that of a machine after a reboot.
    """
    for pid in running("dockerd"):
        fail(
            f"a dockerd runs (pid {pid}) but does not answer at {SOCKET}.\n"
            "Stop it, or set DOCKER_HOST to where it listens."
        )
    for name in ("containerd", "containerd-shim-runc-v2"):
        for pid in running(name):
            if str(ROOT) in Path(f"/proc/{pid}/cmdline").read_text(errors="replace"):
                os.kill(pid, signal.SIGKILL)
    points = [
        Path(line.split()[4].encode().decode("unicode_escape"))
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    for point in reversed(points):
        if any(folder in point.parents for folder in LEFTOVERS):
            subprocess.run(["umount", "--lazy", str(point)], check=False)
    if not running("containerd"):
        shutil.rmtree("/run/containerd", ignore_errors=True)
    shutil.rmtree("/run/docker", ignore_errors=True)
    for path in (Path("/var/run/docker.pid"), SOCKET):
        path.unlink(missing_ok=True)


def running(name: str) -> list[int]:
    """Return the ids of the processes with this program name, outside containers."""
    found = []
    own = Path("/proc/self/ns/pid").readlink()
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            # A daemon in a container is in a namespace of its own.
            here = (comm.parent / "ns/pid").readlink() == own
            if here and comm.read_text().strip() == name[:15]:
                found.append(int(comm.parent.name))
    return found


def start() -> int:
    """Start the daemon in the background and wait until it answers."""
    path = f"{ROOT}/usr/sbin:{ROOT}/usr/bin:{os.environ.get('PATH', os.defpath)}"
    say(f"starting dockerd (log: {LOG})")
    with LOG.open("wb") as log:
        process = subprocess.Popen(
            [ROOT / "usr/sbin/dockerd", f"--host=unix://{SOCKET}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": f"{path}:/usr/sbin:/sbin"},
            start_new_session=True,
            cwd="/",
        )
    PID.write_text(str(process.pid))
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        if version := answering():
            say(f"Docker {version} answers; `make engine-stop` ends it")
            return 0
        time.sleep(0.1)
    tail = "\n".join(LOG.read_text(errors="replace").splitlines()[-15:])
    fail(f"dockerd did not start. The end of its log:\n{tail}")


def stop() -> int:
    """Stop the daemon that an earlier call started."""
    try:
        pid = int(PID.read_text())
    except (OSError, ValueError):
        say("nothing to stop: no engine was started here")
        return 0
    if pid in running("dockerd"):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + START_TIMEOUT
        while pid in running("dockerd") and time.monotonic() < deadline:
            time.sleep(0.1)
        say("stopped")
    PID.unlink(missing_ok=True)
    return 0


def run(
    *command: str, env: dict[str, str] | None = None, cwd: Path | None = None
) -> None:
    """Run a command of the package manager; end with its output where it fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", **(env or {})}
    done = subprocess.run(
        command, env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        fail(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
