"""tornado: its asyncio client and server, XSRF tokens, and its masking function."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
import tornado.speedups
import tornado.util
import tornado.web
import tornado.websocket
from support.drop_in import BUFFERS, KEYS, NO_BUFFERS, SIZES, assert_drop_in, name, needs_compiled
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

import wscore

pytestmark = needs_compiled


class _Echo(tornado.websocket.WebSocketHandler):
    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, binary=isinstance(message, bytes))


async def _exchange(messages: list[str | bytes]) -> list[str | bytes | None]:
    listening, port = bind_unused_port()
    server = HTTPServer(tornado.web.Application([("/", _Echo)]))
    server.add_socket(listening)
    client = await tornado.websocket.websocket_connect(f"ws://127.0.0.1:{port}/")
    echoed = []
    for message in messages:
        await client.write_message(message, binary=isinstance(message, bytes))
        echoed.append(await client.read_message())
    client.close()
    await client.read_message()  # None: the closing handshake is over
    server.stop()
    await server.close_all_connections()
    return echoed


def test_client_and_server_mask_through_wscore(
    accelerate: Callable[..., object], calls: Counter[str]
) -> None:
    accelerate("tornado")
    messages = [make(size) for size in SIZES for make in (bytes, lambda size: "ü" * size)]
    assert asyncio.run(_exchange(messages)) == messages
    assert calls["apply_mask"] >= 2 * len(messages)


@pytest.mark.parametrize("data", BUFFERS + NO_BUFFERS, ids=name)
def test_takes_what_tornado_takes(accelerate: Callable[..., object], data: object) -> None:
    accelerate("tornado")
    for mask in KEYS:
        assert_drop_in(
            tornado.speedups.websocket_mask, tornado.websocket._websocket_mask, mask, data
        )


def test_restore_puts_the_same_object_back(accelerate: Callable[..., object]) -> None:
    own = tornado.speedups.websocket_mask
    users = (tornado.util, tornado.web, tornado.websocket)
    accelerate("tornado")
    assert all(user._websocket_mask is not own for user in users)
    wscore.restore("tornado")
    assert all(user._websocket_mask is own for user in users)
