"""The text for Prometheus, read by Prometheus' own parser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.rawpeer import echo, raw_client, request, serving, until, uri

import wscore
from wscore import prometheus
from wscore.aio.stats import ServerStats, Stats

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

TRAFFIC = Stats(1, 2, 30, 40, 5, 6, 7, 8, 90)
SERVER = ServerStats(
    traffic=TRAFFIC,
    connections=3,
    connections_accepted=11,
    handshakes_accepted=10,
    handshakes_refused={"origin": 2, "max_connections": 4},
    http_answers=12,
    closes={1000: 5, 1006: 2},
)
OF_TRAFFIC = {
    "wscore_messages_received_total": 1,
    "wscore_messages_sent_total": 2,
    "wscore_bytes_received_total": 30,
    "wscore_bytes_sent_total": 40,
    "wscore_pings_received_total": 5,
    "wscore_pings_sent_total": 6,
    "wscore_messages_dropped_total": 7,
    "wscore_messages_waiting": 8,
    "wscore_bytes_unsent": 90,
}
OF_SERVER = {
    "wscore_connections": 3,
    "wscore_connections_accepted_total": 11,
    "wscore_handshakes_accepted_total": 10,
    'wscore_handshakes_refused_total{reason="max_connections"}': 4,
    'wscore_handshakes_refused_total{reason="origin"}': 2,
    "wscore_http_answers_total": 12,
    'wscore_closes_total{code="1000"}': 5,
    'wscore_closes_total{code="1006"}': 2,
}


def _parsed(text: str) -> dict[str, float]:
    """Samples by name and labels; the parser raises for what is not the format."""
    samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            kind = "counter" if sample.name.endswith("_total") else "gauge"
            assert family.type == kind
            told = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            name = f"{sample.name}{{{told}}}" if told else sample.name
            assert name not in samples
            samples[name] = sample.value
    return samples


def test_of_a_connection() -> None:
    assert _parsed(prometheus(TRAFFIC)) == OF_TRAFFIC


def test_of_a_server() -> None:
    assert _parsed(prometheus(SERVER)) == {**OF_TRAFFIC, **OF_SERVER}


def test_of_a_server_that_has_done_nothing() -> None:
    idle = _parsed(prometheus(ServerStats(Stats(), 0, 0, 0, {}, 0, {})))
    assert set(idle) == {name for name in {**OF_TRAFFIC, **OF_SERVER} if "{" not in name}
    assert not any(idle.values())


@pytest.mark.parametrize("value", ['quoted "', "back\\slash", "new\nline", "ümlaut", "", "\\n"])
def test_labels_are_escaped(value: str) -> None:
    text = prometheus(SERVER, labels={"server": value})
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert len(found) == len(OF_TRAFFIC) + len(OF_SERVER)
    assert {sample.labels["server"] for sample in found} == {value}


@pytest.mark.parametrize("name", ["", "1st", "__reserved", "a-b", "a b", 'a="x",b', "ä"])
def test_names_of_labels_are_checked(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a label"):
        prometheus(TRAFFIC, labels={name: "x"})


def test_live(run: Run) -> None:
    def metrics(connection: wscore.ServerConnection, request: wscore.Request) -> Any:
        if request.path == "/metrics":
            return connection.respond(200, prometheus(connection.server))
        return None

    async def main() -> None:
        async with serving(echo, process_request=metrics) as server:
            async with wscore.connect(uri(server)) as ws:
                await ws.send("hello")
                assert await ws.recv() == "hello"
                of_client = _parsed(prometheus(ws))
                assert of_client["wscore_messages_sent_total"] == 1
                async with raw_client(server, shake=False) as peer:
                    peer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    answer = await peer.reader.read()
            told = _parsed(answer.partition(b"\r\n\r\n")[2].decode())
            assert told["wscore_connections"] == 2
            assert told["wscore_messages_received_total"] == 1
            async with raw_client(server, shake=False) as peer:
                peer.write(request().replace(b"Version: 13", b"Version: 12"))
                await peer.reader.read()
            await until(lambda: not server.stats.connections)
            told = _parsed(prometheus(server))
            assert told["wscore_http_answers_total"] == 1
            assert told['wscore_closes_total{code="1000"}'] == 1
            assert told['wscore_handshakes_refused_total{reason="invalid"}'] == 1

    run(main())
