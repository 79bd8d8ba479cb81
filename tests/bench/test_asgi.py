"""The benchmarks of ASGI: every server runs the applications rightly; a wrong one is not timed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.benched import answering, handshake, needs_cores, skip_if_missing

from bench import asgi, charts
from bench.contract import Refused
from bench.load import Connections, Echo, echo
from bench.load.asgi_cases import ASGI_CASES
from bench.load.cases import Case, Goal
from bench.load.churn import Churn, churn
from bench.load.fan import Fan, fan
from bench.load.measure import Result
from bench.oracle import frame
from bench.servers import ASGI
from bench.servers.process import serving

BRIEFLY = 0.02
CLOSE = b"\x88\x02\x03\xe8"


def test_there_is_a_server_and_a_title_for_all_that_is_measured() -> None:
    assert {name for case in ASGI_CASES for name in case.contenders} == ASGI.keys()
    assert asgi.TITLES.keys() == {case.name for case in ASGI_CASES}
    assert charts.CHARTS["asgi"].cases.keys() <= asgi.TITLES.keys()
    for case in ASGI_CASES:
        assert {goal.rival for goal in case.goals} <= set(case.contenders)


# The servers


@needs_cores
@pytest.mark.parametrize("name", [name for name in ASGI if name.endswith(", raw")])
def test_every_server_that_is_installed_echoes_and_closes(name: str) -> None:
    skip_if_missing(ASGI[name])
    with serving(name) as server:
        figures = echo(Echo(2, 3, 64, "text"), server.port, server.pid, BRIEFLY)
        assert figures.seconds > 0
        for closing in (False, True):
            assert churn(Churn(3, 20, closing), server.port, server.pid).seconds > 0
        with Connections(server.port, 10) as connections:
            connections.warm()
            assert connections.open() > 0
            connections.talk()


@needs_cores
@pytest.mark.parametrize("name", ["wscore, hub", "wscore, manager", "wsproto, manager"])
def test_what_one_says_is_sent_to_all(name: str) -> None:
    with serving(name) as server:
        for load in (Fan(5, 64, everybody=True, text=True), Fan(5, 64, in_flight=3, text=True)):
            assert fan(load, server.port, server.pid, BRIEFLY).figures.seconds > 0


# The load


def hold(_: bytes) -> bytes:
    return b""


@needs_cores
@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ([lambda _: b"HTTP/1.1 403 Forbidden\r\n\r\n"], "handshake was refused"),
        ([hold], "handshake was cut short"),
        ([handshake, hold], "without a Close"),
        ([handshake, lambda _: CLOSE[:3]], "without a Close"),
        ([handshake, lambda _: CLOSE + b"\x88"], "a Close is answered with 0x88"),
        ([handshake, lambda _: b"\x88\x02\x03\xe9"], "a Close is answered with 0x88"),
        ([handshake, lambda _: frame(b"ab")], "a Close is answered with 0x81"),
    ],
)
def test_a_server_that_closes_wrongly_is_refused(
    answers: list[Callable[[bytes], bytes]], complaint: str
) -> None:
    with answering(*answers) as port, pytest.raises(Refused, match=complaint):
        churn(Churn(1, 1, closing=True), port, os.getpid())


@needs_cores
def test_a_closing_handshake_is_enough() -> None:
    with answering(handshake, lambda _: CLOSE) as port:
        assert churn(Churn(1, 1, closing=True), port, os.getpid()).seconds > 0


# What is made of it


def result(name: str, goals: tuple[Goal, ...], **figures: dict[str, float]) -> dict[str, Any]:
    names = {each.replace("_", ", "): found for each, found in figures.items()}
    measured = Result(Case(name, tuple(names), goals))
    for each, found in names.items():
        measured.figures[each] = {measure: [figure] for measure, figure in found.items()}
        measured.facts[each] = {"uvicorn": "0.1", "loop": "uvloop", "ws": "x"}
    as_json = measured.as_json()
    as_json["case"]["goals"] = [vars(goal) for goal in goals]
    return as_json


def document() -> dict[str, Any]:
    def goals(ratio: float, measure: str) -> tuple[Goal, ...]:
        return tuple(
            Goal("wscore, raw", f"{rival}, raw", ratio, measure)
            for rival in ("wsproto", "websockets", "absent")
        )

    timed = [{"seconds": seconds, "cpu": cpu} for seconds, cpu in
             [(1e-5, 1e-5), (5e-5, 4e-5), (3e-5, 3e-5)]]  # fmt: skip
    sized = [{"seconds": 1e-3, "cpu": 1e-3, "bytes": size} for size in (1024.0, 5120.0, 2048.0)]
    names = ("wscore_raw", "wsproto_raw", "websockets_raw")
    return {
        "machine": {"cpu": "x", "cores": 2, "system": "y", "python": "z", "when": "2026-01-01T00"},
        "pace": {"rounds": 5},
        "results": [
            result("asgi-raw-1", goals(2.0, "seconds"), **dict(zip(names, timed, strict=True))),
            result("asgi-raw-idle", goals(2.5, "bytes"), **dict(zip(names, sized, strict=True))),
        ],
    }


def test_goals_are_against_the_best_that_was_measured() -> None:
    assert asgi.missed(document()) == [
        "SHORT: memory for one of 2,000 idle connections: 2x, not 2.5x"
    ]
    summary = asgi.summary(document())
    assert (
        "| raw ASGI echo, 1 in flight | 100,000 | websockets | 33,333 | 2x | 3x ok | 3x |"
        in summary
    )
    assert "| 1.0 KiB | websockets | 2.0 KiB | 0.4x | 0.5x SHORT | |" in summary
    assert "| raw ASGI echo, 1 in flight | 100,000 | 33,333 | | 20,000 | | | |" in summary
    assert "uvicorn 0.1. 16 connections" in summary


def test_a_server_that_was_not_busy_is_named() -> None:
    found = document()
    assert asgi.idle(found) == []
    found["results"][0]["medians"]["wscore, raw"]["cpu"] = 5e-6
    assert asgi.idle(found) == ["idle: asgi-raw-1: wscore, raw used 50% of its core"]


@needs_cores
def test_the_command_writes_results_and_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("wscore, raw", "wsproto, raw")
    cases = tuple(
        replace(case, contenders=few, goals=tuple(g for g in case.goals if g.rival in few))
        for case in ASGI_CASES
        if case.name in ("asgi-raw-32", "asgi-raw-handshakes-closing")
    )
    monkeypatch.setattr(asgi, "ASGI_CASES", cases)
    found, page = tmp_path / "found.json", tmp_path / "page.md"
    page.write_text("before\n<!-- bench:begin -->\n<!-- bench:end -->\nafter\n")
    arguments = ["--rounds", "1", "--seconds", "0.05"]
    asgi.main([*arguments, "--json", str(found), "--document", str(page)])
    assert "asgi-raw-32" in capsys.readouterr().out
    assert len(json.loads(found.read_text())["results"]) == 2
    assert "| raw ASGI echo, 32 in flight |" in page.read_text()
    with pytest.raises(SystemExit):
        asgi.main(["nothing"])
