from __future__ import annotations

from typing import Any

import pytest

from spotci.dind.image_facts import image_info, is_newer, suits_platform
from spotci.dind.image_transfer import PullProgress
from spotci.executor.backend import ImageInfo


def test_what_the_executor_needs_to_know() -> None:
    found = {
        "Id": "sha256:1",
        "RepoDigests": ["other@sha256:3", "postgres@sha256:2"],
        "Config": {
            "ExposedPorts": {"5432/tcp": {}, "53/udp": {}, "80": {}},
            "User": "999",
        },
    }

    assert image_info("postgres:16", found) == ImageInfo(
        id="sha256:1",
        name="postgres:16",
        digest="postgres@sha256:2",
        exposed_ports=(80, 5432),
        user="999",
    )


def test_an_image_that_says_nothing() -> None:
    found: dict[str, Any] = {"Id": "sha256:1", "RepoDigests": [], "Config": None}

    assert image_info("a", found) == ImageInfo(id="sha256:1", name="a")


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        pytest.param("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", True, id="later"),
        pytest.param("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", False, id="older"),
        pytest.param(
            "2026-01-01T12:00:00.5+02:00",
            "2026-01-01T10:00:00.400000001Z",
            True,
            id="another time zone",
        ),
        pytest.param("0001-01-01T00:00:00Z", "2026-01-02T00:00:00Z", False, id="never"),
        pytest.param("junk", "2026-01-02T00:00:00Z", False, id="unknown"),
    ],
)
def test_newer_images(theirs: str, ours: str, *, expected: bool) -> None:
    assert (
        is_newer(
            {"Id": "1", "Metadata": {"LastTagTime": theirs}},
            {"Id": "2", "Metadata": {"LastTagTime": ours}},
        )
        is expected
    )


def test_an_image_is_not_newer_than_itself() -> None:
    later = {"Metadata": {"LastTagTime": "2026-02-01T00:00:00Z"}}
    earlier = {"Metadata": {"LastTagTime": "2026-01-01T00:00:00Z"}}

    assert not is_newer({"Id": "1", **later}, {"Id": "1", **earlier})
    assert not is_newer(
        {"Id": "1", "RepoDigests": ["a@sha256:1"], **later},
        {"Id": "2", "RepoDigests": ["a@sha256:1"], **earlier},
    )


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        pytest.param(None, True, id="any"),
        pytest.param("linux/arm64", True, id="the same"),
        pytest.param("linux/aarch64", True, id="another name"),
        pytest.param("linux/arm64/v8", True, id="variant"),
        pytest.param("linux/arm64/v9", False, id="another variant"),
        pytest.param("arm64", True, id="architecture alone"),
        pytest.param("linux", True, id="system alone"),
        pytest.param("linux/amd64", False, id="another architecture"),
        pytest.param("windows/arm64", False, id="another system"),
    ],
)
def test_platforms(platform: str | None, *, expected: bool) -> None:
    found = {"Os": "linux", "Architecture": "arm64", "Variant": "v8"}

    assert suits_platform(found, platform) is expected


def test_the_progress_of_a_pull_counts_what_arrives() -> None:
    progress = PullProgress()
    lines: list[dict[str, Any]] = [
        {"status": "Pulling from library/a", "id": "1"},
        {"status": "Pulling fs layer", "id": "a"},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": 1}},
        _line("Downloading", "a", 10, 100),
        _line("Downloading", "b", 5, 50),
        _line("Downloading", "b", 5, 50),
        {"status": "Download complete", "id": "b"},
        _line("Extracting", "b", 1, 50),
        {"status": "Pull complete", "id": "a"},
        {"status": "Digest: sha256:1"},
    ]

    changes = [progress.add(line) for line in lines]

    assert [index for index, changed in enumerate(changes) if changed] == [3, 4, 6, 8]
    assert (progress.done, progress.total) == (150, 150)


def _line(status: str, layer: str, current: int, total: int) -> dict[str, Any]:
    detail = {"current": current, "total": total}
    return {"status": status, "id": layer, "progressDetail": detail}
