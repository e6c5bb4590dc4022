"""What SIGINT, SIGTERM and SIGHUP do to a run.

The first lets the running jobs be canceled as GitLab cancels them, ``after_script``
included. The second ends that, too; cleanup is bounded and goes on. The third leaves at
once: the engine removes what is left when it loses us.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import anyio

from spotci.cli.failure import INTERRUPTED
from spotci.events import Notice

if TYPE_CHECKING:
    from spotci.executor.emit import Emit

__all__ = ["Interrupt"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupt:
    """Counts the signals of one run, and acts on them.

    ``stop`` asks the executor to cancel the jobs; ``scope`` is around all that the run
    does. Before :meth:`begin` there is nobody to ask, and the scope is canceled.
    """

    def __init__(self, scope: anyio.CancelScope) -> None:
        self.stop = anyio.Event()
        self._scope = scope
        self._count = 0
        self._begun = False

    @property
    def happened(self) -> bool:
        """Whether any signal has come."""
        return self._count > 0

    def begin(self) -> None:
        """Say that the executor now listens to ``stop``."""
        self._begun = True

    async def watch(self, emit: Emit) -> None:
        """Wait for signals until canceled."""

        async def tell(text: str) -> None:
            await emit(Notice(at=time.time(), text=text, level="warning"))

        async with anyio.create_task_group() as tasks:
            with anyio.open_signal_receiver(*_SIGNALS) as signals:
                async for _ in signals:
                    if text := self.handle():
                        # Where nobody reads our output this waits; signals do not.
                        tasks.start_soon(tell, text)

    def handle(self) -> str:
        """Act on a signal; return what to tell the user."""
        self._count += 1
        if self._count == 1 and self._begun:
            self.stop.set()
            return "interrupted: the jobs are stopped; once more stops them at once"
        if self._count <= 2:  # noqa: PLR2004 - first, second, third: see above
            self._scope.cancel()
            return ""
        os._exit(INTERRUPTED)
