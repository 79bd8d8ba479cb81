"""TLS while allocations fail, each in turn: the streams stay whole, or the connection ends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support.isolated import run

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

if sys.implementation.name != "cpython":  # PyPy would compile its own
    pytest.skip("about what CPython does without memory", allow_module_level=True)
pytest.importorskip("_testcapi", reason="this CPython was installed without it")

EACH = """
import asyncio, gc, ssl, _testcapi
from support.tls_pair import DATA, Pair

server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server_tls.load_cert_chain(CERTIFICATE)
client_tls = ssl.create_default_context(cafile=CERTIFICATE)

def starved(number, call):
    '''Whether *call* fails when its allocation of that number does.'''
    _testcapi.set_nomemory(number, number + 1)
    try:
        call()
    except (MemoryError, SystemError):  # CPython's `unwrap` raises the latter
        return True
    finally:
        _testcapi.remove_mem_hooks()
    return False

def put(pair, ciphertext):
    pair.below.protocol.get_buffer(-1)[: len(ciphertext)] = ciphertext
    return len(ciphertext)

async def each(check):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    failures = 0
    for ours in ("server", "client"):
        for number in range(50):
            pair = Pair(server_tls, client_tls, ours, shutdown_timeout=0.01).connect()
            gc.disable()  # it would take, and give, memory at any time
            failures += await check(pair, number) or bool(told)
            gc.enable()
            told.clear()
            if not pair.tls._lost:
                pair.below.lose()
            assert pair.above.calls.count("connection_lost") == 1, (ours, number)
    assert failures
    print("fine")
"""

READING = """
async def check(pair, number):
    count = put(pair, pair.peer.write(DATA))
    failed = starved(number, lambda: pair.below.protocol.buffer_updated(count))
    if not pair.below.is_closing():
        pair.feed(b"more")  # without what came before, it is the end
        await asyncio.sleep(0)
    if not pair.below.is_closing():
        assert pair.above.data == DATA + b"more", number
    assert (DATA + b"more").startswith(pair.above.data), number
    return failed
"""

WRITING = """
async def check(pair, number):
    if number % 2:
        pair.below.pause()
    data = bytearray(DATA)
    failed = starved(number // 2, lambda: pair.tls.writelines([b"first", data]))
    if pair.below.full:
        await pair.below.resume()
    pair.tls.write(b"last")
    pair.pass_on()
    whole = b"first" + DATA + b"last"
    if pair.below.is_closing():
        assert whole.startswith(pair.peer.data), number
    else:
        assert pair.peer.data in (whole, b"last" if failed else whole), number
    return failed
"""

CLOSING = """
async def check(pair, number):
    failed = starved(number, pair.tls.close)
    if failed:
        pair.tls.close()
    pair.pass_on()
    while not (pair.peer.ended or pair.below.is_closing()):
        await asyncio.sleep(0.001)
    return failed
"""

LOSING = """
async def check(pair, number):
    failed = starved(number, pair.below.lose)
    return failed or number > 0  # once nothing fails: no memory is needed
"""

CHECKS = {"reading": READING, "writing": WRITING, "closing": CLOSING, "losing": LOSING}


@pytest.mark.parametrize("name", CHECKS)
def test_each_allocation_fails_in_turn(compiled: ModuleType, certificate: Path, name: str) -> None:
    where = f"CERTIFICATE = {str(certificate)!r}\n"
    script = where + EACH + CHECKS[name] + "asyncio.run(each(check))\n"
    assert run(compiled, script) == "fine\n"
