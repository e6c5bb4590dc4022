"""Options of gitlab-ci-local that stand in files and in the environment.

The weakest first: ``~/.gitlab-ci-local/.env``, ``.gitlab-ci-local-env`` of the project,
and variables of the environment whose names begin with ``GCL_``. Which of them have a
counterpart is the matter of those who ask.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.project.dotenv import read_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["HOME_FOLDER", "OPTIONS_FILE", "Option", "read_options"]

HOME_FOLDER = ".gitlab-ci-local"
OPTIONS_FILE = ".gitlab-ci-local-env"
_PREFIX = "GCL_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option as it was written; ``several`` says that blanks part its values."""

    name: str
    value: str
    origin: str
    several: bool

    @property
    def values(self) -> list[str]:
        """The values: an option of the environment is one, with all its blanks."""
        return self.value.split() if self.several else [self.value]


def read_options(root: Path, environ: Mapping[str, str]) -> Iterator[Option]:
    """Yield every option, the weakest first.

    Raises UsageError for a file that cannot be read.
    """
    home = environ.get("HOME")
    files = [Path(home, HOME_FOLDER, ".env")] if home else []
    for path in (*files, root / OPTIONS_FILE):
        for pair in read_pairs(path):
            if pair.name is not None:
                yield Option(
                    name=pair.name,
                    value=pair.value,
                    origin=f"{path.name}:{pair.line}",
                    several=True,
                )
    for variable, value in sorted(environ.items()):
        if variable.startswith(_PREFIX):
            yield Option(
                name=variable.removeprefix(_PREFIX),
                value=value,
                origin=variable,
                several=False,
            )
