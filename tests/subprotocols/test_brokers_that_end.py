"""MQTT through the bridge, while its broker stops, is killed, and comes back."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from subprotocols.clients import Clients
from subprotocols.serving import descendant, serving
from support.asgi_servers import launched
from support.processes import free_port, running, wait_until_listening

import wscore
from examples.bridged_brokers import found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from subprotocols.clients import Client
    from support.node import Node

    Run = Callable[[Any], Any]

pytestmark = pytest.mark.timeout(180)  # npm may have to install the packages first

KINDS = [("paho", "3.1.1"), ("paho", "5"), ("node", "3.1.1"), ("node", "5")]
EACH = pytest.mark.parametrize("kind", KINDS, ids="-".join)
# What a broker that is stopped keeps of its clients; one that is killed forgets them.
ENDS = pytest.mark.parametrize(
    ("number", "keeps"), [(signal.SIGTERM, True), (signal.SIGKILL, False)]
)

# MQTT 3.1.1, sections 3.1 and 3.2: a client named "c" with a clean session, and its acceptance.
CONNECT = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c"
CONNACK = b"\x20\x02\x00\x00"


@contextmanager
def mosquitto(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A broker that saves its sessions to *folder* when it is stopped."""
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nuser {getuser()}\n"
        f"persistence true\npersistence_location {folder}/\n"
    )
    command = [found("mosquitto"), "-c", str(config)]
    with running(subprocess.Popen(command, stderr=subprocess.DEVNULL)) as process:
        wait_until_listening(process, port)
        yield process


async def enter(clients: Clients, port: int, kind: tuple[str, str], name: str) -> Client:
    """A client that is connected, and has a session that lasts."""
    made = await clients.start(port, *kind)
    await made.do("open", name, {"clean": False})
    assert await made.happens("opened") is False
    return made


@EACH
@ENDS
def test_a_broker_comes_back(
    run: Run, node: Node, tmp_path: Path, kind: tuple[str, str], number: signal.Signals, keeps: bool
) -> None:
    """Its clients do, too, through the same bridge."""
    target, port = free_port(), free_port()

    async def main() -> None:
        async with Clients("mqtt", node) as clients:
            with mosquitto(tmp_path, target) as broker:
                ann, bob = [await enter(clients, port, kind, name) for name in ("ann", "bob")]
                await ann.do("subscribe", "news", 1)
                await bob.do("publish", "news", "before", 1, {"qos": 1})
                assert await ann.happens("message") == ["news", "before", 1, False]
                broker.send_signal(number)
                for each in (ann, bob):
                    await each.happens("closed")
                broker.wait()
            with mosquitto(tmp_path, target):
                for each in (ann, bob):
                    while await each.happens("opened") is not keeps:
                        pass
                if not keeps:
                    await ann.do("subscribe", "news", 1)
                await bob.do("publish", "news", "after", 1, {"qos": 1})
                while (heard := await ann.happens("message")) == ["news", "before", 1, False]:
                    pass  # the broker may not know that it has come
                assert heard == ["news", "after", 1, False]

    ends = ["--listen", f"127.0.0.1:{port}", "--to", f"127.0.0.1:{target}"]
    command = ["-m", "wscore", "bridge", *ends, "--subprotocol", "mqtt", "--ping-interval", "inf"]
    with launched(command, tmp_path, port) as bridge:
        wait_until_listening(bridge.process, port)
        run(main())
        assert bridge.stop() == 0
        assert "Traceback" not in bridge.log


def test_the_example_ends_with_its_broker(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        uri = f"ws://127.0.0.1:{server.port}/"
        async with wscore.connect(uri, subprotocols=["mqtt"]) as ws:
            # A connection that the broker has not accepted yet would be reset, not ended.
            await ws.send(CONNECT)
            assert await ws.recv() == CONNACK
            os.kill(descendant(server.process.pid, "mosquitto"), signal.SIGKILL)
            await ws.wait_closed()
            assert ws.close_code == 1001

    with serving("bridged_brokers", tmp_path, which="mqtt") as server:
        run(main())
        assert server.process.wait(30) == 1
        assert "a part of it has ended" in server.log
