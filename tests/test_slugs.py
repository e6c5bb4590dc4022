from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotci.slugs import environment_slug, slugify


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("main", "main"),
        ("Feature/New_Thing", "feature-new-thing"),
        ("17.9", "17-9"),
        ("a--b", "a--b"),
        ("-a-", "a"),
        ("é", ""),
        ("a" * 70, "a" * 63),
        ("a" * 62 + "/b", "a" * 62),
    ],
)
def test_slugify(text: str, slug: str) -> None:
    assert slugify(text) == slug


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("production", "production"),
        ("foo-", "foo"),
        ("1-foo", r"env-1-foo-[0-9a-z]{6}"),
        ("foo--bar", r"foo-bar-[0-9a-z]{6}"),
        ("review/feature-1", r"review-feature-1-[0-9a-z]{6}"),
        ("staging-12345678901234567", r"staging-123456789-[0-9a-z]{6}"),
        ("staging-12345678-01234567", r"staging-12345678-[0-9a-z]{6}"),
        ("", r"env--?[0-9a-z]{6}"),
    ],
)
def test_environment_slug(name: str, slug: str) -> None:
    assert re.fullmatch(slug, environment_slug(name))


@pytest.mark.property
@given(st.text())
def test_an_environment_slug_is_a_host_name(name: str) -> None:
    slug = environment_slug(name)

    assert re.fullmatch(r"[a-z][a-z0-9-]{0,23}", slug)
    assert not slug.endswith("-")
    assert "--" not in slug
