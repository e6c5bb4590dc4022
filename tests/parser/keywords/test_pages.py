from __future__ import annotations

from typing import Any

import pytest

from tests.trees import decoded, job_of, job_with, messages_of


@pytest.mark.parametrize(
    ("name", "yaml", "pages", "paths"),
    [
        pytest.param("build", "", None, None, id="no pages"),
        pytest.param("pages", "", True, ("public",), id="by name"),
        pytest.param("pages", "pages: false", None, None, id="switched off"),
        pytest.param("build", "pages: true", True, ("public",), id="by keyword"),
        pytest.param(
            "build", "pages: {publish: dist}", {"publish": "dist"}, ("dist",), id="path"
        ),
        pytest.param(
            "pages", "publish: dist", {"publish": "dist"}, ("dist",), id="publish"
        ),
        pytest.param(
            "pages",
            "publish: dist\n  pages: {path_prefix: p}",
            {"publish": "dist", "path_prefix": "p"},
            ("dist",),
            id="both",
        ),
        pytest.param(
            "pages",
            "artifacts: {paths: [a]}",
            True,
            ("a", "public"),
            id="added to the artifacts",
        ),
        pytest.param(
            "pages",
            "artifacts: {paths: [public]}",
            True,
            ("public",),
            id="there already",
        ),
    ],
)
def test_pages(name: str, yaml: str, pages: Any, paths: tuple[str, ...] | None) -> None:
    config, problems = decoded(f"{name}:\n  script: x\n  {yaml}\n")

    assert problems.errors == []
    job = config.jobs[name].job
    assert job.pages == pages
    assert (None if job.artifacts is None else job.artifacts.paths) == paths


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("pages: x", ":pages config should be a hash or a boolean value"),
        ("pages: {foo: x}", ":pages config contains unknown keys: foo"),
        ("pages: {path_prefix: 1}", ":pages path prefix should be a string"),
        ("pages: {publish: 1}", ":pages publish should be a string"),
        ("pages: {expire_in: x}", ":pages expire in should be a duration"),
        ("publish: a", " publish can only be used within a `pages` job"),
        ("pages: true\npublish: 1", " publish should be a string"),
    ],
)
def test_wrong_pages(yaml: str, message: str) -> None:
    assert messages_of(job_with(yaml)) == [f"jobs:build{message}"]


@pytest.mark.parametrize("value", ["never", "1 week", "$EXPIRE"])
def test_expire_in(value: str) -> None:
    assert job_of(f"pages: {{expire_in: {value}}}").job.pages == {"expire_in": value}
