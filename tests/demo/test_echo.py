"""The echo beside the chat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wscore
from wscore.demo.echo import Echo

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def test_echo(run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    async def main() -> None:
        async with wscore.serve(Echo, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with wscore.connect(f"ws://127.0.0.1:{port}/") as ws:
                for message in ("Grüße 🎉", b"\x00\xff", ""):
                    await ws.send(message)
                    assert await ws.recv() == message

    run(main())
