"""Bringing an image into the engine: from the host engine, or from a registry.

Blocking calls of the docker library, for a thread. ``note`` gets progress, and ends a
transfer that nobody wants any more by raising.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spotci.errors import ImagePullError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from docker.api.client import APIClient

    from spotci.dind.references import Reference
    from spotci.dind.settings import Progress

__all__ = ["PullProgress", "copy_image", "pull_image"]

#: Bytes of an image that are read and written at once.
_CHUNK = 2 << 20

_TAG_LINE = "Loaded image: "
_ID_LINE = "Loaded image ID: "


def copy_image(
    source: APIClient,
    target: APIClient,
    name: str,
    size: int | None,
    note: Progress,
) -> str | None:
    """Copy an image from one daemon to another without storing it in between.

    Returns the name or id that it has there, None where the daemon does not say.
    """
    text = f"taking {name} from this machine's Docker"
    pieces = source.get_image(name, chunk_size=_CHUNK)
    answers = target.load_image(  # type: ignore[no-untyped-call]
        _counted(pieces, text, size, note), quiet=True
    )
    return _loaded(answers, name)


def pull_image(
    client: APIClient,
    reference: Reference,
    *,
    platform: str | None,
    auth: Mapping[str, str],
    note: Progress,
) -> None:
    """Let a daemon pull an image; raise ImagePullError with the registry's words."""
    text = f"pulling {reference.name}"
    progress = PullProgress()
    note(text, 0, None)
    lines = client.pull(
        reference.repository,
        tag=reference.digest or reference.tag,
        stream=True,
        decode=True,
        auth_config=dict(auth),
        platform=platform,
    )
    for line in lines:
        if "error" in line:
            raise _refused(line, "pull image", reference.name)
        if progress.add(line):
            note(text, progress.done, progress.total)


class PullProgress:
    """Bytes of all layers together, from the lines that a pull prints."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}

    @property
    def done(self) -> int:
        """Bytes that have arrived."""
        return sum(done for done, _ in self._layers.values())

    @property
    def total(self) -> int | None:
        """Bytes of the layers that are known so far, None where none is."""
        return sum(size for _, size in self._layers.values()) or None

    def add(self, line: Mapping[str, Any]) -> bool:
        """Take a line; say whether it changed something.

        Layers are unpacked after they have arrived: that is no progress here.
        """
        layer, status = line.get("id"), line.get("status")
        detail = line.get("progressDetail") or {}
        if not layer:
            return False
        if status == "Downloading" and detail.get("total"):
            found = int(detail.get("current") or 0), int(detail["total"])
        elif status in ("Download complete", "Pull complete") and layer in self._layers:
            size = self._layers[layer][1]
            found = size, size
        else:
            return False
        changed = self._layers.get(layer) != found
        self._layers[layer] = found
        return changed


def _counted(
    pieces: Iterable[bytes], text: str, size: int | None, note: Progress
) -> Iterator[bytes]:
    done = 0
    note(text, 0, size)
    for piece in pieces:
        yield piece
        done += len(piece)
        # The size is that of the unpacked layers; their archives are a bit larger.
        note(text, done if size is None else min(done, size), size)


def _loaded(answers: Iterable[Mapping[str, Any]], name: str) -> str | None:
    found = None
    for line in answers:
        if "error" in line:
            raise _refused(line, "take image", name)
        text = str(line.get("stream", ""))
        for prefix in (_TAG_LINE, _ID_LINE):
            if text.startswith(prefix):
                found = text.removeprefix(prefix).strip()
    return found


def _refused(line: Mapping[str, Any], operation: str, subject: str) -> ImagePullError:
    detail = line.get("errorDetail")
    text = detail.get("message") if isinstance(detail, dict) else None
    return ImagePullError(
        str(text or line["error"]), operation=operation, subject=subject
    )
