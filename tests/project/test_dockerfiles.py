from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spotci.project.dockerfiles import base_images
from spotci.tree import SourceTree, TreeEntry

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("Dockerfile", "FROM a:1\n", ("a:1",), id="from"),
        pytest.param(
            "x/dev.Dockerfile",
            "ARG BASE=b:2\nFROM ${BASE}\n",
            ("b:2",),
            id="default of an argument",
        ),
        pytest.param("Dockerfile.ci", "FROM $BASE\n", (), id="unknown argument"),
        pytest.param(
            "Dockerfile",
            "FROM --platform=linux/amd64 a AS one\nFROM one\nCOPY --from=c:3 /x /y\n"
            "COPY --from=0 /x /y\n",
            ("a", "c:3"),
            id="stages and copies",
        ),
        pytest.param("Dockerfile", "FROM scratch\n", (), id="scratch"),
        pytest.param("notes.txt", "FROM a\n", (), id="another file"),
    ],
)
def test_base_images(
    tmp_path: Path, name: str, text: str, expected: tuple[str, ...]
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    entry = TreeEntry(path=name, mode=0o100644, size=len(text), mtime_ns=0)

    assert base_images(SourceTree(root=tmp_path, entries=(entry,))) == expected
