"""The language of ``rules:if``: tokens, tree, value."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["Expression"]

Expression: TypeAlias = object
