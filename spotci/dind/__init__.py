"""The dind layer."""

from __future__ import annotations
