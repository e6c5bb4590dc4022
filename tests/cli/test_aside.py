from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spotci.cli.aside import Screen
from spotci.events import JobLog, Notice

if TYPE_CHECKING:
    from spotci.events import Event


@dataclass
class Report:
    """Notes what it is told, in its order."""

    seen: list[str] = field(default_factory=list)

    def handle(self, event: Event) -> None:
        assert isinstance(event, Notice | JobLog)
        self.seen.append(event.text)

    def close(self) -> None:
        self.seen.append("closed")


class Board(Report):
    """A report that draws."""

    def suspend(self) -> None:
        self.seen.append("suspended")

    def resume(self) -> None:
        self.seen.append("resumed")


def notice(text: str) -> Notice:
    return Notice(at=0, text=text)


def test_what_happens_while_a_person_looks_is_shown_afterwards() -> None:
    screen, board, plain = Screen(), Board(), Report()
    shared = screen.share([board, plain])

    for report in shared:
        report.handle(notice("before"))
    with screen.lent():
        for report in shared:
            report.handle(notice("meanwhile"))
        assert board.seen == ["before", "suspended"]
    for report in shared:
        report.handle(notice("after"))
        report.close()

    assert board.seen == [
        *("before", "suspended", "resumed", "meanwhile", "after", "closed")
    ]
    assert plain.seen == ["before", "meanwhile", "after", "closed"]


def test_output_that_waits_is_bounded() -> None:
    screen, report = Screen(), Report()
    (shared,) = screen.share([report])

    with screen.lent():
        for number in range(2500):
            shared.handle(JobLog(at=0, job="build", text=str(number)))  # type: ignore[arg-type]
        shared.handle(notice("end"))

    assert report.seen[:2000] == [str(number) for number in range(2000)]
    assert report.seen[2000:] == [
        "end",
        "some output of jobs is not shown here: see spotci logs",
    ]
    with screen.lent():
        shared.handle(notice("again"))
    assert report.seen[-1] == "again"
