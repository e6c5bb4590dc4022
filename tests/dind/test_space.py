from __future__ import annotations

from dataclasses import dataclass

import pytest

from spotci.dind.space import full_disk, room_hint

ROOMY = "4096 60000000 20000000 15000000 14000000"


@dataclass
class Answer:
    """A Shell that prints this, whatever it is asked."""

    text: str

    async def run(self, script: str, *args: str, stdin: bytes = b"") -> bytes:
        assert "stat" in script
        assert args == ("/spotci", "/var/lib/docker")
        assert stdin == b""
        return self.text.encode()


@pytest.mark.parametrize(
    ("work", "data", "expected"),
    [
        pytest.param(ROOMY, ROOMY, None, id="room on both"),
        pytest.param(
            "4096 60000000 0 15000000 14000000",
            ROOMY,
            "the disk of workspaces and caches",
            id="no block left",
        ),
        pytest.param(
            ROOMY,
            "4096 60000000 8191 15000000 14000000",
            "the disk of images and containers",
            id="less than 32 MiB left",
        ),
        pytest.param(
            "4096 60000000 20000000 15000000 0",
            ROOMY,
            "the disk of workspaces and caches",
            id="no file left",
        ),
        pytest.param("4096 16384 4096 0 0", ROOMY, None, id="files without a bound"),
        pytest.param("4096 16384 4096 9 8", ROOMY, None, id="a small disk, 16 MiB"),
        pytest.param(
            "4096 16384 160 9 8",
            ROOMY,
            "the disk of workspaces and caches",
            id="a small disk, less than a hundredth",
        ),
    ],
)
async def test_a_disk_without_room_is_told(
    work: str, data: str, expected: str | None
) -> None:
    assert await full_disk(Answer(f"{work}\n{data}\n")) == expected


@pytest.mark.parametrize(
    "message",
    [
        "write /blobs/sha256/2a96: no space left on device",
        "tar: f/a: Cannot write: No space left on device",
        "cp: cannot create 'a': Disk quota exceeded",
    ],
)
def test_errors_of_a_full_disk_come_with_a_hint(message: str) -> None:
    assert room_hint(message) == "to free some room: spotci clean --cache --images"


def test_other_errors_come_without() -> None:
    assert room_hint("no such image: space/device:left") is None
