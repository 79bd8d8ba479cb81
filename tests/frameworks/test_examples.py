"""Every example: clients that vanish are forgotten, and a server that stops tells the others."""

from __future__ import annotations

import asyncio
import re
import signal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from frameworks.serving import EXAMPLES, app_of, closed, serving
from support.rawpeer import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from frameworks.serving import Served
    from support.redis import RedisServer
    from websockets.asyncio.client import ClientConnection

    Run = Callable[[Any], Any]


class Talk(NamedTuple):
    """How a client of an example takes part."""

    path: str
    options: dict[str, Any] = {}  # noqa: RUF012
    entering: tuple[str, ...] = ()
    """What it sends first."""
    answers: int = 0
    """How many messages come back then."""
    word: str = "hello"
    """What everybody hears then; NUMBER stands for a number of its own."""


TALKS = {
    "bare_asgi": Talk("/lobby"),
    "django_channels": Talk(
        "/chat/lobby/", {"origin": "http://localhost"}, word='{"text": "hello"}'
    ),
    "fastapi_chat": Talk("/rooms/lobby?name=Ada"),
    "fastapi_nodes": Talk("/rooms/lobby?name=Ada", answers=1),
    "litestar_chat": Talk("/chat/lobby?name=Ada"),
    "quart_chat": Talk("/chat?name=Ada"),
    "socketio_chat": Talk(
        "/socket.io/?EIO=4&transport=websocket",
        entering=('40{"name":"Ada"}', '420["join","lobby"]'),
        answers=3,
        word='42["say","lobby","hello"]',
    ),
    "starlette_ticker": Talk("/ticker/ACME?token=secret"),
    "strawberry_chat": Talk(
        "/",
        {"subprotocols": ["graphql-transport-ws"]},
        (
            '{"type":"connection_init"}',
            '{"type":"subscribe","id":"0","payload":'
            '{"query":"subscription{messages(room:\\"lobby\\"){text}}"}}',
        ),
        1,
        '{"type":"subscribe","id":"NUMBER","payload":'
        '{"query":"mutation{say(room:\\"lobby\\",name:\\"Ada\\",text:\\"hello\\")}"}}',
    ),
}
CLIENTS = 20
# The beginning of a masked text frame of 100 bytes.
HALF_A_FRAME = bytes([0x81, 0x80 | 100, *bytes(4), *b"hello"])
# Strawberry logs that it could not send to a client that has left, on every server.
COMPLAINT = re.compile(
    r"^Exception in worker task\n(?:.*\n)*?"
    r"(?:strawberry\.http\.exceptions|starlette\.websockets)\.WebSocketDisconnected\b.*$",
    re.MULTILINE,
)


def test_all_examples_are_here() -> None:
    assert sorted(TALKS) == EXAMPLES


async def connect(served: Served, talk: Talk) -> list[ClientConnection]:
    """As many clients, who have entered."""
    clients = await asyncio.gather(
        *(served.connect(talk.path, **talk.options) for _ in range(CLIENTS))
    )
    for ws in clients:
        for message in talk.entering:
            await ws.send(message)
        for _ in range(talk.answers):
            await ws.recv()
    return clients


async def vanish(clients: list[ClientConnection]) -> None:
    """Leave without a word, or in the middle of one."""
    for number, ws in enumerate(clients):
        if number % 2:
            ws.transport.write(HALF_A_FRAME)
        ws.transport.abort()
        await asyncio.sleep(0.01)


async def speak(ws: ClientConnection, talk: Talk, during: asyncio.Future[None]) -> None:
    """Send words until *during* is done."""
    for number in count(1):
        await ws.send(talk.word.replace("NUMBER", str(number)))
        if during.done():
            return
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("example", EXAMPLES)
def test_vanishing_clients_and_a_shutdown(
    run: Run,
    ws_class: str,
    tmp_path: Path,
    example: str,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talk = TALKS[example]
    monkeypatch.setenv("REDIS_URL", redis_server.url())

    async def main() -> None:
        with serving(app_of(example), ws_class, tmp_path) as served:
            descriptors = Path(f"/proc/{served.server.process.pid}/fd")
            staying = await connect(served, talk)
            before = len([*descriptors.iterdir()])
            ends = asyncio.gather(*map(closed, staying))
            # They are sent something while they leave.
            vanishing = asyncio.ensure_future(vanish(await connect(served, talk)))
            await speak(staying[0], talk, vanishing)
            await vanishing
            await until(lambda: len([*descriptors.iterdir()]) <= before)
            status = await asyncio.to_thread(served.server.stop)
            assert {code for code, _ in await ends} == {1012}
            # When all is done uvicorn raises the signal again, as programs that handle one should.
            assert status == -signal.SIGTERM
            assert "Traceback" not in COMPLAINT.sub("", served.log())

    run(main())
