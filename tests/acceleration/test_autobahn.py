"""autobahn: its asyncio client and server, with and without NVX."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import wscore

EXCHANGE = """
import asyncio
import txaio
txaio.use_asyncio()
from collections import Counter
from wscore import _backend

calls = Counter()

def count(name):
    kernel = getattr(_backend, name)

    def call(*args):
        calls[name] += 1
        return kernel(*args)

    setattr(_backend, name, call)

count("apply_mask")
count("is_utf8")
from autobahn.asyncio import websocket

SIZES = (0, 1, 3, 4, 5, 125, 126, 1000, 70_000)
MESSAGES = [make(size) for size in SIZES for make in (bytes, lambda size: "ü".encode() * size)]

class Echo(websocket.WebSocketServerProtocol):
    def onMessage(self, payload, isBinary):
        self.sendMessage(payload, isBinary)

class Client(websocket.WebSocketClientProtocol):
    echoed = []

    def onOpen(self):
        for index, message in enumerate(MESSAGES):
            self.sendMessage(message, isBinary=not index % 2)

    def onMessage(self, payload, isBinary):
        self.echoed.append(payload)
        if len(self.echoed) == len(MESSAGES):
            self.sendClose(1000)

    def onClose(self, wasClean, code, reason):
        done.set()

async def exchange():
    global done
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    factory = websocket.WebSocketServerFactory()
    factory.protocol = Echo
    server = await loop.create_server(factory, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = websocket.WebSocketClientFactory(f"ws://127.0.0.1:{port}")
    client.protocol = Client
    await loop.create_connection(client, "127.0.0.1", port)
    await asyncio.wait_for(done.wait(), 30)
    server.close()
    assert Client.echoed == MESSAGES

asyncio.run(exchange())
"""


@pytest.mark.parametrize("nvx", ["1", "0"])
def test_client_and_server_work_through_wscore(isolated: Callable[..., str], nvx: str) -> None:
    printed = isolated(
        f"""
import wscore
print(wscore.accelerate("autobahn")["autobahn"].detail)
{EXCHANGE}
payloads = sum(map(bool, MESSAGES))
print(calls["apply_mask"] >= 2 * payloads, calls["is_utf8"] >= payloads)
""",
        AUTOBAHN_USE_NVX=nvx,
    )
    detail, calls = printed.splitlines()
    masks = wscore.BACKEND == "compiled" or nvx == "0"
    assert detail.startswith("sends and receives, UTF-8" if masks else "UTF-8 only")
    assert calls == f"{masks} True"


def test_restore_puts_the_same_objects_back(isolated: Callable[..., str]) -> None:
    isolated("""
        from autobahn.websocket import protocol, utf8validator, xormasker
        own = [protocol.create_xor_masker, protocol.Utf8Validator]
        assert own == [xormasker.create_xor_masker, utf8validator.Utf8Validator]
        import wscore
        assert wscore.accelerate("autobahn")["autobahn"].lifted
        assert protocol.Utf8Validator is utf8validator.Utf8Validator is not own[1]
        assert protocol.create_xor_masker is xormasker.create_xor_masker
        assert (protocol.create_xor_masker is own[0]) == (wscore.BACKEND == "python")
        wscore.restore()
        assert own == [protocol.create_xor_masker, protocol.Utf8Validator]
        assert own == [xormasker.create_xor_masker, utf8validator.Utf8Validator]
    """)
