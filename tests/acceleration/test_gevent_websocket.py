"""gevent-websocket: a server in a process of its own, and its masking method."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from support.drop_in import SIZES
from websockets.sync.client import connect

import wscore

SERVER = """
from gevent import pywsgi
import wscore
from wscore import _backend

calls = []
for name in ("apply_mask", "is_utf8"):
    def count(*args, name=name, kernel=getattr(_backend, name)):
        calls.append(name)
        return kernel(*args)
    setattr(_backend, name, count)
assert wscore.accelerate("gevent-websocket")["gevent-websocket"].lifted
calls.clear()

from geventwebsocket.handler import WebSocketHandler

def application(environ, start_response):
    websocket = environ["wsgi.websocket"]
    while (message := websocket.receive()) is not None:
        websocket.send(bytes(message) if isinstance(message, bytearray) else message)
    print(calls.count("apply_mask"), calls.count("is_utf8"), flush=True)
    return []

server = pywsgi.WSGIServer(("127.0.0.1", 0), application, handler_class=WebSocketHandler, log=None)
server.start()
print(server.server_port, flush=True)
server.serve_forever()
"""


def test_server_works_through_wscore() -> None:
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVER],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            with connect(f"ws://127.0.0.1:{port}/", compression=None) as client:
                for size in SIZES:
                    client.send(b"\x5a" * size)
                    assert client.recv() == b"\x5a" * size
                    client.send("ü" * size)
                    assert client.recv() == "ü" * size
            masked, checked = map(int, server.stdout.readline().split())
        finally:
            server.kill()
    payloads = sum(map(bool, SIZES))
    assert masked >= 2 * payloads
    # The pure backend leaves UTF-8 to wsaccel, which is installed here.
    assert checked >= payloads if wscore.BACKEND == "compiled" else checked == 0


def test_masks_as_the_library_does(isolated: Callable[..., str]) -> None:
    isolated("""
        import sys
        sys.path.insert(0, "tests")
        from support.drop_in import BUFFERS, KEY, NO_BUFFERS, assert_drop_in
        from geventwebsocket.websocket import Header
        from wscore.acceleration.gevent_websocket import _masking
        own, new = Header.mask_payload, _masking(Header.mask_payload)
        for mask in (KEY, bytearray(KEY), b"", b"abcde", ""):
            for length in (0, 3, 5, 6):
                header = Header(length=length)
                header.mask = mask
                for data in BUFFERS + NO_BUFFERS:
                    assert_drop_in(own, new, header, data)
    """)


def test_restore_puts_the_same_objects_back(isolated: Callable[..., str]) -> None:
    isolated("""
        from geventwebsocket import utf8validator, websocket
        header = vars(websocket.Header)
        before = [header["mask_payload"], header["unmask_payload"], websocket.Utf8Validator]
        assert before[0] is before[1]
        import wscore
        assert wscore.accelerate("gevent-websocket")["gevent-websocket"].lifted
        assert header["mask_payload"] is header["unmask_payload"] is not before[0]
        wscore.restore()
        assert before == [header["mask_payload"], header["unmask_payload"], websocket.Utf8Validator]
        assert utf8validator.Utf8Validator is before[2]
    """)
