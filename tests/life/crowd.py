"""Many clients that do nothing but answer; killed, their connections are reset."""

from __future__ import annotations

import asyncio
import socket

from life.processes import allow_descriptors
from life.talking import OPTIONS, questions, say

import wscore
from wscore import State

RESET_WHEN_CLOSED = b"\1\0\0\0\0\0\0\0"  # l_onoff 1, l_linger 0


class Counting(wscore.Listener):
    """Counts the messages to all of them."""

    messages = 0

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        Counting.messages += 1


async def join(port: int, count: int, all_of_them: list[wscore.ClientConnection]) -> None:
    for _ in range(count):
        ws = await wscore.connect(f"ws://127.0.0.1:{port}/", Counting, **OPTIONS["options"])
        ws.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, RESET_WHEN_CLOSED
        )
        all_of_them.append(ws)


async def main() -> None:
    allow_descriptors(OPTIONS["descriptors"])
    crowd: list[wscore.ClientConnection] = []
    workers = 50
    await asyncio.gather(
        *(join(OPTIONS["port"], OPTIONS["count"] // workers, crowd) for _ in range(workers))
    )
    say(len(crowd))
    async for question in questions():
        if question == "messages":
            say(Counting.messages)
            continue
        say(sum(ws.state is not State.CLOSED for ws in crowd))


asyncio.run(main())
