"""What the processes of the shell backend have in common."""

from __future__ import annotations

import os

__all__ = ["inherited_variables"]

#: What a job sees of the environment of the user: nothing that may be a secret.
_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TMPDIR")


def inherited_variables() -> dict[str, str]:
    """Return what a job sees of the environment of the user."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}
