"""The project layer."""

from __future__ import annotations
