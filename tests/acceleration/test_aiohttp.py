"""aiohttp before and after its compiled reader was imported, and its masking function.

Each test runs in an interpreter of its own: what an import decides cannot be taken back.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.drop_in import needs_compiled

pytestmark = needs_compiled

# Counts the calls that come through C: a capsule of the same name around a counting function.
COUNT = """
import ctypes
import wscore._speedups as speedups

NAME = b"void (PyObject *, PyObject *, int __pyx_skip_dispatch)"
received = []

@ctypes.CFUNCTYPE(None, ctypes.py_object, ctypes.py_object, ctypes.c_int)
def counting(mask, data, _):
    received.append(len(data))
    speedups._websocket_mask_cython(mask, data)

ctypes.pythonapi.PyCapsule_New.restype = ctypes.py_object
ctypes.pythonapi.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
speedups.__pyx_capi__["_websocket_mask_cython"] = ctypes.pythonapi.PyCapsule_New(
    ctypes.cast(counting, ctypes.c_void_p), NAME, None
)
"""
EXCHANGE = """
import asyncio
import aiohttp
from aiohttp import web
from aiohttp._websocket import helpers, writer

async def handler(request):
    server = web.WebSocketResponse(compress=False, max_msg_size=0)
    await server.prepare(request)
    async for message in server:
        await (server.send_str if message.type is aiohttp.WSMsgType.TEXT else server.send_bytes)(
            message.data
        )
    return server

async def exchange():
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"http://127.0.0.1:{port}/", max_msg_size=0) as client:
            for size in (0, 1, 3, 4, 5, 125, 126, 1000, 70_000):
                await client.send_bytes(bytes(size))
                assert await client.receive_bytes() == bytes(size)
                await client.send_str("ü" * size)
                assert await client.receive_str() == "ü" * size
    await runner.cleanup()

asyncio.run(exchange())
"""


def _ran(isolated: Callable[..., str], program: str, **env: str) -> list[str]:
    return isolated(program, **env).splitlines()


def test_before_the_import_the_compiled_reader_uses_wscore(isolated: Callable[..., str]) -> None:
    outcome, received = _ran(
        isolated,
        f"""{COUNT}
import wscore
print(wscore.accelerate("aiohttp")["aiohttp"].detail)
received.clear()
{EXCHANGE}
assert writer.websocket_mask is helpers.websocket_mask is speedups._websocket_mask_cython
print(sum(received))
""",
    )
    assert outcome == "sends and receives"
    assert int(received) >= 3 * 70_000


def test_after_the_import_only_sends(isolated: Callable[..., str]) -> None:
    (outcome,) = _ran(
        isolated,
        f"""{COUNT}
import aiohttp, wscore
print(wscore.accelerate("aiohttp")["aiohttp"].detail)
{EXCHANGE}
assert writer.websocket_mask is helpers.websocket_mask is speedups._websocket_mask_cython
assert not received
""",
    )
    assert outcome == "sends only: aiohttp's compiled reader was already imported"


def test_without_its_extensions_both(isolated: Callable[..., str]) -> None:
    (outcome,) = _ran(
        isolated,
        f"""
import aiohttp, wscore
print(wscore.accelerate("aiohttp")["aiohttp"].detail)
{EXCHANGE}
from aiohttp._websocket import reader_py
assert reader_py.websocket_mask is writer.websocket_mask
assert writer.websocket_mask.__qualname__ == "_websocket_mask_cython"
wscore.restore()
for user in (helpers, writer, reader_py):
    assert user.websocket_mask is helpers._websocket_mask_python
""",
        AIOHTTP_NO_EXTENSIONS="1",
    )
    assert outcome == "sends and receives"


@pytest.mark.parametrize("first", ["aiohttp, wscore", "wscore, aiohttp", "wscore"])
def test_restore(isolated: Callable[..., str], first: str) -> None:
    accelerated, restored, again = _ran(
        isolated,
        f"""
import {first}
import sys
NAME = "aiohttp._websocket.mask"
before = sys.modules.get(NAME)
print(wscore.accelerate("aiohttp")["aiohttp"].detail)
assert sys.modules[NAME].__doc__ == "Masking by wscore." or before
print(wscore.restore()["aiohttp"].detail)
own = sys.modules[NAME]
assert own.__file__ and own is (before or own)
from aiohttp._websocket import helpers, writer
assert helpers.websocket_mask is writer.websocket_mask is own._websocket_mask_cython
print(wscore.accelerate("aiohttp")["aiohttp"].detail)
""",
    )
    assert again == accelerated
    assert ("keeps wscore's masking" in restored) == (accelerated == "sends and receives")


def test_another_signature_is_left_alone(isolated: Callable[..., str]) -> None:
    outcome = isolated(f"""{COUNT}
speedups.__pyx_capi__["_websocket_mask_cython"] = ctypes.pythonapi.PyCapsule_New(
    ctypes.cast(counting, ctypes.c_void_p), b"int (PyObject *)", None
)
import wscore
print(wscore.accelerate("aiohttp")["aiohttp"].detail)
{EXCHANGE}
""")
    assert outcome.strip().endswith("expects a function with another signature")


def test_takes_what_aiohttp_takes(isolated: Callable[..., str]) -> None:
    isolated("""
import sys
sys.path.insert(0, "tests")
from support.drop_in import BUFFERS, KEYS, NO_BUFFERS, outcome
from aiohttp._websocket.mask import _websocket_mask_cython as own
from wscore._speedups import _websocket_mask_cython as new
for mask in KEYS:
    for data in BUFFERS + NO_BUFFERS:
        masked = bytearray(data) if isinstance(data, bytearray) else data
        again = bytearray(data) if isinstance(data, bytearray) else data
        wanted, found = outcome(own, mask, masked), outcome(new, mask, again)
        assert wanted[0] == found[0], (mask, data)
        assert masked == again
""")
