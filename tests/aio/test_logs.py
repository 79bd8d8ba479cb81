"""What stands in the log, about whom, and that peers cannot write it."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from support.oracles import WireFrame
from support.rawpeer import (
    CLOSE,
    PING,
    TEXT,
    Echo,
    close_payload,
    echo,
    opened,
    raw_client,
    request,
    serving,
    until,
    uri,
)

import wscore
from wscore.aio.logs import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

HANDLERS = pytest.mark.parametrize("handler", [Echo, echo], ids=["listener", "coroutine"])
EVIL = "\r\n2026-01-01 ERROR forged\x1b[2J\u202e"


def _records(caplog: pytest.LogCaptureFixture, level: str = "DEBUG") -> list[logging.LogRecord]:
    return [record for record in caplog.records
            if record.levelname == level and record.name.startswith("wscore")]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "'plain'"),
        (b"\x00\xff", r"b'\x00\xff'"),
        (EVIL, r"'\r\n2026-01-01 ERROR forged\x1b[2J\u202e'"),
        ("é" * 75, repr("é" * 75)),
        ("x" * 76, repr("x" * 75) + "... (76 in all)"),
        (b"x" * 1000, repr(b"x" * 75) + "... (1000 in all)"),
    ],
)
def test_what_peers_sent_is_quoted_and_cut(value: str | bytes, text: str) -> None:
    assert shown(value) == text


@HANDLERS
def test_opening_and_closing(run: Run, caplog: pytest.LogCaptureFixture, handler: Any) -> None:
    async def main() -> None:
        async with serving(handler) as server, wscore.connect(uri(server, "/path?q=1")) as ws:
            await until(lambda: server.connections)
            [served] = server.connections
            ids = {str(ws.id): ws.remote_address, str(served.id): served.remote_address}
        opened, closed = _records(caplog)[:2], _records(caplog)[2:]
        for records, text in (
            (opened, "connection open: '/path?q=1'"),
            (closed, "connection closed: received 1000 '', sent 1000 ''"),
        ):
            assert {record.getMessage() for record in records} == {text}
            about = {str(record.websocket): record.remote_address for record in records}  # type: ignore[attr-defined]
            assert about == ids

    run(main())


def test_refusals_are_told_with_their_reason(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving({"/": echo}, origins=["https://a.example"]) as server:
            for asked in (request("/nowhere"), request("/", "Origin: https://\tb" + "x" * 300)):
                async with raw_client(server, shake=False) as peer:
                    peer.write(asked)
                    await peer.reader.read()
                    sockname = peer.writer.get_extra_info("sockname")
            await until(lambda: not server.stats.connections)
        first, second = _records(caplog, "INFO")
        assert first.getMessage() == "handshake refused: status_404"
        assert second.getMessage().startswith("handshake refused: origin: ")
        assert "\t" not in second.getMessage()
        assert len(second.getMessage()) < 150
        assert second.remote_address == sockname  # type: ignore[attr-defined]

    run(main())


@pytest.mark.parametrize("traffic", [False, True])
def test_a_peer_cannot_forge_a_line(
    run: Run, caplog: pytest.LogCaptureFixture, traffic: bool
) -> None:
    if traffic:
        caplog.set_level(logging.DEBUG, "wscore.traffic")

    async def main() -> None:
        async with serving(echo) as server, raw_client(server) as peer:
            peer.send(
                WireFrame(TEXT, EVIL.encode()),
                WireFrame(PING, EVIL.encode()),
                WireFrame(CLOSE, close_payload(4000, EVIL)),
            )
            await peer.rest()
            await peer.finish()
            await until(lambda: not server.stats.connections)
        messages = [record.getMessage() for record in caplog.records]
        assert any("forged" in message for message in messages)
        assert not [text for text in messages if set(text) & set("\r\n\x1b\u202e")]

    run(main())


@HANDLERS
def test_traffic(run: Run, caplog: pytest.LogCaptureFixture, handler: Any) -> None:
    caplog.set_level(logging.DEBUG, "wscore.traffic")

    async def main() -> None:
        async with serving(handler) as server, wscore.connect(uri(server)) as ws:
            for message in ("hello", bytearray(2000)):
                await ws.send(message)
                assert await ws.recv() == message
        told = [(str(record.websocket), record.getMessage())  # type: ignore[attr-defined]
                for record in caplog.records if record.name == "wscore.traffic"]  # fmt: skip
        zeros = shown(bytes(2000))
        of_client = [text for who, text in told if who == str(ws.id)]
        of_server = [text for who, text in told if who != str(ws.id)]
        assert of_client[:4] == [
            "sending 'hello'", "received 'hello'", f"sending {zeros}", f"received {zeros}"
        ]  # fmt: skip
        assert of_server[:4] == [
            "received 'hello'", "sending 'hello'", f"received {zeros}", f"sending {zeros}"
        ]  # fmt: skip

    run(main())


def test_traffic_in_fragments(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "wscore.traffic")

    async def main() -> None:
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            await ws.send(["hel", "lo"])
            assert await ws.recv() == "hello"
            with pytest.raises(TypeError):
                await ws.send([3])
            told = [record.getMessage() for record in caplog.records
                    if getattr(record, "websocket", None) == ws.id]  # fmt: skip
        expected = ["sending fragment 'hel'", "sending fragment 'lo'", "received 'hello'"]
        assert [text for text in told if "ing " in text or "received" in text] == expected

    run(main())


def test_what_a_coroutine_receives_is_logged_in_the_context_of_its_connection(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Filters tell by it whose record it is; also of reads that bring more than messages."""
    caplog.set_level(logging.DEBUG, "wscore.traffic")
    opener: ContextVar[str] = ContextVar("opener", default="nobody")
    told: list[tuple[str, str]] = []

    def note(record: logging.LogRecord) -> bool:
        told.append((record.getMessage().partition(" ")[0], opener.get()))
        return True

    async def main() -> None:
        opener.set("mine")
        async with opened() as (ws, peer):
            opener.set("changed")
            for frames in ([TEXT], [PING, TEXT], [TEXT, CLOSE]):
                peer.send(*(WireFrame(opcode, b"") for opcode in frames))
                assert await ws.recv() == ""

    traffic = logging.getLogger("wscore.traffic")
    traffic.addFilter(note)
    try:
        run(main())
    finally:
        traffic.removeFilter(note)
    received = [who for what, who in told if what == "received"]
    assert len(received) >= 3
    assert set(received) == {"mine"}


def test_nothing_is_made_for_a_log_that_is_off(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "wscore")

    async def main() -> None:
        async with serving(echo, max_connections=1) as server, wscore.connect(uri(server)) as ws:
            await until(lambda: server.connections)
            [served] = server.connections
            with pytest.raises(wscore.InvalidStatus):
                await wscore.connect(uri(server))
            assert ws.protocol.writer.tap is served.protocol.writer.tap is None
            await ws.close()
            await until(lambda: not server.stats.connections)
            assert ws._id is served._id is None

    run(main())
    assert not caplog.records


def test_records_go_to_a_logger_of_ones_own(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    own = {name: logging.getLogger(f"own.{name}") for name in ("server", "client")}
    caplog.set_level(logging.DEBUG, "own")

    async def handler(ws: wscore.ServerConnection) -> None:
        ws.logger.info("hello")
        async for message in ws:
            await ws.send(message)
        raise LookupError

    async def main() -> None:
        server = await serving(handler, logger=own["server"], max_connections=1)
        async with wscore.connect(uri(server), logger=own["client"]) as ws:
            await ws.send("a")
            await ws.recv()
            with pytest.raises(wscore.InvalidStatus):
                await wscore.connect(uri(server), logger=own["client"])
            ws.logger.info("it is me")
            assert caplog.records[-1].websocket == ws.id  # type: ignore[attr-defined]
        server.close()
        await server.wait_closed()
        told = {name: [record.getMessage() for record in caplog.records
                       if record.name == f"own.{name}"] for name in own}  # fmt: skip
        for text in (
            "connection open: '/'",
            "hello",
            "received 'a'",
            "sending 'a'",
            "handshake refused: max_connections",
            "connection handler failed",
        ):
            assert text in told["server"]
        assert {"connection open: '/'", "sending 'a'", "it is me"} <= set(told["client"])
        assert not [record for record in caplog.records if record.name.startswith("wscore")]
        caplog.clear()

    run(main())


def test_the_logger_of_a_connection_is_that_of_the_library(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server, wscore.connect(uri(server)) as ws:
            assert ws.logger.logger is logging.getLogger("wscore")
            assert ws.logger.extra == {
                "websocket": ws.id, "remote_address": ws.remote_address
            }  # fmt: skip

    run(main())
