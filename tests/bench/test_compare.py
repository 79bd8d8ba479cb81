"""The comparison of WebSocket, SSE and long polling: real servers, and clients that count."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.benched import handshake, needs_cores

from bench import charts
from bench.compare import CONTENDERS, parts, recovery, report, wire
from bench.compare.__main__ import main
from bench.compare.log import KEPT, Log, Message, Receiver, Source
from bench.compare.streams import Received, Stream, stream_of
from bench.contract import Missing, Refused
from bench.load.measure import Result
from bench.oracle import frame
from bench.report import BEGIN, END
from bench.servers import FEEDS
from bench.servers.process import free_port

pytestmark = pytest.mark.timeout(300)
pytest.importorskip("sse_starlette", reason="an extra")
pytest.importorskip("uvloop", reason="the server runs on it")

SIZE = parts.QUICK.size


def run(tmp_path: Path, part: str) -> tuple[dict[str, Any], str, int]:
    """By case what was found in the quickest form; the document; the exit status."""
    found, document = tmp_path / "found.json", tmp_path / "document.md"
    document.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    status = main([part, "--quick", "--json", str(found), "--document", str(document)])
    results = json.loads(found.read_text())["results"]
    return {result["case"]["name"]: result for result in results}, document.read_text(), status


# The parts, on real servers


@needs_cores
@pytest.mark.parametrize("part", ["rates", "binary", "idle"])
def test_every_way_delivers_every_message(tmp_path: Path, part: str) -> None:
    results, document, status = run(tmp_path, part)
    assert status == 0
    assert list(results) == parts.names(part)
    for result in results.values():
        assert list(result["medians"]) == list(CONTENDERS)
        for figures in result["medians"].values():
            assert figures["delivered"] == figures["expected"] > 0
            assert figures["cpu"] > 0
            if part != "idle":
                assert (figures["lost"], figures["twice"]) == (0, 0)
                assert figures["wire"] > SIZE
                assert 0 < figures["p50"] <= figures["p99"]
    if part != "binary":
        assert charts.main([str(tmp_path / "found.json"), str(tmp_path)]) == 0
        assert list(tmp_path.glob("compare-*.svg"))
    assert document.startswith("before\n")
    assert "not measured" in document  # the other parts
    assert "uvicorn" in document


@needs_cores
def test_bytes_need_more_of_the_wire_in_base64(tmp_path: Path) -> None:
    results, _, _ = run(tmp_path, "binary")
    sizes = {name: found["wire"] for name, found in results["compare-binary"]["medians"].items()}
    assert parts.QUICK.binary_size < sizes["WebSocket, Hub"] < 1.1 * parts.QUICK.binary_size
    for name in ("SSE", "long polling"):
        assert sizes[name] > 4 / 3 * parts.QUICK.binary_size


@needs_cores
def test_every_message_upstream_arrives(tmp_path: Path) -> None:
    results, _, status = run(tmp_path, "upstream")
    assert status == 0
    medians = results["compare-upstream"]["medians"]
    assert list(medians) == list(parts.UPSTREAM)
    for figures in medians.values():
        assert figures["delivered"] == figures["expected"] > 0
        assert figures["wire"] > SIZE


@needs_cores
def test_a_killed_server_is_survived(tmp_path: Path) -> None:
    results, document, status = run(tmp_path, "recovery")
    assert status == 0
    medians = results["compare-recovery"]["medians"]
    assert list(medians) == list(recovery.WAYS)
    for way, figures in medians.items():
        assert figures["twice"] == 0
        assert (figures["lost"] == 0) is (way in recovery.CAREFUL)
        assert ("seconds" in figures) is (way not in recovery.NEVER)
    assert "| Python: WebSocket as it is | never | all since |" in document


@needs_cores
def test_a_way_that_fails_is_named_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ways = {"broken": "/nowhere", "SSE": "/sse"}
    monkeypatch.setattr(parts, "CONTENDERS", ways)
    results, document, status = run(tmp_path, "idle")
    assert status == 1
    assert list(results["compare-idle"]["medians"]) == ["SSE"]
    for told in (document, capsys.readouterr().out):
        assert "broken: /nowhere was answered with" in told.replace("FAILED: ", "")


def test_a_part_that_fails_as_a_whole_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(scale: parts.Scale) -> list[Result]:
        raise OSError("no browser")

    monkeypatch.setitem(parts.PARTS, "browser", fail)
    results, _, status = run(tmp_path, "browser")
    assert status == 1
    assert list(results) == parts.names("browser")
    assert "FAILED: compare-browser-1: all: OSError: no browser" in capsys.readouterr().out


def test_a_library_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*told: object) -> list[str]:
        raise Missing("sse-starlette is not installed")

    monkeypatch.setattr(type(FEEDS["feed"]), "command", absent)
    results, document, status = run(tmp_path, "idle")
    assert status == 0
    assert results["compare-idle"]["missing"].keys() == CONTENDERS.keys()
    assert "Not measured: compare-idle, SSE: sse-starlette is not installed." in document


# Clients without sockets

TEXTS = [Message(number, float(number), SIZE, binary=False) for number in (1, 2, 3)]
BYTES = [Message(number, float(number), SIZE, binary=True) for number in (1, 2, 3)]


def event(message: Message) -> bytes:
    body = f"id: {message.number}\r\ndata: {message.text}\r\n\r\n".encode()
    return b"%x\r\n%s\r\n" % (len(body), body)


def answer(body: bytes, status: int = 200) -> bytes:
    return f"HTTP/1.1 {status} OK\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def poll(newest: int, messages: Sequence[Message]) -> bytes:
    items = ",".join(message.item for message in messages)
    return answer(f'{{"next":{newest},"messages":[{items}]}}'.encode())


def websocket(messages: Sequence[Message]) -> bytes:
    sent = [message.payload for message in messages]
    frames = [
        frame(payload.encode()) if isinstance(payload, str) else frame(payload, opcode=0x2)
        for payload in sent
    ]
    return handshake(bytes(stream_of("/ws").owed)) + frame(b"", opcode=0x9) + b"".join(frames)


@pytest.mark.parametrize("messages", [TEXTS, BYTES], ids=["text", "bytes"])
@pytest.mark.parametrize("path", ["/ws", "/sse", "/poll"])
@pytest.mark.parametrize("pieces", [1, 7, 100_000])
def test_streams_read_messages_however_they_are_cut(
    path: str, messages: list[Message], pieces: int
) -> None:
    events = b"d\r\n: welcome\r\n\r\n\r\n" + b"".join(map(event, messages))
    wires = {
        "/ws": websocket(messages),
        "/sse": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + events,
        "/poll": poll(3, messages),
    }
    stream, received = stream_of(path), []
    for at in range(0, len(wires[path]), pieces):
        received += stream.feed(wires[path][at : at + pieces])
    assert received == [Received(number, float(number)) for number in (1, 2, 3)]
    assert stream.ready
    assert stream.cursor == 3


def test_a_poll_is_followed_by_the_next() -> None:
    stream = stream_of("/poll")
    asked = [bytes(stream.owed)]
    for newest, messages in ((5, []), (7, TEXTS[:1])):
        stream.owed.clear()
        stream.feed(poll(newest, messages))
        asked.append(bytes(stream.owed))
    lines = [request.partition(b"\r\n")[0] for request in asked]
    assert lines == [
        b"GET /poll HTTP/1.1",
        b"GET /poll?since=5 HTTP/1.1",
        b"GET /poll?since=7 HTTP/1.1",
    ]


@pytest.mark.parametrize(
    ("path", "wire", "complaint"),
    [
        ("/ws", answer(b"", 404), "/ws was answered with .*404"),
        ("/sse", answer(b"", 503), "/sse was answered with .*503"),
        ("/sse", answer(b""), "do not come in chunks"),
        ("/sse", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "has ended"),
        ("/poll", answer(b"", 500), "/poll was answered with .*500"),
        ("/up", answer(b""), "/up was answered with .*200"),
    ],
)
def test_answers_that_are_no_feed_are_refused(path: str, wire: bytes, complaint: str) -> None:
    with pytest.raises(Refused, match=complaint):
        stream_of(path).feed(wire)


@pytest.mark.parametrize(
    ("data", "complaint"), [(frame(b"x", opcode=0x8), "was closed"), (b"\x01\x01x", "fragmented")]
)
def test_a_websocket_that_is_closed_or_fragments_is_refused(data: bytes, complaint: str) -> None:
    stream = stream_of("/ws")
    stream.feed(handshake(bytes(stream.owed)))
    with pytest.raises(Refused, match=complaint):
        stream.feed(data)


def test_what_has_one_direction_says_nothing_upstream() -> None:
    silent: list[Stream] = [stream_of("/sse"), stream_of("/poll")]
    for stream in silent:
        with pytest.raises(Refused, match="one direction"):
            stream.say("x")


def test_messages_have_their_size_and_say_who_they_are() -> None:
    for message in (*TEXTS, *BYTES):
        assert len(message.payload) == SIZE
        assert Message.identify(message.payload) == (message.number, message.stamp)
    assert base64.b64decode(BYTES[0].text) == BYTES[0].payload
    assert json.loads(BYTES[0].item) == BYTES[0].text


def test_what_was_published_while_nobody_listened_is_known() -> None:
    seen: list[Message] = []
    log = Log(seen.append)
    port = free_port()
    with Source(port, SIZE) as source:
        receiver = Receiver(log, port)
        receiver.connection_made(asyncio.BaseTransport())
        assert seen == []
        for _ in range(3):
            source.publish()
        receiver.connection_made(asyncio.BaseTransport())  # in place of a server that was killed
    assert [message.number for message in seen] == [1, 2, 3]
    log.append(Message(5, 5.0, SIZE, binary=False))
    assert [message.number for message in seen] == [1, 2, 3, 4, 5]
    assert [message.number for message in log.after(3)] == [4, 5]
    assert log.after(5) == log.after(9) == []
    assert len(log.after(-10 * KEPT)) == 5


# What is counted


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="needs Linux")
def test_the_wire_has_the_bytes_of_both_directions_and_headers_of_every_segment() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, wire.ETHERNET_MSS)
        address = listening.getsockname()
        with socket.create_connection(address) as client, listening.accept()[0] as served:
            before = wire.of_port(address[1], 0)
            assert before.connections == 1
            client.sendall(bytes(100))
            assert len(served.recv(1000)) == 100
            served.sendall(bytes(10_000))
            left = 10_000
            while left:
                left -= len(client.recv(left))
            after = wire.of_port(address[1], 0)
            assert after.stream - before.stream == 10_100
            segments = after.segments - before.segments
            assert segments >= 1 + 7  # which fit in a frame of Ethernet
            assert (after.total - before.total - 10_100) / segments in (40, 52)
            assert wire.of_port(address[1], client.getsockname()[1]).connections == 0
            assert wire.of_port(address[1] ^ 1, 0).connections == 0


def test_what_a_client_saw_of_a_kill_is_counted() -> None:
    arrivals = [(4, 1.0), (5, 1.1), (8, 3.0), (8, 3.1), (9, 3.2)]
    assert recovery.figures(arrivals, killed=2.0, until=10) == {
        "expected": 7,
        "delivered": 4,
        "lost": 3,
        "twice": 1,
        "seconds": 1.0,
    }
    assert "seconds" not in recovery.figures(arrivals[:2], killed=2.0, until=10)
    with pytest.raises(Refused, match="nothing arrived"):
        recovery.figures([], killed=2.0, until=10)


def document_of(case: str, refused: dict[str, str], **medians: dict[str, float]) -> dict[str, Any]:
    return {
        "results": [{"case": {"name": case}, "medians": medians, "refused": refused}],
    }


def test_losses_are_faults_where_nothing_may_be_lost() -> None:
    complete = {"expected": 3, "delivered": 3}
    lost, twice = {**complete, "delivered": 2}, {**complete, "twice": 1}
    careful = next(iter(recovery.CAREFUL))
    found = report.faults(document_of("compare-rate-1", {}, a=complete, b=lost, c=twice))
    assert found == [
        "LOST: compare-rate-1: b: 1 lost, 0 came twice",
        "LOST: compare-rate-1: c: 0 lost, 1 came twice",
    ]
    recovered = document_of("compare-recovery", {"x": "why"}, **{careful: lost, "careless": lost})
    assert report.faults(recovered) == [
        "FAILED: compare-recovery: x: why",
        f"LOST: compare-recovery: {careful}: 1 lost, 0 came twice",
    ]


@pytest.mark.skipif(os.name == "nt", reason="the benchmarks need Linux")
def test_the_way_of_every_contender_exists() -> None:
    from starlette.routing import Route, WebSocketRoute

    from bench.compare.app import make_app

    routes = make_app(0).routes
    paths = {route.path for route in routes if isinstance(route, (Route, WebSocketRoute))}
    assert set(CONTENDERS.values()) | {path for path, _ in parts.UPSTREAM.values()} <= paths
