"""The log of one job while it runs: GitLab calls it the trace.

It takes the output of the script and the lines of the runner, masks both, and sends
them as events in the order in which they came.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, assert_never

import anyio

from spotci.events import JobLog, SectionFinished, SectionStarted
from spotci.executor.coverage import CoverageScanner
from spotci.executor.logs import Lines, LogDecoder, SectionEnd, SectionStart
from spotci.executor.masking import Secrets
from spotci.executor.neutral import neutralise, neutralise_text
from spotci.tail import Tail

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable

    from spotci.executor.emit import Emit
    from spotci.executor.files import Remark
    from spotci.executor.logs import LogItem
    from spotci.pipeline import JobName

__all__ = ["GREEN", "RED", "RESET", "YELLOW", "Trace"]

GREEN = "\x1b[32;1m"
RED = "\x1b[31;1m"
YELLOW = "\x1b[0;33m"
RESET = "\x1b[0;m"

#: Lines of the script's output that a failure is shown with.
_LAST_LINES = 30
#: Seconds that a reader of the events has to take the end of a canceled job.
_LAST_WORDS = 5.0

_SCRIPT = "step_script"
#: The sections of the runner, which a script can neither begin nor end.
SECTIONS = frozenset(
    {
        "prepare_executor",
        "prepare_script",
        "get_sources",
        "restore_cache",
        "download_artifacts",
        _SCRIPT,
        "step_release",
        "after_script",
        "archive_cache",
        "archive_cache_on_failure",
        "upload_artifacts_on_success",
        "upload_artifacts_on_failure",
        "cleanup_file_variables",
    }
)


class Trace:
    """Sends the log of one attempt of a job.

    ``secrets`` may be replaced while the job runs, as its variables become known.
    """

    def __init__(
        self,
        job: JobName,
        emit: Emit,
        *,
        limit: int,
        coverage: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.secrets = Secrets(())
        self._job = job
        self._emit = emit
        self._clock = clock
        self._limit = limit
        self._used = 0
        self._scanner = None if coverage is None else CoverageScanner(coverage)
        self._section = ""
        self._last_lines = Tail(_LAST_LINES)

    @property
    def coverage(self) -> float | None:
        """The coverage that the output has told so far, in percent."""
        return None if self._scanner is None else self._scanner.value

    @property
    def last_lines(self) -> tuple[str, ...]:
        """What the script has printed last, before ``after_script``."""
        return tuple(self._last_lines)

    async def line(self, text: str, *, colour: str = "") -> None:
        """Send a line of the runner's own; a text may be of several lines."""
        await self._log(
            f"{colour}{self._clean(text)}{RESET if colour else ''}", "runner"
        )

    async def notice(self, text: str) -> None:
        """Send a line that tells what the runner does next."""
        await self.line(text, colour=GREEN if text else "")

    async def warning(self, text: str) -> None:
        """Send a warning in the runner's form."""
        await self.line(f"WARNING: {text}", colour=YELLOW)

    async def error(self, text: str) -> None:
        """Send an error in the runner's form."""
        await self.line(f"ERROR: {text}", colour=RED)

    async def remarks(self, remarks: Iterable[Remark]) -> None:
        """Send what is to be said of patterns."""
        for remark in remarks:
            if remark.warning:
                await self.warning(remark.text)
            else:
                await self.line(remark.text)

    async def service(self, lines: Iterable[str]) -> None:
        """Send lines of a service."""
        text = "\n".join(self._clean(line) for line in lines)
        if text:
            await self._log(text, "service")

    @asynccontextmanager
    async def section(self, name: str, title: str) -> AsyncIterator[None]:
        """Put what is sent inside into a section; it ends even on an error."""
        await self._emit(
            SectionStarted(
                at=self._clock(), job=self._job, section=name, title=self._clean(title)
            )
        )
        self._section = name
        try:
            yield
        finally:
            self._section = ""
            # A canceled job ends its sections, too.
            with anyio.move_on_after(_LAST_WORDS, shield=True):
                await self._emit(
                    SectionFinished(at=self._clock(), job=self._job, section=name)
                )

    async def output(self, stream: AsyncIterable[bytes]) -> None:
        """Send what a process prints, up to its end."""
        decoder = LogDecoder(
            self.secrets, limit=self._limit, used=self._used, reserved=SECTIONS
        )
        try:
            async for piece in stream:
                for item in decoder.feed(piece):
                    await self._item(item)
        finally:
            # What a canceled script printed last is worth most.
            with anyio.move_on_after(_LAST_WORDS, shield=True):
                for item in decoder.close():
                    await self._item(item)
            self._used = decoder.used

    async def _item(self, item: LogItem) -> None:
        match item:
            case Lines(text):
                if self._scanner is not None:
                    self._scanner.feed(text)
                if self._section == _SCRIPT:
                    self._last_lines.feed(text)
                await self._log(text, "output")
            case SectionStart(name=name, title=title, collapsed=collapsed):
                await self._emit(
                    SectionStarted(
                        at=self._clock(),
                        job=self._job,
                        section=name,
                        title=title,
                        collapsed=collapsed,
                    )
                )
            case SectionEnd(name=name):
                await self._emit(
                    SectionFinished(at=self._clock(), job=self._job, section=name)
                )
            case _:
                assert_never(item)

    async def _log(self, text: str, kind: str) -> None:
        # A mask, or the end of too long a line, may have cut an escape sequence.
        if "\x1b" in text or not text.isascii():
            text = neutralise_text(text)
        await self._emit(JobLog(at=self._clock(), job=self._job, text=text, kind=kind))

    def _clean(self, text: str) -> str:
        data = neutralise(text.encode("utf-8", "surrogateescape"))
        return self.secrets.mask(data).decode("utf-8", "replace")
