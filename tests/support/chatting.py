"""A page of the chat without its browser."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import wscore
from wscore.demo import demo_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wscore.demo.chat import Chat

__all__ = ["Page", "chat_server"]


@asynccontextmanager
async def chat_server(chat: Chat | None = None, **options: Any) -> AsyncIterator[str]:
    """The chat on a free port; where pages connect to."""
    scheme = "wss" if "ssl" in options else "ws"
    async with demo_server("127.0.0.1", 0, chat=chat, **options) as server:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/chat"


class Page:
    """Talks to the chat as its page does."""

    def __init__(self, ws: wscore.ClientConnection, name: str) -> None:
        self.ws = ws
        self.name = name
        self._ids = 0

    @classmethod
    async def open(cls, uri: str, name: str, token: str | None = None) -> Page:
        """Connect and say hello; in no room yet."""
        page = cls(await wscore.connect(uri), name)
        await page.ask("hello", name=name, token=token or f"of-{name.encode().hex()}")
        page.welcome = await page.next("welcome")
        return page

    @classmethod
    async def enter(cls, uri: str, name: str, room: str = "lobby", since: Any = None) -> Page:
        """Connect, say hello and join *room*; what was missed is in `missed`."""
        page = await cls.open(uri, name)
        await page.join(room, since)
        return page

    async def join(self, room: str, since: Any = None) -> None:
        await self.ask("join", room=f"chat:{room}", since=since)
        self.missed = []
        while (got := await self.get()).get("type") != "joined":
            if got.get("kind") == "message" and got["room"] != "panel":
                self.missed.append(json.loads(got["data"])["text"])
        self.joined = got

    async def ask(self, kind: str, **facts: Any) -> None:
        await self.ws.send(json.dumps({"type": kind, **facts}))

    async def say(self, text: str) -> str:
        """Send a message; returns its identifier."""
        self._ids += 1
        identifier = f"{self.name.encode().hex()}-{self._ids}"
        await self.ask("say", id=identifier, text=text)
        return identifier

    async def next(self, kind: str, room: str = "") -> dict[str, Any]:
        """The next answer or publication of this kind, the latter in a *room* that begins so.

        Figures, which come at any time, are passed over; anything else has to be the next.
        """
        while True:
            got = await self.get()
            if got.get("room") == "panel" and room != "panel":
                continue
            assert kind == (got.get("type") or got["kind"]), got
            assert got.get("room", "").startswith(room)
            return got

    async def read(self) -> str:
        """The text of the next message of the room."""
        return json.loads((await self.next("message", "chat:"))["data"])["text"]

    async def figures(self, kind: str) -> dict[str, Any]:
        """The next figures that have *kind*; whatever comes before is passed over."""
        while True:
            got = await self.get()
            if got.get("room") == "panel" and kind in (figures := json.loads(got["data"])):
                return figures

    async def get(self) -> dict[str, Any]:
        """Whatever comes next."""
        return json.loads(await self.ws.recv())

    async def close(self) -> None:
        await self.ws.close()
