"""What `bench.broadcast` measures beside the cases: memberships, large rooms, slow members."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.benched import answering, handshake, needs_cores

from bench import broadcast, charts, crowd, memberships
from bench.contract import Refused
from bench.load.aside import Aside
from bench.load.cases import FANNING, Case, Goal
from bench.load.measure import Result
from bench.oracle import frame, messages
from bench.servers.process import serving

# In one process


def test_memberships_are_measured_without_sockets() -> None:
    found = asyncio.run(memberships.measure(sizes=(1, 50), members=40, rooms=80, rounds=2))
    assert [(row["name"], row["memberships"]) for row in found["memory"]] == [
        ("one room", 40),
        ("rooms of one member", 80),
    ]
    assert all(row["traced"] > row["left"] for row in found["memory"])
    assert [row["members"] for row in found["times"]] == [1, 50]
    assert all(row[name] > 0 for row in found["times"] for name in ("join", "leave", "publish"))
    table = memberships.table(found)
    assert "| 80 memberships, rooms of one member |" in table
    assert "| 50 |" in table


def test_operations_that_depend_on_the_size_of_the_room_are_named() -> None:
    small = {"join": 1e-7, "leave": 1e-7, "publish": 1e-7}
    times = [small, {"join": 4e-7, "leave": 9e-7, "publish": 1e-7}]
    assert memberships.faults({"times": times}) == ["leave is slower in large rooms"]


# With a server


@needs_cores
def test_the_turns_of_a_large_room_and_an_echo_beside_it_are_measured() -> None:
    found = crowd.beside(members=20, seconds=0.5)
    assert found.members == 20
    assert found.turn > 0
    assert found.turn_cpu > 0
    assert found.round > 0
    assert found.echoes > 1
    assert 0 < found.p50 <= found.p99


@needs_cores
@pytest.mark.parametrize("policy", crowd.POLICIES)
def test_messages_beside_a_member_who_never_reads_are_accounted_for(policy: str) -> None:
    found = crowd.slow(policy, messages=250_000)  # beyond all buffers
    assert found.published >= 250_000
    assert found.dropped > 0
    assert found.received > 0
    assert found.dropped + found.received == found.published
    assert found.memory < 64 << 20


BESIDE = {"turn": 0.004, "turn_cpu": 0.003, "gc": 0.0, "p50": 0.001, "p99": 0.009, "echoes": 10}
BESIDE |= {"turns": 9, "late": 0, "members": 20, "round": 0.1}
SLOW = {"policy": "drop_oldest", "published": 1000, "dropped": 900, "received": 100, "memory": 1}
SLOW |= {"p50": 0.1, "p99": 0.1, "p50_without": 0.1, "p99_without": 0.1}


@pytest.mark.parametrize(
    ("beside", "slow", "complaints"),
    [
        ({}, {}, []),
        ({"turn_cpu": 0.006}, {}, ["a turn of the event loop is too long"]),
        ({"p99": 0.011}, {}, ["the echo beside is too late"]),
        ({}, {"dropped": 901}, ["drop_oldest: not every message is accounted for"]),
        ({}, {"received": 99}, ["drop_oldest: not every message is accounted for"]),
    ],
)
def test_goals_that_were_missed_are_named(
    beside: dict[str, Any], slow: dict[str, Any], complaints: list[str]
) -> None:
    found = {"beside": BESIDE | beside, "slow": [SLOW | slow]}
    assert crowd.faults(found) == complaints
    assert ("| NO |" in crowd.table(found)) == bool(slow)


@needs_cores
def test_a_connection_aside_is_no_member() -> None:
    with serving("wscore crowd, close") as server, Aside(server.port) as aside:
        assert json.loads(aside.ask("stats"))["members"] == 0
        assert aside.echo("x" * 300) > 0


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ([lambda _: b"HTTP/1.1 404 No\r\n\r\n"], "handshake was refused"),
        ([handshake], "ended the connection"),
        ([handshake, lambda _: frame(b"other")], "not what was sent: 'other'"),
        ([handshake, lambda masked: frame(messages(masked)[0], opcode=2)], "begins with 0x82"),
        ([handshake, lambda masked: masked[:3]], "ended the connection"),
    ],
)
def test_a_server_that_answers_aside_wrongly_is_refused(
    answers: list[Callable[[bytes], bytes]], complaint: str
) -> None:
    with (
        answering(*answers) as port,
        pytest.raises(Refused, match=complaint),
        Aside(port) as aside,
    ):
        aside.echo("this")


# All together

MEMORY = {"name": "one room", "memberships": 20, "traced": 90.0, "resident": 99.0, "left": 0.0}
TIMES = {"members": 1, "join": 1e-7, "leave": 1e-7, "publish": 1e-7, "delivery": 1e-8}


def document() -> dict[str, Any]:
    goals = (Goal("wscore Hub", "other", 12.0), Goal("wscore Hub", "absent", 1.0))
    case = Case("broadcast-all-100", ("wscore Hub", "other"), goals)
    result = Result(case, {"wscore Hub": {"seconds": [1e-3], "cpu": [1e-3]}})
    result.figures["other"] = {"seconds": [0.0125], "cpu": [0.013]}
    result.facts["other"] = {"other": "1.2", "loop": "uvloop"}
    made_on = {"cpu": "x", "cores": 2, "system": "y", "python": "z", "when": "2026-01-01T00"}
    return {
        "machine": made_on,
        "pace": {"rounds": 5},
        "results": [result.as_json() | {"case": {"name": case.name, "goals": _as_dicts(goals)}}],
        "memory": [MEMORY],
        "times": [TIMES],
        "beside": BESIDE,
        "slow": [SLOW],
    }


def _as_dicts(goals: tuple[Goal, ...]) -> list[dict[str, Any]]:
    return [vars(goal) for goal in goals]


def test_the_document_shows_what_was_measured() -> None:
    summary = broadcast.summary(document())
    assert (
        "| 100 clients, each sends 20 B to all: rounds a second | 1,000 | other | 80 | 12x "
        "| 12.5x | 13x |" in summary
    )
    assert "absent" not in summary
    assert "| 20 memberships, one room | 90 B |" in summary
    assert summary.endswith(
        "x, 2 cores, y, z; other 1.2. Server and load have a core each; medians of 5 "
        "interleaved rounds, 2026-01-01."
    )


def test_every_case_of_broadcasts_has_a_title() -> None:
    assert broadcast.TITLES.keys() == {case.name for case in FANNING}
    assert charts.CHARTS["broadcast"].cases.keys() <= broadcast.TITLES.keys()


@needs_cores
def test_the_command_writes_results_and_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(broadcast, "FANNING", FANNING[-1:])
    monkeypatch.setattr(memberships, "SIZES", (1, 10))
    found, page = tmp_path / "found.json", tmp_path / "page.md"
    page.write_text("before\n<!-- bench:begin -->\n<!-- bench:end -->\nafter\n")
    arguments = ["--rounds", "1", "--seconds", "0.05", "--members", "10", "--messages", "1000"]
    broadcast.main([*arguments, "--json", str(found), "--document", str(page)])
    assert "broadcast-lone-20B" in capsys.readouterr().out
    assert json.loads(found.read_text())["beside"]["members"] == 10
    assert "| 10 memberships, one room |" in page.read_text()
