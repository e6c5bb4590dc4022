"""Blocking calls of the docker library, in worker threads, with our errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread
import requests.exceptions
from docker import errors
from urllib3.exceptions import HTTPError

from spotci.dind.space import room_hint
from spotci.errors import EngineError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

__all__ = ["Calls", "together", "translated"]

T = TypeVar("T")

#: Calls that may be under way at once. They are short: waiting for the end of a
#: container takes no thread, its output does that.
_THREADS = 48

_UNAVAILABLE_HINT = "is the engine still running? see: spotci status"


class Calls:
    """Runs blocking calls in threads of their own, away from the event loop's."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(_THREADS)

    async def __call__(
        self,
        operation: str,
        subject: str,
        function: Callable[[], T],
        *,
        abandon: bool = False,
        error: type[EngineError] = EngineError,
    ) -> T:
        """Call ``function`` in a thread; raise ``error`` where Docker says no.

        With ``abandon`` a cancellation does not wait for the end of the call, which
        then happens unseen: right for reading, wrong for making something.
        """
        with translated(operation, subject, error=error):
            return await anyio.to_thread.run_sync(
                function, abandon_on_cancel=abandon, limiter=self._limiter
            )


@contextmanager
def translated(
    operation: str, subject: str, *, error: type[EngineError] = EngineError
) -> Iterator[None]:
    """Turn what the docker library raises into EngineError."""
    try:
        yield
    except errors.APIError as fault:
        text = _explanation(fault)
        raise error(
            text,
            operation=operation,
            subject=subject,
            status=fault.status_code,
            hint=room_hint(text),
        ) from fault
    except (
        requests.exceptions.ConnectionError,
        requests.exceptions.Timeout,
        requests.exceptions.ChunkedEncodingError,
        HTTPError,
        OSError,
    ) as fault:
        raise EngineUnavailableError(
            f"no answer: {_innermost(fault)}",
            operation=operation,
            subject=subject,
            hint=_UNAVAILABLE_HINT,
        ) from fault
    except (errors.DockerException, requests.exceptions.RequestException) as fault:
        raise error(str(fault), operation=operation, subject=subject) from fault


def _explanation(fault: errors.APIError) -> str:
    return str(fault.explanation or fault).strip()


def _innermost(fault: BaseException) -> str:
    """Return the words of the first cause: the library wraps it up to four times."""
    while (cause := fault.__cause__ or fault.__context__) is not None:
        fault = cause
    return str(fault) or type(fault).__name__


async def together(*functions: Callable[[], Awaitable[None]]) -> None:
    """Run all at once; raise the first error as it is, after all have ended.

    A task group would wrap what fails in an ExceptionGroup, which callers of a port
    that promises EngineError do not expect.
    """
    faults: list[EngineError] = []

    async def guarded(function: Callable[[], Awaitable[None]]) -> None:
        try:
            await function()
        except EngineError as fault:
            faults.append(fault)

    async with anyio.create_task_group() as tasks:
        for function in functions:
            tasks.start_soon(guarded, function)
    if faults:
        raise faults[0]
