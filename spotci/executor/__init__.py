"""The executor layer."""

from __future__ import annotations
