"""websocket-client against a websockets server, its masking and its UTF-8."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from threading import Thread

import pytest
import websocket
from support.drop_in import BUFFERS, KEYS, NO_BUFFERS, SIZES, assert_drop_in, name, needs_compiled
from websocket import ABNF, _utils
from websockets.sync.server import ServerConnection, serve

import wscore


def _echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


@pytest.fixture
def uri() -> Iterator[str]:
    with serve(_echo, "127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def test_client_works_through_wscore(
    accelerate: Callable[..., object], calls: Counter[str], uri: str
) -> None:
    accelerate("websocket-client")
    client = websocket.create_connection(uri)
    for size in SIZES:
        client.send_binary(b"\x5a" * size)
        assert client.recv() == b"\x5a" * size
        client.send("ü" * size)
        assert client.recv() == "ü" * size
    client.close()
    assert calls["is_utf8"] >= len(SIZES)
    if wscore.BACKEND == "compiled":
        assert calls["apply_mask"] >= 2 * len(SIZES)


@needs_compiled
@pytest.mark.parametrize("data", BUFFERS + NO_BUFFERS, ids=name)
def test_takes_what_websocket_client_takes(accelerate: Callable[..., object], data: object) -> None:
    own = ABNF.mask
    accelerate("websocket-client")
    for mask in (*KEYS, "\x37\xfa\x21\x3d", [1, 2, 3, 4]):
        assert_drop_in(own, ABNF.mask, mask, data)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (b"", True),
        ("größer €".encode(), True),
        (b"\xff", False),
        (b"\xc0\xaf", False),
        (b"\xed\xa0\x80", False),
        (b"cut \xe2\x82", False),
    ],
)
def test_text_is_judged_strictly(
    accelerate: Callable[..., object], text: bytes, valid: bool
) -> None:
    accelerate("websocket-client")
    assert _utils.validate_utf8(text) is valid


def test_restore_puts_the_same_objects_back(accelerate: Callable[..., object]) -> None:
    mask, validate = vars(ABNF)["mask"], _utils._validate_utf8
    accelerate("websocket-client")
    assert _utils._validate_utf8 is not validate
    assert (vars(ABNF)["mask"] is mask) == (wscore.BACKEND == "python")
    wscore.restore("websocket-client")
    assert vars(ABNF)["mask"] is mask
    assert _utils._validate_utf8 is validate


@pytest.mark.parametrize("hidden", ["wsaccel", ""])
def test_with_and_without_wsaccel(isolated: Callable[..., str], hidden: str) -> None:
    isolated(f"""
        import sys
        if {hidden!r}:
            sys.modules[{hidden!r}] = None
        import wscore
        import websocket._abnf, websocket._utils
        assert hasattr(websocket._utils, "_UTF8D") == bool({hidden!r})
        assert wscore.accelerate("websocket-client")["websocket-client"].lifted
        assert websocket._abnf.ABNF.mask("abcd", "Hello") == bytes(
            a ^ b for a, b in zip(b"Hello", b"abcda")
        )
        assert not websocket._utils.validate_utf8(b"cut " + bytes([0xE2, 0x82]))
    """)
