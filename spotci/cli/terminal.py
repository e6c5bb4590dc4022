"""Connects the user's terminal, or what is in its place, with a session in a job."""

from __future__ import annotations

import os
import signal
import stat
import sys
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from spotci.dataclass import dataclass
from spotci.executor.backend import SessionSpec
from spotci.executor.session_program import session_command, shell_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from spotci.executor.backend import Session
    from spotci.executor.session_program import Purpose

    OpenSession = Callable[[SessionSpec], AbstractAsyncContextManager[Session]]

__all__ = ["Terminal", "converse"]

_PIECE = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """The three files of this process: descriptors of input, output and errors."""

    stdin: int = 0
    stdout: int = 1
    stderr: int = 2

    @property
    def is_one(self) -> bool:
        """Whether a person sits before it."""
        return os.isatty(self.stdin) and os.isatty(self.stdout)

    def size(self) -> tuple[int, int]:
        """Return rows and columns."""
        columns, rows = os.get_terminal_size(self.stdout)
        # A terminal that nobody has told its size says zero.
        return rows or 24, columns or 80

    @contextmanager
    def raw(self) -> Iterator[None]:
        """Hand every key on as it is pressed, Ctrl-C too, and put all back then."""
        before = termios.tcgetattr(self.stdin)
        tty.setraw(self.stdin)
        try:
            yield
        finally:
            termios.tcsetattr(self.stdin, termios.TCSADRAIN, before)


async def converse(
    open_session: OpenSession,
    purpose: Purpose,
    *,
    environment: Mapping[str, str],
    project_dir: str,
    terminal: Terminal,
) -> int:
    """Run the session of a purpose to its end, and return its exit code.

    It gets a terminal where there is one; else its input is what ours is.
    """
    is_one = terminal.is_one
    given, left = shell_environment({**environment, "CI_PROJECT_DIR": project_dir})
    for name in left:
        print(f"spotci: {name} is too long for a shell: left out", file=sys.stderr)
    spec = SessionSpec(
        command=session_command(purpose, terminal=is_one),
        environment=given,
        working_dir=project_dir,
        terminal=terminal.size() if is_one else None,
    )
    sys.stdout.flush()
    sys.stderr.flush()
    async with open_session(spec) as session:
        if is_one:
            with terminal.raw():
                return await _relay(session, terminal)
        return await _relay(session, terminal)


async def _relay(session: Session, terminal: Terminal) -> int:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_give_input, session, terminal.stdin)
        if terminal.is_one:
            tasks.start_soon(_give_size, session, terminal)
        async for is_error, data in session:
            file = terminal.stderr if is_error else terminal.stdout
            await to_thread.run_sync(_write, file, data)
        tasks.cancel_scope.cancel()
    return await session.wait()


async def _give_input(session: Session, file: int) -> None:
    waits = _may_wait(file)
    while True:
        if waits:
            await anyio.wait_readable(file)
        try:
            data = await to_thread.run_sync(os.read, file, _PIECE)
        except BlockingIOError:
            continue
        except OSError:
            data = b""  # the terminal has gone
        if not data:
            await session.send_eof()
            return
        await session.send(data)


async def _give_size(session: Session, terminal: Terminal) -> None:
    with anyio.open_signal_receiver(signal.SIGWINCH) as signals:
        async for _ in signals:
            await session.resize(*terminal.size())


def _may_wait(file: int) -> bool:
    """Say whether reading may have to wait: from a file or from null it never does."""
    mode = os.fstat(file).st_mode
    return os.isatty(file) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _write(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(file, left) :]
        except BlockingIOError:
            # Whoever shares the terminal with us has made it so.
            os.set_blocking(file, True)
