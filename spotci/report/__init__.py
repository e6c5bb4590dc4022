"""The report layer."""

from __future__ import annotations
