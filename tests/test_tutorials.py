"""Each tutorial, followed as its reader does: files are copied, commands typed, answers seen."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import pytest
from support.examples import ROOT
from support.processes import eventually
from support.programs import program
from support.walkthrough import Block, Reader, blocks

import wscore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator
    from pathlib import Path

if sys.platform == "win32":
    pytest.skip("the commands are for a POSIX shell", allow_module_level=True)

# Programs have to start, some of them several times.
pytestmark = pytest.mark.timeout(240)

TUTORIALS = ROOT / "docs" / "tutorials"


@pytest.fixture
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reader]:
    with Reader(TUTORIALS / f"{request.param}.md", tmp_path) as reading:
        yield reading


def highlighted(block: Block) -> set[int]:
    """The numbers of its lines that are marked as new: ``hl_lines="1 4-6"``."""
    ranges = [words.split("-") for words in block.attributes.get("hl_lines", "").split()]
    return {number for ends in ranges for number in range(int(ends[0]), int(ends[-1]) + 1)}


@pytest.mark.parametrize("page", sorted(TUTORIALS.glob("*.md")), ids=lambda page: page.stem)
def test_new_lines_are_highlighted(page: Path) -> None:
    """In a file that an earlier step of the tutorial has, too, and most of which stays."""
    before: dict[str, list[str]] = {}
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language == "console" or not block.title:
            continue
        lines = block.text.splitlines()
        matcher = SequenceMatcher(None, before.get(block.title, lines), lines, autojunk=False)
        new = {
            number + 1
            for change, _, _, start, end in matcher.get_opcodes()
            if change in ("insert", "replace")
            for number in range(start, end)
        }
        marked = new if len(new) < 0.75 * len(lines) else set()
        assert highlighted(block) == marked, f"{block.title} with {sorted(new)}"
        before[block.title] = lines


def run(steps: Awaitable[None]) -> None:
    async def main() -> None:
        await asyncio.wait_for(steps, 60)

    asyncio.run(main())


async def told(ws: wscore.ClientConnection) -> dict[str, Any]:
    return dict(json.loads(await ws.recv()))


# Chat ------------------------------------------------------------------------------------------


def member(reader: Reader, name: str, room: str = "tea", **options: Any) -> wscore.connect:
    uri = f"ws://127.0.0.1:{reader.port()}/chat?room={room}&name={name}"
    return wscore.connect(uri, origin=f"http://127.0.0.1:{reader.port()}", **options)


async def what_is_said(ws: wscore.ClientConnection, count: int) -> list[str]:
    """Of as many messages as these, who said what, who came and who left."""
    return [
        " ".join(filter(None, [told["kind"], told["sender"] or told["info"], told.get("data")]))
        for told in [await told(ws) for _ in range(count)]
    ]


async def names_and_rooms(reader: Reader) -> None:
    async with member(reader, "Ada") as ada, member(reader, "Eve", "coffee") as eve:
        assert (await told(ada))["names"] == ["Ada"]
        assert (await told(eve))["names"] == ["Eve"]
        async with member(reader, "Bob") as bob:
            assert (await told(bob))["names"] == ["Ada", "Bob"]
            await bob.send("hello")
            assert await what_is_said(bob, 1) == ["message Bob hello"]
        assert await what_is_said(ada, 3) == ["join Bob", "message Bob hello", "leave Bob"]
        await eve.send("alone")
        assert await what_is_said(eve, 1) == ["message Eve alone"]


async def coming_back(reader: Reader) -> None:
    async with member(reader, "Bob") as bob:
        await bob.send("null")
        assert (await told(bob))["names"] == ["Bob"]
        async with member(reader, "Ada") as ada:
            await ada.send("null")
            seen = (await told(ada))["position"]
        await bob.send("while you were away")
        assert await what_is_said(bob, 3) == [
            "join Ada", "leave Ada", "message Bob while you were away",
        ]  # fmt: skip
        async with member(reader, "Ada") as ada:
            await ada.send(json.dumps(seen))
            assert await what_is_said(ada, 1) == ["message Bob while you were away"]
            welcome = await told(ada)
            assert (welcome["names"], welcome["gap"]) == (["Bob", "Ada"], False)
    async with member(reader, "Eve") as eve:
        await eve.send('["no", "position"]')
        await eve.wait_closed()
        assert eve.close_code == 1008


async def after_a_restart(reader: Reader) -> None:
    async with member(reader, "Ada") as ada:
        await ada.send('["of the server before", 1]')
        assert (await told(ada))["gap"] is True


async def limits(reader: Reader) -> None:
    async with member(reader, "Ada") as ada:
        await ada.send("null")
        await told(ada)
        await ada.send("x" * 2001)
        await ada.wait_closed()
        assert ada.close_code == 1009


@pytest.mark.parametrize("reader", ["chat"], indirect=True)
def test_chat(reader: Reader) -> None:
    """What its pages show is tested in tests/browser/test_tutorials.py."""
    reader.read_until("Open that address, and in a second window")
    run(names_and_rooms(reader))
    reader.read_until("Open the windows of Ada and Bob again")
    run(coming_back(reader))
    reader.read_until("## Step 4")
    run(after_a_restart(reader))
    reader.read_until("Paste more than 2,000 characters")
    run(limits(reader))
    reader.read_on()


# Feed client -----------------------------------------------------------------------------------


def prices(printed: list[str]) -> list[int]:
    """The numbers of the prices among these lines."""
    return [int(line.partition(":")[0]) for line in printed if line[0].isdigit()]


@pytest.mark.parametrize("reader", ["feed-client"], indirect=True)
def test_feed_client(reader: Reader) -> None:
    reader.read_until("The second terminal prints numbered prices")
    client = reader.terminal("terminal 2")
    eventually(lambda: len(client.printed) > 5)
    first, *others = prices(list(client.printed))
    assert others == list(range(first + 1, first + 1 + len(others)))
    reader.read_until("## Step 3")
    reader.read_until("Now restart the feed")
    client = reader.terminal("terminal 2")
    eventually(lambda: client.printed.count("connected") > 2)
    seen = prices(list(client.printed))
    assert seen == list(range(1, len(seen) + 1))
    assert "prices are missing before this line" not in client.printed
    reader.read_until("The work on one price takes longer")
    client = reader.terminal("terminal 2")
    eventually(lambda: client.printed.count("connected") > 1)
    worked = [re.split(r", | ", line) for line in client.printed if line[0].isdigit()]
    numbers = prices(list(client.printed))
    assert numbers == sorted(set(numbers))
    assert max(int(words[2]) for words in worked) == 5
    assert all(int(words[4]) > 0 for words in worked)
    reader.read_on()


# FastAPI ---------------------------------------------------------------------------------------


async def two_in_the_lobby(reader: Reader) -> None:
    uri = f"ws://127.0.0.1:{reader.port()}/rooms/lobby"
    async with wscore.connect(f"{uri}?name=Ada") as ada:
        async with wscore.connect(f"{uri}?name=Bob") as bob:
            await bob.send("hello")
            assert [await bob.recv() for _ in range(2)] == ["Bob has joined", "Bob: hello"]
        assert [await ada.recv() for _ in range(4)] == [
            "Ada has joined", "Bob has joined", "Bob: hello", "Bob has left",
        ]  # fmt: skip


async def spoken_from_outside(reader: Reader) -> None:
    async with wscore.connect(f"ws://127.0.0.1:{reader.port()}/rooms/lobby?token=a1") as ada:
        await ada.send("hi")
        assert [await ada.recv() for _ in range(2)] == ["Ada has joined", "Ada: hi"]
        # It has to be there while the command is typed.
        await asyncio.to_thread(reader.read_until, "The page shows `Bob: hello`")
        assert await ada.recv() == "Bob: hello"


@pytest.mark.parametrize("reader", ["fastapi"], indirect=True)
def test_fastapi(reader: Reader) -> None:
    program("curl")
    reader.read_until("Open `http://127.0.0.1:8765/?name=Ada`")
    run(two_in_the_lobby(reader))
    reader.read_until("Open `http://127.0.0.1:8765/?token=a1`")
    run(spoken_from_outside(reader))
    reader.read_on()
