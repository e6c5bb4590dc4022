"""The parser layer."""

from __future__ import annotations
