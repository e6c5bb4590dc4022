"""Slugs: names made fit for host names and URLs, exactly as GitLab makes them."""

from __future__ import annotations

import re

__all__ = ["environment_slug", "slugify"]

_SLUG_LENGTH = 63
_ENVIRONMENT_LENGTH = 24
_SHORTENED = 17
_SUFFIX = 6
_NOT_ALLOWED = re.compile(r"[^a-z0-9]")
_DASHES = re.compile(r"-+")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def slugify(text: str) -> str:
    """Return the slug of ``CI_COMMIT_REF_SLUG`` and its like.

    Lower case, anything but ``a-z0-9`` a dash, at most 63 characters, no dash at
    either end. Runs of dashes stay.
    """
    return _NOT_ALLOWED.sub("-", text.lower())[:_SLUG_LENGTH].strip("-")


def environment_slug(name: str) -> str:
    """Return ``CI_ENVIRONMENT_SLUG`` of an environment's name.

    At most 24 characters, begins with a letter, has no run of dashes. A name that
    is not its own slug gets a suffix from its hash, so that different names stay
    different.
    """
    slug = _NOT_ALLOWED.sub("-", name.lower())
    if not slug[:1].isalpha():
        slug = f"env-{slug}"
    slug = _DASHES.sub("-", slug)
    if len(slug) <= _ENVIRONMENT_LENGTH and slug == name:
        return slug.removesuffix("-")
    slug = slug[:_SHORTENED]
    if not slug.endswith("-"):
        slug += "-"
    return slug + _suffix(name)


def _suffix(name: str) -> str:
    from hashlib import sha256  # noqa: PLC0415 - loads OpenSSL, and is seldom needed

    number = int(sha256(name.encode("utf-8", "surrogateescape")).hexdigest(), 16)
    digits = ""
    for _ in range(_SUFFIX):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
