"""What the event loops' own transports need help with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from support.rawpeer import address, echo, serving

from wscore.aio.connection.transport import close_once

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    Run = Callable[[Any], Any]


class Ending(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


def test_tls_that_is_closed_twice_can_be_aborted(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with serving(echo, ssl=server_tls) as server:
            transport, protocol = await loop.create_connection(
                Ending, "localhost", address(server)[1], ssl=client_tls
            )
            for _ in range(2):
                close_once(transport)
            assert transport.get_write_buffer_size() >= 0
            assert transport.get_extra_info("peername")
            transport.abort()
            await asyncio.wait_for(protocol.lost, 20)

    run(main())
