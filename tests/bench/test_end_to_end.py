"""The end-to-end benchmarks: every adapter echoes rightly, and a wrong echo is not timed."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.benched import answering, handshake, needs_cores, skip_if_missing

from bench import end_to_end
from bench.clients import CLIENTS, round_trips
from bench.contract import Missing, Refused
from bench.interleave import Pace
from bench.load import Connections, Echo, EchoFigures, Stream, Talk, echo, stream
from bench.load.cases import Case, Goal, Limit, cases, select
from bench.load.deflated import frames
from bench.load.measure import Result, run
from bench.load.messages import documents
from bench.oracle import frame, messages
from bench.servers import SERVERS, Contender, Deflate, Setting, require
from bench.servers.process import Server, serving

BRIEFLY = 0.02
SMALL = Echo(connections=2, in_flight=1, size=64, kind="text")
LOADS = (
    SMALL,
    Echo(connections=2, in_flight=5, size=300, kind="binary"),
    Echo(connections=1, in_flight=2, size=1 << 20, kind="text"),
)


def echoed(load: Echo, server: Server) -> EchoFigures:
    """In a longer time if need be: the system counts processor time in ticks, a busy one slowly."""
    for seconds in (BRIEFLY, 10 * BRIEFLY, 100 * BRIEFLY):
        figures = echo(load, server.port, server.pid, seconds)
        if figures.cpu > 0:
            break
    return figures


@needs_cores
@pytest.mark.parametrize("name", SERVERS)
def test_every_server_that_is_installed_echoes_and_keeps_connections(name: str) -> None:
    skip_if_missing(SERVERS[name])
    with serving(name) as server:
        for load in LOADS:
            figures = echoed(load, server)
            assert figures.seconds > 0
            assert figures.cpu > 0
            assert 0 < figures.p50 <= figures.p99
        with Connections(server.port, 10) as connections:
            connections.warm()
            assert connections.open() > 0
            connections.talk()
            assert server.resident() > 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("wscore Listener") as server:
        yield server


@needs_cores
@pytest.mark.parametrize("name", CLIENTS)
def test_every_client_makes_round_trips(name: str, server: Server) -> None:
    try:
        require(CLIENTS[name].distribution)
    except Missing as missing:
        with pytest.raises(Missing, match=str(missing)):
            round_trips(name, server, BRIEFLY)
    else:
        figures = round_trips(name, server, BRIEFLY)
        assert figures.cpu > 0
        assert figures.seconds > 0


@needs_cores
def test_what_the_environment_made_of_wscore_is_announced() -> None:
    with serving("wscore coroutine, pure") as server:
        assert server.facts["backend"] == "python"
        assert server.facts["loop"] == "uvloop"


# With permessage-deflate

DEFLATE = Deflate(level=1, mem_level=8, window=12)  # aiohttp knows no other level
STREAM = Stream(connections=2, texts=3, size=4096, deflate=DEFLATE)
PULSED = Stream(connections=1, texts=1, size=1 << 20, deflate=DEFLATE, pulse=0.002)
COMPRESSING = {
    name for case in cases() if isinstance(case.load, Stream) for name in case.contenders
}


@needs_cores
@pytest.mark.parametrize("name", sorted(COMPRESSING))
def test_servers_compress_and_keep_to_the_window(name: str) -> None:
    skip_if_missing(SERVERS[name])
    with serving(name, Setting(DEFLATE)) as server:
        for load in (STREAM, PULSED):
            figures, agreed = stream(load, server.port, server.pid, BRIEFLY)
            assert "server_max_window_bits=12" in agreed
            assert 0 < figures.p50 <= figures.p99
            assert 0 < figures.wire < load.size / 2


@needs_cores
@pytest.mark.parametrize("talk", [Talk(20, compressed=False), Talk(4096, True, True)])
def test_connections_with_deflate_have_their_message_echoed(talk: Talk) -> None:
    with (
        serving("wscore coroutine", Setting(Deflate())) as server,
        Connections(server.port, 10, talk) as connections,
    ):
        assert connections.warm().startswith("permessage-deflate")
        assert connections.open() > 0
        connections.talk()


@needs_cores
def test_a_server_that_declines_compression_is_refused() -> None:
    with serving("wscore Listener") as server, pytest.raises(Refused, match="server declined"):
        stream(STREAM, server.port, server.pid, BRIEFLY)


@needs_cores
def test_a_level_that_a_server_cannot_be_told_is_refused() -> None:
    pytest.importorskip("aiohttp", reason="the one whose level is fixed")
    fails = pytest.raises(Refused, match="aiohttp compresses at level 1")
    with fails, serving("aiohttp", Setting(Deflate(6, 5, 12))):
        pass


def extension(answer: str) -> Callable[[bytes], bytes]:
    return lambda request: handshake(request, f"Sec-WebSocket-Extensions: {answer}\r\n")


AGREED = extension("permessage-deflate; server_max_window_bits=12")
TEXT = 0x1


def sent_back(change: Callable[[bytes], bytes], opcode: int = 0x41) -> Callable[[bytes], bytes]:
    return lambda masked: frame(change(messages(masked)[0]), opcode=opcode)


@needs_cores
@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ([AGREED, sent_back(bytes, TEXT)], "begins with 0x81"),
        ([AGREED, sent_back(lambda _: b"\xff")], "does not inflate|not what was sent"),
        ([AGREED, sent_back(lambda _: compressed(b"{}"))], "not what was sent"),
        ([extension("permessage-deflate"), sent_back(bytes)], "does not keep to the window"),
        (
            [
                extension(
                    "permessage-deflate; server_max_window_bits=12; server_no_context_takeover"
                ),
                sent_back(bytes),
            ],
            "wants server_no_context_takeover",
        ),
    ],
)
def test_a_server_that_compresses_wrongly_is_refused(
    answers: list[Callable[[bytes], bytes]], complaint: str
) -> None:
    one = Stream(connections=1, texts=1, size=2000, deflate=DEFLATE)
    again = answers[-1:] * 100_000  # until the load has seen enough
    with answering(*answers, *again) as port, pytest.raises(Refused, match=complaint):
        stream(one, port, os.getpid(), BRIEFLY)


def compressed(text: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-12)
    return (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def test_documents_are_json_differ_and_have_their_size() -> None:
    texts = documents(5, 4096)
    assert {len(text) for text in texts} == {4096}
    assert len(set(texts)) == 5
    assert all(len(json.loads(text)["events"]) > 10 for text in texts)
    assert [len(json.loads(text)["events"]) for text in documents(1, 40)] == [0]


def test_frames_refer_to_the_text_before_in_every_lap() -> None:
    texts = documents(4, 4096)
    first, *lap = [messages(wire)[0] for wire in frames(texts, DEFLATE)]
    inflater = zlib.decompressobj(-12)
    inflated = [inflater.decompress(part + b"\0\0\xff\xff") for part in (first, *lap, *lap)]
    assert inflated == [texts[-1], *texts, *texts]
    assert all(len(part) < len(compressed(text)) for part, text in zip(lap, texts, strict=True))
    with pytest.raises(ValueError, match="shorter than the window"):
        frames(documents(2, 4095), DEFLATE)


# Servers that must not be timed


ONE = Echo(connections=1, in_flight=1, size=64, kind="text")


@needs_cores
@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ([lambda _: b"HTTP/1.1 400 No\r\n\r\n"], "handshake was refused: HTTP/1.1 400"),
        ([lambda _: b"HTTP/1.1 101 OK\r\n\r\n"], "handshake was refused: HTTP/1.1 101"),
        ([lambda _: b"HTTP/1.1 101"], "handshake was cut short"),
        (
            [lambda request: handshake(request, "Sec-WebSocket-Extensions: x\r\n")],
            "extension that nobody offered",
        ),
        ([lambda request: handshake(request) + frame(b"hi")], "spoke before it was spoken to"),
        ([handshake], "ended the connection"),
        ([handshake, lambda _: frame(bytes(64))], "not what was sent"),
        ([handshake, lambda masked: masked], "longer than what was sent"),
        ([handshake, lambda _: frame(bytes(65))], "longer than what was sent"),
        ([handshake, lambda _: frame(bytes(63))], "not what was sent"),
    ],
)
def test_a_server_that_answers_wrongly_is_refused(
    answers: list[Callable[[bytes], bytes]], complaint: str
) -> None:
    with answering(*answers) as port, pytest.raises(Refused, match=complaint):
        echo(ONE, port, os.getpid(), BRIEFLY)


@needs_cores
def test_a_server_that_does_not_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Contender("no_such_adapter", "listener")
    monkeypatch.setitem(SERVERS, "broken", broken)
    with pytest.raises(Refused, match=r"did not start: .*no_such_adapter"), serving("broken"):
        pass


@needs_cores
def test_a_server_that_is_not_what_its_name_says_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = Contender("wscore", "listener", "asyncio", facts={"loop": "uvloop"})
    monkeypatch.setitem(SERVERS, "wrong loop", named)
    with pytest.raises(Refused, match="loop is asyncio, not uvloop"), serving("wrong loop"):
        pass


def test_a_peer_that_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Contender("picows", "listener", distribution="no-such-distribution")
    monkeypatch.setitem(SERVERS, "absent", absent)
    with pytest.raises(Missing, match="no-such-distribution"), serving("absent"):
        pass


# The runner


@needs_cores
def test_a_case_names_who_was_timed_and_who_was_not(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Contender("picows", "listener", distribution="no-such-distribution")
    monkeypatch.setitem(SERVERS, "absent", absent)
    goals = (Goal("wscore Listener", "wscore coroutine", 0.001), Goal("wscore Listener", "absent"))
    case = Case("echo", ("wscore Listener", "wscore coroutine", "absent"), goals, load=SMALL)
    result = run(case, Pace(seconds=BRIEFLY, rounds=2))
    assert list(result.figures) == ["wscore Listener", "wscore coroutine"]
    assert all(len(taken) == 2 for taken in result.figures["wscore Listener"].values())
    assert result.facts["wscore Listener"]["loop"] == "uvloop"
    assert result.missing == {"absent": "no-such-distribution is not installed"}
    assert end_to_end.states(result) == ["ok", "missing"]


def test_every_contender_of_a_goal_takes_part() -> None:
    for case in cases():
        subjects = {goal.subject for goal in case.goals} | {limit.subject for limit in case.limits}
        assert subjects | {goal.rival for goal in case.goals} <= set(case.contenders)


def test_cases_are_chosen_by_the_beginning_of_their_names() -> None:
    assert len(select([])) == len(cases())
    assert [case.name for case in select(["client", "echo-64B-1-"])] == [
        "echo-64B-1-text",
        "echo-64B-1-binary",
        "client-256B",
    ]
    with pytest.raises(SystemExit, match="no case sync: choose from echo-64B-1-text"):
        select(["sync"])


RESULT = Result(
    Case("case", ("a", "b"), (Goal("a", "b", 2.0), Goal("a", "b", 3.0)), (Limit("b", 1024),)),
    figures={
        "a": {"seconds": [1e-6, 5e-6, 1e-6], "cpu": [1e-6], "bytes": [512.0]},
        "b": {"seconds": [2e-6, 2e-6, 9e-6], "cpu": [3e-6], "bytes": [1025.0]},
    },
)


def test_what_is_not_time_is_compared_and_limited_as_well() -> None:
    goals = (Goal("a", "b", 2.0, "bytes"), Goal("a", "b", 2.1, "bytes"))
    limits = (Limit("a", 0.005, "p99"), Limit("b", 0.005, "p99"))
    figures = {
        "a": {"seconds": [1.0], "cpu": [1.0], "bytes": [1024.0], "p50": [0.001], "p99": [0.005]},
        "b": {"seconds": [1.0], "cpu": [1.0], "bytes": [2048.0], "p50": [0.001], "p99": [0.006]},
    }
    result = Result(Case("case", ("a", "b"), goals, limits), figures)
    assert end_to_end.states(result) == ["ok", "SHORT", "ok", "SHORT"]
    assert "6 ms" in end_to_end.table([result]).splitlines()[5]


def test_ratios_are_those_of_the_medians_and_judged_by_the_goals() -> None:
    assert end_to_end.states(RESULT) == ["ok", "SHORT", "SHORT"]
    lines = end_to_end.table([RESULT]).splitlines()
    assert re.search(r"2x +2\.00x \(0\.40 to 9\.00\)  3\.00x   ok", lines[2])
    assert lines[3].endswith("SHORT")
    assert "1.0 KiB" in lines[4]
    assert any(re.match(r"  a +1,000,000 /s +CPU +1 µs", line) for line in lines)


@needs_cores
def test_the_command_writes_what_it_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tmp_path / "end.json"
    end_to_end.main(["client", "--rounds", "1", "--seconds", "0.02", "--json", str(found)])
    assert "client-256B" in capsys.readouterr().out
    document = json.loads(found.read_text())
    assert document["pace"] == {"seconds": 0.02, "rounds": 1}
    (result,) = document["results"]
    assert result["medians"]["wscore Listener"]["seconds"] > 0
    assert document["machine"]["cpu"]


@pytest.mark.parametrize("wrong", [["--rounds", "0"], ["--seconds", "-1"], ["--rounds", "x"]])
def test_numbers_that_make_no_sense_are_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        end_to_end.main(wrong)
