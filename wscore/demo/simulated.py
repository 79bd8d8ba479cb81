"""Simulated members of a room: ``python -m wscore.demo.simulated``, started by the chat.

Each is a connection of its own, by `wscore.connect`, that receives and counts every message; a
few of them say something now and then. They live in a process of their own, so that their work
is not the server's, and each process needs one descriptor for each.

The first line of stdin is a JSON object: uri, room, ticket, size. Each line after it makes all of
them wave at once; the end of stdin ends them. On stdout, each line is a JSON object:

- ``{"connected": n}``, and ``{"short": why}`` when some could not be added;
- ``{"reached": n, "id": message, "ms": n}`` when all n had a message of the room;
- ``{"waves": n, "ms": n}`` when they have had n waves of one another.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import ssl
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .._backend import BACKEND
from ..aio import ClientConnection, Listener, connect
from ..aio.client.tls import client_context
from ..errors import ConnectionClosed
from .crowd import SIZE
from .descriptors import room_for

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Members", "main"]

GIVING_UP = 20.0  # seconds for waves to arrive
AT_ONCE = 50  # opening handshakes
PAUSE = 20.0  # seconds between what they say
# Messages of which some members have not told yet.
UNFINISHED = 100
# Of the members, how many wave: the pure backend would need half a minute for all.
WAVING = SIZE if BACKEND == "compiled" else 50

SAYINGS = (
    "Hello from one of many.",
    "One publish, and everybody here has it.",
    "I am a connection of my own. Ask the file descriptors.",
    "Nobody waits for me if I am slow.",
    "The same bytes went to all of us.",
    "Did you see how fast that was?",
    "Quiet in here, isn't it?",
    "I only came to be counted.",
)


class Members(Listener):
    """The members of one room; reports what they see through *tell*."""

    def __init__(self, room: str, ticket: str, tell: Callable[[dict[str, Any]], None]) -> None:
        self._room = room
        self._ticket = ticket
        self._tell = tell
        self._arrived: dict[str, int] = {}
        self._waves = self._waves_expected = 0
        self._waved_at = 0.0
        self.connections: list[ClientConnection] = []

    async def add(self, uri: str, size: int) -> None:
        """Connect *size* members to *uri*, as far as that is possible."""
        allowed = room_for(size)
        why = "" if allowed == size else "the limit of open files"
        for start in range(0, allowed, AT_ONCE):
            batch = min(AT_ONCE, allowed - start)
            made = await asyncio.gather(
                *(self._connect(f"{uri}?client={start + n}") for n in range(batch)),
                return_exceptions=True,
            )
            errors = [error for error in made if isinstance(error, Exception)]
            self._tell({"connected": len(self.connections)})
            if errors:
                why = str(errors[0])
                break
        if why:
            self._tell({"short": why})

    async def _connect(self, uri: str) -> None:
        tls = _unverified() if uri.startswith("wss:") else None
        ws = await connect(uri, self, ssl=tls, proxy=None, compression=None, ping_interval=None)
        self.connections.append(ws)
        hello = {"type": "hello", "ticket": self._ticket}
        ws.write(json.dumps(hello))
        ws.write(json.dumps({"type": "join", "room": f"chat:{self._room}"}))

    def say(self) -> None:
        """Have one of them say something."""
        ws = random.choice(self.connections)
        said = {"type": "say", "id": f"sim-{random.getrandbits(64):x}"}
        with suppress(ConnectionClosed):
            ws.write(json.dumps({**said, "text": random.choice(SAYINGS)}))

    def wave(self) -> None:
        """Have them wave at all others, and at themselves, unless they do."""
        if self._waves < self._waves_expected and time.monotonic() - self._waved_at < GIVING_UP:
            return
        waving = self.connections[:WAVING]
        self._waves, self._waves_expected = 0, len(waving) * len(self.connections)
        self._waved_at = time.monotonic()
        for ws in waving:
            with suppress(ConnectionClosed):
                ws.write('{"type":"wave"}')

    def on_message(self, ws: ClientConnection, message: str | bytes) -> None:
        assert isinstance(message, str)
        if '"wave:' in message:
            self._waves += 1
            if self._waves == self._waves_expected:
                ms = (time.monotonic() - self._waved_at) * 1000
                self._tell({"waves": self._waves, "ms": round(ms, 1)})
            return
        if '"message"' not in message:  # somebody has come or gone: a thousand hear it
            return
        # Equal texts are the same publication: only the first one is parsed.
        count = self._arrived.get(message, 0) + 1
        if count == 1 and _said(message) is None:
            return
        self._arrived[message] = count
        if count >= len(self.connections):
            del self._arrived[message]
            self._report(message)
        elif len(self._arrived) > UNFINISHED:  # some of them are gone
            del self._arrived[next(iter(self._arrived))]

    def on_close(self, ws: ClientConnection, close: object) -> None:
        with suppress(ValueError):
            self.connections.remove(ws)

    def _report(self, message: str) -> None:
        said = _said(message)
        assert said is not None
        ms = max(0.0, time.time() * 1000 - said["at"])
        self._tell({"reached": len(self.connections), "id": said["id"], "ms": round(ms, 2)})

    async def leave(self) -> None:
        """Close all connections."""
        leaving = [ws.close() for ws in self.connections]
        await asyncio.wait_for(asyncio.gather(*leaving, return_exceptions=True), 3)


def _said(message: str) -> dict[str, Any] | None:
    """What somebody said, when *message* is the envelope of that."""
    envelope = json.loads(message)
    if envelope.get("kind") != "message" or not envelope["room"].startswith("chat:"):
        return None
    said: dict[str, Any] = json.loads(envelope["data"])
    return said


def _unverified() -> ssl.SSLContext:
    """For connections to the server that started us, on this machine; it knows who we are."""
    return client_context(verify=False)


def _tell(fact: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):
        print(json.dumps(fact), flush=True)


async def _run(order: dict[str, Any], members: Members, end: asyncio.Event) -> None:
    adding = asyncio.ensure_future(members.add(order["uri"], order["size"]))
    ending = asyncio.ensure_future(end.wait())
    try:
        await asyncio.wait({adding, ending}, return_when=asyncio.FIRST_COMPLETED)
        while not end.is_set() and members.connections:
            await asyncio.wait({ending}, timeout=PAUSE)
            if members.connections and not end.is_set():
                members.say()
    finally:
        for task in (adding, ending):
            task.cancel()
        await asyncio.gather(adding, ending, return_exceptions=True)
        await members.leave()


async def _obey() -> None:
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    order = json.loads(await stdin.readline())
    members = Members(order["room"], order["ticket"], _tell)
    end = asyncio.Event()

    async def read() -> None:
        async for _ in stdin:
            members.wave()
        end.set()

    reading = asyncio.ensure_future(read())
    await _run(order, members, end)
    reading.cancel()
    pipe.close()


def main() -> None:
    """Do what the lines of stdin say, until it ends or nobody is left."""
    # Ctrl-C in a terminal comes to all processes; the server ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_obey())


if __name__ == "__main__":
    main()
