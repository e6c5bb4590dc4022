"""Run GitLab CI pipelines on your own machine, decided as GitLab decides."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
