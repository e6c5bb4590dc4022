from __future__ import annotations

from typing import TYPE_CHECKING

from spotci.events import JobLog, SectionFinished, SectionStarted
from spotci.report.record import Recorder
from spotci.runs import RunStore
from tests.report.run_events import BUILD, STARTED

if TYPE_CHECKING:
    from pathlib import Path


def test_sections_tell_where_they_are_in_the_log(tmp_path: Path) -> None:
    run = RunStore(tmp_path).create()
    recorder = Recorder(run)

    for event in (
        STARTED,
        SectionStarted(at=0, job=BUILD, section="one", title="One"),
        JobLog(at=0, job=BUILD, text="naïve"),
        SectionFinished(at=0, job=BUILD, section="one"),
        SectionStarted(at=0, job=BUILD, section="two", title="Two"),
        SectionFinished(at=0, job=BUILD, section="two"),
    ):
        recorder.handle(event)
    recorder.close()

    offsets = [
        (event.section, event.offset)
        for event in run.events()
        if isinstance(event, (SectionStarted, SectionFinished))
    ]
    assert offsets == [("one", 0), ("one", 7), ("two", 7), ("two", 7)]
