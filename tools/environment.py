"""Makes the virtual environment with spotci and its tools: ``make install``.

Runs with the machine's own Python, so it uses the standard library alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

MINIMUM = (3, 11)


def main() -> int:
    """Create the environment named on the command line and install into it."""
    if sys.version_info < MINIMUM:
        print("install: spotci needs Python 3.11 or newer", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    python = folder / "bin" / "python"
    if not python.exists() and not create(folder):
        return 2
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run([*pip, "install", "--editable", ".[dev]"], check=False)
    return done.returncode


def create(folder: Path) -> bool:
    """Create an environment, with Debian's package for it where that is missing."""
    command = [sys.executable, "-m", "venv", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return True
    shutil.rmtree(folder, ignore_errors=True)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("install: python3-venv from the machine's packages", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (("update",), ("install", "-y", "python3-venv")):
            subprocess.run(["apt-get", "-qq", *arguments], env=environment, check=False)
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        print("install: Python's venv module is missing", file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
