"""The archive of a job's artifacts, as a browser gets it from GitLab: ``NAME.zip``."""

from __future__ import annotations

import os
import stat
import time
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from spotci.pipeline import JobName

__all__ = ["archive_paths", "write_archive"]

#: The format knows no time before.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20


def archive_paths(
    folder: Path, names: Mapping[JobName, str], slugs: Mapping[JobName, str]
) -> dict[JobName, Path]:
    """Return where the archive of each job goes; ``names`` are ``artifacts:name``.

    Archives of one name are told apart by the slugs of their jobs.
    """
    several = [name for name in names.values() if [*names.values()].count(name) > 1]
    return {
        job: folder / f"{slugs[job] + '-' if name in several else ''}{name}.zip"
        for job, name in names.items()
    }


def write_archive(folder: Path, target: Path) -> None:
    """Write all that is in a folder to a zip file, which appears whole or not at all.

    Links stay links, permissions are kept, and so are empty folders. Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in _walk(folder):
                _add(archive, path, path.relative_to(folder).as_posix())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    status = path.lstat()
    folder = stat.S_ISDIR(status.st_mode)
    info = zipfile.ZipInfo(f"{name}/" if folder else name, _EPOCH)
    with suppress(OverflowError, ValueError):
        info.date_time = max(_EPOCH, time.localtime(status.st_mtime)[:6])
    info.external_attr = status.st_mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    if folder:
        archive.writestr(info, b"")
    elif stat.S_ISLNK(status.st_mode):
        archive.writestr(info, os.fsencode(path.readlink()))
    elif stat.S_ISREG(status.st_mode):
        info.file_size = status.st_size
        with path.open("rb") as content, archive.open(info, "w") as member:
            while data := content.read(_CHUNK):
                member.write(data)
