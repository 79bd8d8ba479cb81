"""Start the demo server and talk to it: what `make demo CHECK=1` runs.

Another library does, if there is one: the demonstration also runs where nothing can be installed.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import urllib.request
from typing import Any

try:
    import websockets as library
except ImportError:
    import wscore as library

PATIENCE = 60.0  # seconds for all of it, on the pure backend, on a busy machine


async def talk(uri: str) -> None:
    """The echo gives back what it gets."""
    async with library.connect(uri) as ws:
        for message in ("Hello", "Grüße, 世界 🎉", b"\x00\xff" * 50_000):
            await ws.send(message)
            assert await ws.recv() == message, "the echo is not what was sent"
        await ws.close(1000, "goodbye")
    assert (ws.close_code, ws.close_reason) == (1000, "goodbye")


class Visitor:
    """Somebody in the chat."""

    def __init__(self, ws: Any, name: str) -> None:
        self.ws = ws
        self.name = name

    async def ask(self, kind: str, **facts: Any) -> None:
        await self.ws.send(json.dumps({"type": kind, **facts}))

    async def enter(self) -> None:
        await self.ask("hello", name=self.name, token=f"token-of-{self.name}")
        await self.ask("join", room="chat:lobby", since=None)
        async for message in self.ws:
            if json.loads(message).get("type") == "joined":
                return

    async def hear(self, sender: str) -> str:
        """The text of the next message of *sender*."""
        async for message in self.ws:
            envelope = json.loads(message)
            if envelope.get("sender") == sender and envelope["kind"] == "message":
                text: str = json.loads(envelope["data"])["text"]
                return text
        raise AssertionError("the chat ended")

    async def figures(self, wanted: str) -> Any:
        """The next figures beside the chat that are *wanted*."""
        async for message in self.ws:
            envelope = json.loads(message)
            if envelope.get("room") == "panel":
                told = json.loads(envelope["data"])
                if told.get(wanted) or told.get("crowd", {}).get("size") == wanted:
                    return told
        raise AssertionError("the chat ended")


async def chat(uri: str) -> str:
    """Two chat; then a thousand simulated members listen, and wave. Returns how fast that was."""
    async with library.connect(uri) as one, library.connect(uri) as other:
        ada, grace = Visitor(one, "Ada"), Visitor(other, "Grace")
        await ada.enter()
        await grace.enter()
        await grace.ask("say", id="1", text="Grüße 👋")
        assert await ada.hear("Grace") == "Grüße 👋"
        await ada.ask("crowd", on=True)
        size = (await ada.figures("crowd"))["crowd"]["of"]
        await ada.figures(size)
        await ada.ask("say", id="2", text="hello all")
        assert await grace.hear("Ada") == "hello all"
        reached = await ada.figures("reached")
        assert reached["reached"] == size
        await ada.ask("wave")
        waved = await ada.figures("waves")
        await ada.ask("crowd", on=False)
    return (
        f"a message reached {size:,} members in {reached['ms']:.1f} ms, "
        f"{waved['waves']:,} messages in {waved['ms'] / 1000:.2f} s"
    )


def check(address: str) -> str:
    for path in ("/", "/echo"):
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as page:
            assert page.status == 200
            assert b"wscore" in page.read()
    asyncio.run(asyncio.wait_for(talk(f"ws://{address}/echo"), 10))
    return asyncio.run(asyncio.wait_for(chat(f"ws://{address}/chat"), PATIENCE))


def main() -> None:
    command = [sys.executable, "-m", "wscore", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            found = re.search(r"http://([\w.:\[\]]+)/", line)
            assert found is not None, f"no address in {line!r}"
            told = check(found[1])
        finally:
            server.terminate()
    assert server.returncode == 0, f"the server exited with {server.returncode}"
    print(f"{library.__name__} {library.__version__} chatted on wscore at {found[1]}: {told}: ok")


if __name__ == "__main__":
    main()
