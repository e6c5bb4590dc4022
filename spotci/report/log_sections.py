"""The sections of recorded logs: where each begins and ends in the file of its job."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from spotci.dataclass import dataclass
from spotci.events import SectionFinished, SectionStarted

if TYPE_CHECKING:
    from spotci.events import Event
    from spotci.pipeline import JobName

__all__ = ["LogSections", "Section"]


@dataclass(slots=True, kw_only=True)
class Section:
    """A phase of a job or a section of its script, with those inside of it.

    ``start`` and ``end`` are bytes of the log; an end of None is that of the log.
    """

    name: str
    title: str
    start: int
    began: float
    collapsed: bool = False
    end: int | None = None
    #: Seconds, None where it did not end.
    seconds: float | None = None
    inside: list[Section] = field(default_factory=list)


class LogSections:
    """Collects the sections of all jobs from the events of a record."""

    def __init__(self) -> None:
        self._found: dict[JobName, list[Section]] = {}
        self._open: dict[JobName, list[Section]] = {}

    def handle(self, event: Event) -> None:
        """Take the next event; events that bear no offset are not of a record."""
        match event:
            case SectionStarted(offset=int(offset)):
                section = Section(
                    name=event.section,
                    title=event.title,
                    start=offset,
                    began=event.at,
                    collapsed=event.collapsed,
                )
                outer = self._open.setdefault(event.job, [])
                found = self._found.setdefault(event.job, [])
                (outer[-1].inside if outer else found).append(section)
                outer.append(section)
            case SectionFinished(offset=int(offset)):
                self._finish(event, offset)
            case _:
                pass

    def of(self, job: JobName) -> list[Section]:
        """Return the outermost sections of a job, in their order."""
        return self._found.get(job, [])

    def _finish(self, event: SectionFinished, offset: int) -> None:
        """End a section, and with it those inside that a script left open."""
        outer = self._open.get(event.job, [])
        if all(section.name != event.section for section in outer):
            return
        while outer:
            section = outer.pop()
            section.end, section.seconds = offset, event.at - section.began
            if section.name == event.section:
                break
