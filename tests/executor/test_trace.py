"""What the log of a job says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from spotci.events import JobLog
from spotci.executor.masking import Secrets
from spotci.executor.trace import Trace
from spotci.pipeline import JobName
from spotci.report.terminal import printable
from tests.builders import job, variable
from tests.executor_world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from spotci.events import Event


#: Fragments of escape sequences, whole and cut, and what may stand around them.
FRAGMENTS = st.sampled_from(
    [
        *(b"\x1b", b"\x1b[", b"\x1b[31m", b"\x1b[2", b"\x1b]0;", b"\x1bP", b"\x1b\\"),
        *(
            b"\x07",
            b"\x08",
            b"\x00",
            b"\x7f",
            b"\xc2",
            b"\x9b",
            b"\x85",
            b"\xe2\x9c\x93",
        ),
        *(
            b"J",
            b"m",
            b";",
            b"31",
            b"text",
            b"\r",
            b"\n",
            b"\r\n",
            b"\t",
            b"x" * 70_000,
        ),
    ]
)


async def logs_of(pieces: Sequence[bytes], *secrets: str) -> list[str]:
    events: list[Event] = []

    async def emit(event: Event) -> None:
        events.append(event)

    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    trace = Trace(JobName("a"), emit, limit=1 << 20)
    trace.secrets = Secrets(secrets)
    await trace.output(stream())
    for piece in pieces:
        await trace.line(piece.decode("utf-8", "surrogateescape"))
    return [event.text for event in events if isinstance(event, JobLog)]


async def test_the_limit_of_the_log_is_told_once(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("a", script=("make",), after_script=("bye",)), output_limit=10
    )
    world.backend.program("make", output=[b"0123456789abc\n"])
    world.backend.program("bye", output=[b"after\n"])

    await world.run()

    shown = [line for line in world.log() if line.startswith("  ")]
    assert shown == [
        "  0123456789",
        "  Job's log exceeded limit of 10 bytes.",
        "  Job execution will continue but no more output will be collected.",
    ]


async def test_short_secrets_are_told(tmp_path: Path) -> None:
    world = World(
        tmp_path, job("build"), variables=(variable("T", "abc", masked=True),)
    )

    await world.run()

    assert world.log()[1] == (
        "WARNING: 1 masked variables have fewer than 4 characters and are not masked"
    )


@given(st.lists(st.lists(FRAGMENTS, max_size=6).map(b"".join), max_size=5))
async def test_what_it_sends_is_safe_for_a_terminal(pieces: list[bytes]) -> None:
    texts = await logs_of(pieces, "31mtext", "\x1b[31")

    assert texts == [printable(text) for text in texts]


async def test_half_a_colour_that_a_mask_leaves_goes() -> None:
    texts = await logs_of([b"\x1b[31;42mred\n"], "31;42m")

    assert texts[0] == "MASKED]red"
