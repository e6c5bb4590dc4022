from __future__ import annotations

import pytest

from spotci.sizes import parse_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("512", 512),
        ("512b", 512),
        ("8k", 8192),
        ("1.5m", 1_572_864),
        (" 8 GiB ", 8 * 1024**3),
        ("2TB", 2 * 1024**4),
    ],
)
def test_sizes_are_read_as_docker_writes_them(text: str, expected: int) -> None:
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "g", "-1g", "1e9", "8 gigabytes", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a size such as"):
        parse_bytes(text)
