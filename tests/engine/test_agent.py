from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from spotci.dind.agent import open_agent
from spotci.errors import EngineError

if TYPE_CHECKING:
    from spotci.dind.engine import DindEngine

pytestmark = pytest.mark.engine


async def test_answers_do_not_mix_however_many_are_under_way(
    engine: DindEngine,
) -> None:
    async with open_agent(engine) as agent:
        wrong: list[str] = []

        async def one(number: int) -> None:
            text = f"{number}:" + "x" * (number % 97)
            for _ in range(10):
                output = await agent.run('printf %s "$1"', text)
                if output.decode() != text:
                    wrong.append(text)

        async with anyio.create_task_group() as tasks:
            for number in range(60):
                tasks.start_soon(partial(one, number))

    assert wrong == []


async def test_a_script_that_fails_is_an_error_with_its_words(
    engine: DindEngine,
) -> None:
    async with open_agent(engine) as agent:
        with pytest.raises(EngineError, match="no good"):
            await agent.run("echo no good >&2; exit 3")

        assert await agent.run("cat", stdin=b"a\0b") == b"a\0b"


async def test_an_answer_is_whole_though_the_next_command_follows_at_once(
    engine: DindEngine,
) -> None:
    # The shell may be busy with the files of a command whose answer was read already.
    async with open_agent(engine) as agent:
        wrong: list[str] = []

        async def one(number: int) -> None:
            for _ in range(20):
                if await agent.run("printf x") != b"x":
                    wrong.append(f"output {number}")
                try:
                    await agent.run('echo "bad $1" >&2; exit 3', str(number))
                except EngineError as fault:
                    if fault.message != f"bad {number}":
                        wrong.append(fault.message)

        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(partial(one, number))

    assert wrong == []


async def test_a_process_ends_when_nobody_reads_it_any_more(
    engine: DindEngine,
) -> None:
    async with open_agent(engine) as agent:
        async with agent.process('exec yes "$1"', "unread lines") as process:
            async for _ in process:
                break

        # Not the command line of this search itself.
        search = 'grep -ls "[u]nread lines" /proc/[0-9]*/cmdline || true'
        with anyio.fail_after(30):
            while await agent.run(search):  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.05)


async def test_a_process_gives_its_output_and_its_end(engine: DindEngine) -> None:
    async with open_agent(engine) as agent:
        async with agent.process('cat; printf "%s\\n" "$@"', "a b", "c") as process:
            assert b"".join([piece async for piece in process]) == b"a b\nc\n"

        with pytest.raises(EngineError, match="no good"):
            async with agent.process("echo no good >&2; exit 3") as process:
                assert [piece async for piece in process] == []
