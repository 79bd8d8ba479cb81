"""The benchmark of many nodes: every contender gets all messages, and goals are judged rightly."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.benched import needs_cores

from bench import nodes
from bench.contract import Refused
from bench.ends import publish
from bench.load.fan import Fan, fan
from bench.load.readers import Readers
from bench.nodes import ROWS, Extent, missed, summary
from bench.servers.process import serving
from bench.servers.redis import Redis, redis_server

BRIEFLY = Extent(waiting=2000, seconds=0.2, rounds=1)


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    assert shutil.which("redis-server"), "install redis-server"
    with redis_server() as server:
        yield server


@needs_cores
@pytest.mark.parametrize(
    ("row", "contender"), [(row, name) for row in ROWS for name in ROWS[row].contenders]
)
def test_every_contender_is_measured(redis: Redis, row: str, contender: str) -> None:
    figures = ROWS[row].contenders[contender](redis, BRIEFLY)
    # So few messages may wait in the socket, so that Redis has nothing left to do.
    assert all(figure > 0 for name, figure in figures.items() if name != "cpu redis")
    assert "cpu node" in figures
    for goal in ROWS[row].goals:
        assert {goal.subject, goal.rival} <= ROWS[row].contenders.keys()
        if contender in (goal.subject, goal.rival):
            assert goal.measure in figures


@needs_cores
def test_messages_that_nobody_gets_are_refused(redis: Redis) -> None:
    with pytest.raises(Refused, match="no subscriber"):
        publish(redis, "nobody", [b"x"])


@needs_cores
def test_a_node_away_from_the_entry_that_hears_nothing_is_refused(redis: Redis) -> None:
    told = {"BENCH_REDIS": redis.url}
    with (
        serving("wscore node, alone") as node,
        serving("wscore node, entry", environment=told) as entry,
        pytest.raises(Refused, match="2 members miss messages"),
    ):
        fan(Fan(2, 128), node.port, node.pid, 0.1, entry=entry.port)


@needs_cores
@pytest.mark.parametrize(
    ("expected", "complaint"), [(b"\x82\x01b", "what nobody sent"), (b"\x82", "what nobody sent")]
)
def test_a_reader_that_gets_something_else_is_refused(
    redis: Redis, expected: bytes, complaint: str
) -> None:
    channel, packet, _ = nodes._text_packet()
    told = {"BENCH_REDIS": redis.url}
    with (
        serving("wscore node, member", environment=told) as node,
        Readers(3, node.port) as readers,
    ):
        redis.await_subscriber(channel)
        publish(redis, channel, [packet])
        with pytest.raises(Refused, match=complaint):
            readers.read(expected)


def found(ours: float, theirs: float) -> dict[str, Any]:
    medians = {
        "wscore link": {"seconds": ours, "cpu node": 1e-6},
        "redis-py": {"seconds": theirs, "cpu node": 8e-6, "cpu redis": 1e-7},
    }
    return {
        "machine": {"cpu": "Z80", "cores": 2, "system": "Linux", "python": "CPython 3.11.7",
                    "when": "2020-01-02T03:04"},
        "extent": {"rounds": 3},
        "redis": "7.0.15",
        "rows": {"subscriber": {"medians": medians, "rounds": {}, "missing": {}}},
    }  # fmt: skip


def test_a_goal_that_is_reached_is_told() -> None:
    document = found(1e-6, 10e-6)
    assert missed(document) == []
    text = summary(document)
    assert "wscore link | 1,000,000/s | redis-py | 100,000/s | 10x | 10x | 8x |" in text
    assert "| redis-py, subscriber | message | 8 µs | 100 ns |  |  |" in text
    assert "Redis 7.0.15" in text


def test_a_goal_that_is_missed_is_told() -> None:
    document = found(1e-6, 9e-6)
    assert "9x, not 10x" in missed(document)[0]
    assert "| 9x SHORT | 8x |" in summary(document)


@needs_cores
def test_the_command_writes_its_results(tmp_path: Path) -> None:
    results, readme = tmp_path / "nodes.json", tmp_path / "scaling.md"
    readme.write_text("<!-- bench:begin -->\n<!-- bench:end -->\n")
    nodes.main(["subscriber", "--rounds", "1", "--waiting", "2000", "--json", str(results),
                "--document", str(readme)])  # fmt: skip
    rows = json.loads(results.read_text())["rows"]
    assert rows["subscriber"]["medians"].keys() == ROWS["subscriber"].contenders.keys()
    assert "| CPU time of |" in readme.read_text()


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        nodes.main(["nonsense"])
    assert "no such row" in capsys.readouterr().err
