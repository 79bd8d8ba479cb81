"""The end-to-end benchmarks: every adapter echoes rightly, and a wrong echo is not timed."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import end_to_end
from bench.clients import CLIENTS, round_trips
from bench.contract import Missing, Refused
from bench.interleave import Pace
from bench.load import Connections, Echo, echo
from bench.load.cases import Case, Goal, Limit, cases, select
from bench.load.measure import Result, run
from bench.servers import SERVERS, Contender, require
from bench.servers.process import serving

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are pinned to cores, which needs Linux"
)

BRIEFLY = 0.02
LOADS = (
    Echo(connections=2, in_flight=1, size=64, kind="text"),
    Echo(connections=2, in_flight=5, size=300, kind="binary"),
    Echo(connections=1, in_flight=2, size=1 << 20, kind="text"),
)


def installed(contender: Contender) -> bool:
    try:
        contender.command(0)
    except Missing:
        return False
    return True


THERE = [name for name, contender in SERVERS.items() if installed(contender)]


@pytest.mark.parametrize("name", THERE)
def test_every_server_that_is_installed_echoes_and_keeps_connections(name: str) -> None:
    with serving(name) as server:
        for load in LOADS:
            figures = echo(load, server.port, server.pid, BRIEFLY)
            assert 0 < figures.seconds < 1
            assert 0 < figures.cpu < 1
            assert 0 < figures.p50 <= figures.p99
        with Connections(server.port, 10) as connections:
            connections.warm()
            assert 0 < connections.open() < 1
            connections.talk()
            assert server.resident() > 1 << 20


@pytest.fixture(scope="module")
def wscore_port() -> Iterator[object]:
    with serving("wscore Listener") as server:
        yield server


@pytest.mark.parametrize("name", CLIENTS)
def test_every_client_makes_round_trips(name: str, wscore_port: object) -> None:
    ...


def test_wscore_is_there() -> None:
    assert "wscore Listener" in THERE
