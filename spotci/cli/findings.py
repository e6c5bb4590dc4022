"""What ``spotci doctor`` finds."""

from __future__ import annotations

from spotci.dataclass import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; ``remedy`` is for what is not as it should be.

    ``level`` is ``ok``, ``warning`` (works, not as well) or ``error`` (cannot run).
    """

    what: str
    text: str
    level: str = "ok"
    remedy: str = ""
