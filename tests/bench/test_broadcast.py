"""The benchmarks of broadcasts: every adapter sends everything to all; a wrong one is not timed."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator

import pytest
from support.benched import answering, handshake, needs_cores, skip_if_missing

from bench.contract import Refused
from bench.interleave import Pace
from bench.load.cases import FANNING, Case, Goal
from bench.load.fan import Fan, Report, Stuck, fan
from bench.load.measure import run
from bench.load.messages import documents
from bench.oracle import frame, messages
from bench.servers import ROOMS, Deflate, Setting
from bench.servers.process import Server, serving

pytestmark = needs_cores

BRIEFLY = 0.02
BINARY, RSV1_TEXT = 0x2, 0x41
DEFLATE = Deflate(level=6, mem_level=5, window=12)
LOADS = (
    Fan(members=5, size=20, everybody=True),
    Fan(members=7, size=100, in_flight=10),
    Fan(members=1, size=70_000, in_flight=2),
)
DEFLATED = Fan(members=5, size=1024, in_flight=3, deflate=DEFLATE)
COMPRESSING = {
    name for case in FANNING if case.setting.deflate is not None for name in case.contenders
}


def loaded(load: Fan, server: Server, seconds: float = BRIEFLY) -> Report:
    return fan(load, server.port, server.pid, seconds)


@pytest.mark.parametrize("name", ROOMS)
def test_every_server_that_is_installed_sends_everything_to_all(name: str) -> None:
    skip_if_missing(ROOMS[name])
    with serving(name) as server:
        for load in LOADS:
            report = loaded(load, server)
            assert report.figures.seconds > 0
            assert 0 < report.figures.p50 <= report.figures.p99
            assert report.published >= 3 * load.messages
            assert report.published % load.messages == 0
            assert report.stuck == ()


@pytest.mark.parametrize("name", sorted(COMPRESSING))
def test_every_server_that_compresses_keeps_to_the_window(name: str) -> None:
    skip_if_missing(ROOMS[name])
    with serving(name, Setting(DEFLATE)) as server:
        assert "server_max_window_bits=12" in loaded(DEFLATED, server).agreed


def test_members_that_do_not_read_find_what_was_kept_for_them() -> None:
    with serving("wscore.broadcast") as server:
        load = Fan(members=3, size=100, in_flight=10)
        report = fan(load, server.port, server.pid, 0.001, Stuck(members=2, rounds=50))
    assert report.published >= 500
    assert report.stuck == (report.published, report.published)


def test_a_case_of_broadcasts_is_measured() -> None:
    goals = (Goal("wscore.broadcast", "wscore write loop", 0.001),)
    case = Case("fan", ("wscore.broadcast", "wscore write loop"), goals, load=LOADS[1])
    result = run(case, Pace(seconds=BRIEFLY, rounds=2))
    assert not result.refused
    assert all(len(taken) == 2 for taken in result.figures["wscore.broadcast"].values())
    assert result.median("wscore.broadcast", "load") > 0


# Servers that must not be timed

LONE = Fan(members=1, size=20, in_flight=2)
EVERYBODY = Fan(members=1, size=20, everybody=True)
FIRST, SECOND = (messages(wire)[0] for wire in LONE.frames())


def said(*payloads: bytes) -> Callable[[bytes], bytes]:
    return lambda _: b"".join(frame(payload, opcode=BINARY) for payload in payloads)


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ([handshake], "ended a connection"),
        ([handshake, said(FIRST)], "ended a connection"),
        ([handshake, said(FIRST, SECOND, SECOND)], "more than was sent"),
        ([handshake, said(SECOND, FIRST)], "message 1 of a round instead of 0"),
        ([handshake, said(FIRST, FIRST)], "message 0 of a round instead of 1"),
        ([handshake, said(FIRST, SECOND[:-1] + b"!")], "what nobody sent"),
        ([handshake, said(FIRST, SECOND[:-1])], "what nobody sent"),
        ([handshake, said(b"")], "what nobody sent"),
        ([handshake, lambda _: frame(FIRST)], "what nobody sent"),
        ([handshake, lambda masked: masked], "what nobody sent"),
        ([handshake, lambda _: frame(b"", opcode=0x9)], "what nobody sent"),
        ([handshake, *[said(FIRST, SECOND)] * 2, lambda _: b""], "ended a connection"),
    ],
)
def test_a_server_that_sends_the_wrong_messages_is_refused(
    answers: list[Callable[[bytes], bytes]], complaint: str
) -> None:
    with answering(*answers) as port, pytest.raises(Refused, match=complaint):
        fan(LONE, port, os.getpid(), BRIEFLY)


def compressing(extension: str, *payloads: bytes) -> Iterator[Callable[[bytes], bytes]]:
    yield lambda request: handshake(request, f"Sec-WebSocket-Extensions: {extension}\r\n")
    wire = b"".join(frame(payload, opcode=RSV1_TEXT) for payload in payloads)
    for _ in range(100_000):  # until the load has seen enough
        yield lambda _: wire


def compressed(text: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-12)
    return (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


ONE_DEFLATED = Fan(members=1, size=1024, deflate=DEFLATE)
AGREED = "permessage-deflate; server_max_window_bits=12"


@pytest.mark.parametrize(
    ("extension", "payload", "complaint"),
    [
        (AGREED, compressed(b"{}"), "what nobody sent"),
        (AGREED, b"\xff", "does not inflate|what nobody sent"),
        ("permessage-deflate", compressed(documents(1, 1024)[0]), "does not keep to the window"),
    ],
)
def test_a_server_that_compresses_wrongly_is_refused(
    extension: str, payload: bytes, complaint: str
) -> None:
    answers = compressing(extension, payload)
    with answering(*answers) as port, pytest.raises(Refused, match=complaint):
        fan(ONE_DEFLATED, port, os.getpid(), BRIEFLY)


def test_a_plain_message_is_refused_where_compressed_ones_were_agreed_on() -> None:
    answers = [*list(compressing(AGREED))[:1], said(documents(1, 1024)[0])]
    with answering(*answers) as port, pytest.raises(Refused, match="begins with 0x82"):
        fan(ONE_DEFLATED, port, os.getpid(), BRIEFLY)


def test_messages_of_a_round_differ_and_have_their_size() -> None:
    for load in (*LOADS, DEFLATED):
        payloads = [messages(wire)[0] for wire in load.frames()]
        assert len(set(payloads)) == load.messages == len(payloads)
        assert load.deflate or {len(payload) for payload in payloads} == {load.size}
