"""Statistics of a bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families
from support.bridging import HERE, pipes_of, port_of, serving_to, target_server
from support.oracles import WireFrame
from support.processes import free_port
from support.rawpeer import BINARY, raw_connection, until

import wscore
from wscore import bridge
from wscore.bridge import Target

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def test_what_was_carried_and_what_failed(warned: Run) -> None:
    async def main() -> None:
        async with target_server() as target:
            to = {"there": str(target), "gone": f"{HERE}:{free_port()}"}
            async with serving_to(to) as running:
                async with raw_connection(HERE, port_of(running), "/gone") as peer:
                    await peer.frame()
                async with raw_connection(HERE, port_of(running), "/there") as peer:
                    far = await target.accept()
                    peer.send(WireFrame(BINARY, b"12345"))
                    await far.reader.readexactly(5)
                    far.writer.write(b"123")
                    await peer.frame()
                    stats = running.stats
                    assert stats.connections == {"there": 1, "gone": 0}
                    assert stats.bytes_to_stream == {"there": 5, "gone": 0}
                    assert stats.bytes_from_stream == {"there": 3, "gone": 0}
                    assert stats.failures == {"refused": 1}
                    assert stats.bytes_unsent == 0
                await far.finish()
                await until(lambda: not running.pipes)
                stats = running.stats
                assert stats.connections == {"there": 0, "gone": 0}
                assert stats.connections_opened == {"there": 1, "gone": 0}
                assert stats.bytes_to_stream == {"there": 5, "gone": 0}

    warned(main())


def test_a_stream_that_is_gone_has_nothing_unsent(
    run: Run, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """Its client has not taken everything yet; asyncio's TLS of CPython 3.10 forgets its buffer."""

    async def main() -> None:
        async with target_server(server_tls) as target:
            to: Any = Target(host=HERE, port=target.port, ssl=client_tls)
            async with (
                bridge.serve(to, HERE, 0) as running,
                raw_connection(HERE, port_of(running)) as peer,
            ):
                far = await target.accept()
                peer.writer.transport.pause_reading()
                far.writer.write(bytes(16 << 20))
                [pipe] = pipes_of(running)
                await until(lambda: pipe.ws.stats.bytes_unsent)
                pipe.stream.abort()
                await until(lambda: not sum(running.stats.connections.values()))
                assert pipe.ws_is_there
                assert running.stats.bytes_unsent == 0
                peer.reset()

    run(main())


def test_text_for_prometheus(run: Run) -> None:
    async def main() -> None:
        async with target_server() as target, serving_to({"there": str(target)}) as running:
            async with raw_connection(HERE, port_of(running), "/there") as peer:
                far = await target.accept()
                peer.send(WireFrame(BINARY, b"12345"))
                await far.reader.readexactly(5)
                told = wscore.prometheus(running, labels={"node": "a"})
            families = {f.name: f for f in text_string_to_metric_families(told)}
            [sample] = families["wscore_bridge_bytes_to_stream"].samples
            assert sample.labels == {"node": "a", "target": "there"}
            assert sample.value == 5
            assert families["wscore_bridge_connections"].type == "gauge"
            assert running.server is not None
            assert "wscore_handshakes_accepted_total 1" in wscore.prometheus(running.server)

    run(main())
