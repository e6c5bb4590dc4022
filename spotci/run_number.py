"""The number of a project's next run, ``CI_PIPELINE_IID``.

Apart from the records of runs, which cost more to import than a number is worth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["next_number", "number_file"]


def next_number(store: Path) -> int:
    """Return the number of the next run of the folder ``.spotci``; the first is 1."""
    try:
        return max(1, int(number_file(store).read_text("ascii")))
    except (OSError, ValueError):
        return 1


def number_file(store: Path) -> Path:
    """Return the file that holds the number of the next run."""
    return store / "number"
