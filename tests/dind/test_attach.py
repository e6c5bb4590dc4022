from __future__ import annotations

import struct

import anyio
import pytest
from anyio.abc import ByteStream
from hypothesis import given
from hypothesis import strategies as st

from spotci.dind.attach import AttachedProcess, FrameDecoder, FrameError
from spotci.executor.backend import Exit


def frame(payload: bytes, stream: int = 1) -> bytes:
    return struct.pack(">BxxxI", stream, len(payload)) + payload


frames = st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 3)))


@given(frames, st.data())
def test_payloads_survive_any_split(
    sent: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    wire = b"".join(frame(payload, stream) for payload, stream in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)))))
    decoder = FrameDecoder()

    received = b"".join(
        decoder.feed(wire[start:end])
        for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)
    )

    assert received == b"".join(payload for payload, _ in sent)
    assert decoder.complete


@given(frames, st.binary(min_size=1, max_size=50))
def test_the_end_in_a_frame_is_noticed(
    sent: list[tuple[bytes, int]], cut: bytes
) -> None:
    decoder = FrameDecoder()

    decoder.feed(b"".join(frame(payload) for payload, _ in sent))
    decoder.feed(frame(cut)[:-1])

    assert not decoder.complete


@given(st.binary(max_size=100))
def test_other_bytes_are_refused_or_taken_but_never_break(noise: bytes) -> None:
    decoder = FrameDecoder()
    try:
        payload = decoder.feed(noise)
    except FrameError:
        return
    assert len(payload) <= max(0, len(noise) - 8)


def test_an_unknown_stream_is_refused() -> None:
    with pytest.raises(FrameError, match="stream 71 in a frame of Docker's"):
        FrameDecoder().feed(b"GET / HTTP/1.0\r\n")


def test_a_huge_frame_is_not_held() -> None:
    decoder = FrameDecoder()
    decoder.feed(struct.pack(">BxxxI", 1, 2**32 - 1))

    assert decoder.feed(b"x" * 1000) == b"x" * 1000


class Wire(ByteStream):
    """A connection to a daemon, in memory: we are the daemon."""

    def __init__(self) -> None:
        self.to_us, self._incoming = anyio.create_memory_object_stream[bytes](1000)
        self._outgoing, self.from_us = anyio.create_memory_object_stream[bytes](1000)

    async def receive(self, max_bytes: int = 65536) -> bytes:
        data = await self._incoming.receive()
        assert len(data) <= max_bytes
        return data

    async def send(self, item: bytes) -> None:
        await self._outgoing.send(item)

    async def send_eof(self) -> None:
        await self._outgoing.aclose()

    async def aclose(self) -> None:
        for stream in (self.to_us, self._incoming, self._outgoing, self.from_us):
            await stream.aclose()


async def ended() -> Exit:
    return Exit(code=7)


async def test_output_comes_in_order_and_then_the_exit() -> None:
    async with Wire() as wire, anyio.create_task_group() as tasks:
        process = AttachedProcess(wire, ended)
        tasks.start_soon(process.pump)

        await wire.to_us.send(frame(b"one ", 1) + frame(b"two ", 2))
        await wire.to_us.send(frame(b"three", 1))
        await wire.to_us.aclose()

        assert b"".join([x async for x in process.output]) == b"one two three"
        assert await process.wait() == Exit(code=7)
        process.close()


async def test_a_process_whose_output_nobody_reads_waits() -> None:
    async with Wire() as wire, anyio.create_task_group() as tasks:
        process = AttachedProcess(wire, ended)
        tasks.start_soon(process.pump)
        for _ in range(100):
            await wire.to_us.send(frame(b"x"))
        await wire.to_us.aclose()

        await anyio.wait_all_tasks_blocked()

        assert wire.to_us.statistics().current_buffer_used > 50
        assert len([x async for x in process.output]) == 100
        process.close()


async def test_a_reader_that_leaves_does_not_hold_up_the_process() -> None:
    async with Wire() as wire, anyio.create_task_group() as tasks:
        process = AttachedProcess(wire, ended)
        tasks.start_soon(process.pump)
        await process.output.aclose()
        for _ in range(100):
            await wire.to_us.send(frame(b"x"))
        await wire.to_us.aclose()

        with anyio.fail_after(5):
            assert await process.wait() == Exit(code=7)
        process.close()


@pytest.mark.parametrize(
    "last", [pytest.param(b"no frame at all", id="noise"), pytest.param(b"", id="cut")]
)
async def test_a_broken_connection_ends_the_output(last: bytes) -> None:
    async with Wire() as wire, anyio.create_task_group() as tasks:
        process = AttachedProcess(wire, ended)
        tasks.start_soon(process.pump)
        await wire.to_us.send(frame(b"so far"))
        if last:
            await wire.to_us.send(last)
        else:
            await wire.to_us.aclose()

        assert b"".join([x async for x in process.output]) == b"so far"
        assert await process.wait() == Exit(code=7)
        process.close()


async def test_input_is_written_and_ended() -> None:
    async with Wire() as wire:
        process = AttachedProcess(wire, ended)

        await process.feed(b"script")

        assert [x async for x in wire.from_us] == [b"script"]
        process.close()


async def test_input_that_nobody_takes_is_no_error() -> None:
    async with Wire() as wire:
        process = AttachedProcess(wire, ended)
        await wire.from_us.aclose()

        await process.feed(b"script")

        process.close()
