"""The Docker backend, put together for one run."""

from __future__ import annotations
