"""What docs/deployment.md, docs/scaling.md and deploy/ have users copy does what they say."""

from __future__ import annotations

import asyncio
import configparser
import json
import re
import shlex
import sys
import urllib.request
from contextlib import AsyncExitStack
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from support.examples import EXAMPLES
from support.nginx import checked, configuration
from support.processes import free_port
from support.redis import redis_process
from support.workers import ask, service

import wscore
from wscore.cli.main import _parser
from wscore.hub.redis import census, outbox, presence, trouble
from wscore.hub.redis.keeper import Timing
from wscore.testing import pair
from wscore.workers import supervisor

if TYPE_CHECKING:
    import argparse

if sys.platform == "win32":
    pytest.skip("services and signals are for POSIX", allow_module_level=True)

# A service and its workers have to start.
pytestmark = pytest.mark.timeout(240)

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "deployment.md"
PAGE = DOCUMENT.read_text(encoding="utf-8")
EXAMPLE, ROOMS = [example for example in EXAMPLES if example.page == DOCUMENT]


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(ROOT / "deploy" / name)
    return parsed


def parsed(line: str) -> argparse.Namespace:
    program, *words = shlex.split(line)
    assert program.endswith("wscore")
    return _parser().parse_args(words)


def scrape(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return str(answer.read().decode())


def test_the_application_is_served_by_the_command(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text(EXAMPLE.code)
    [line] = re.findall(r"```sh\n(wscore serve .*)\n```", PAGE)
    base, port = free_port(), free_port()
    words = line.replace("8765", str(port)).replace("9101", str(base)).split()[2:]
    # Ports of four workers in a row may be somebody else's.
    words[words.index("4")] = "1"
    with service(tmp_path, *words) as served:
        assert ask(f"{served.uri}echo", "x") == "x"
        assert scrape(port, "/health") == "OK\n"
        assert 'wscore_handshakes_accepted_total{worker="1"} 1' in scrape(base, "/metrics")
        assert served.end() == 0


def test_rooms_reach_over_all_workers(tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            connects = [wscore.connect(served.uri) for _ in range(20)]
            first, *others = [await stack.enter_async_context(connect) for connect in connects]
            # Who is in a room is known to Redis soon after, so the message may have to be repeated.
            receiving = asyncio.gather(*[ws.recv() for ws in others])
            while not receiving.done():
                await first.send("hello")
                await asyncio.wait([receiving], timeout=0.2)
            assert set(await receiving) == {"hello"}

    (tmp_path / "rooms.py").write_text(ROOMS.code)
    with (
        redis_process(tmp_path / "redis") as redis,
        service(tmp_path, "rooms:app", "--workers", "3", REDIS_URL=redis.url()) as served,
    ):
        asyncio.run(asyncio.wait_for(main(), 100))
        assert served.end() == 0


def test_the_service_is_started_with_options_that_there_are() -> None:
    service = unit("wscore.service")["Service"]
    options = parsed(service["ExecStart"])
    assert options.app == "chat:app"
    assert options.workers == 4
    assert int(service["TimeoutStopSec"]) > options.stop_timeout
    assert (service["Type"], service["KillMode"]) == ("notify", "mixed")
    assert service["ExecReload"].endswith("-HUP $MAINPID")


def test_the_socket_is_one_for_streams() -> None:
    assert unit("wscore.socket")["Socket"]["ListenStream"]


def test_the_delays_are_those_of_the_supervisor() -> None:
    delays = f"{supervisor._FIRST_DELAY:g}, 1, 2 to {supervisor._LONGEST_DELAY:g} seconds"
    assert delays in PAGE
    assert f"had served for less than {supervisor._SETTLED:g} seconds" in PAGE


# Containers ------------------------------------------------------------------------------------

COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
NODES = ["node1", "node2", "node3"]


def test_compose_names_what_there_is() -> None:
    """What can be known without an engine for containers."""
    services = COMPOSE["services"]
    assert sorted(services) == ["nginx", *NODES, "redis"]
    proxy = services["nginx"]["networks"]["inside"]["ipv4_address"]
    [network] = COMPOSE["networks"]["inside"]["ipam"]["config"]
    assert ip_address(proxy) in ip_network(network["subnet"])
    for name in NODES:
        options = parsed(services[name]["command"])
        assert (options.app, options.port) == ("chat:app", 8765)
        assert options.trusted_proxies == [proxy]
        assert services[name]["environment"] == {"REDIS_URL": "redis://redis:6379"}
    [volume] = services["nginx"]["volumes"]
    assert (ROOT / "deploy" / volume.partition(":")[0]).is_file()
    assert services["nginx"]["depends_on"] == NODES
    for file in ("compose.yaml", "Dockerfile"):
        assert "NOT RUN" in (ROOT / "deploy" / file).read_text(encoding="utf-8")


def test_addresses_stay_in_a_new_container() -> None:
    """nginx asks for those of nodes once, when it starts, and nodes know that of nginx."""
    [network] = COMPOSE["networks"]["inside"]["ipam"]["config"]
    fixed = {
        ip_address(COMPOSE["services"][name]["networks"]["inside"]["ipv4_address"])
        for name in ["nginx", *NODES]
    }
    assert len(fixed) == 4
    assert all(address in ip_network(network["subnet"]) for address in fixed)
    # Whoever has none, and may start first, gets one from here.
    assert ip_network(network["ip_range"]).subnet_of(ip_network(network["subnet"]))
    assert not any(address in ip_network(network["ip_range"]) for address in fixed)


def test_the_image_has_what_the_command_needs() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    [copied] = [line.split()[1] for line in lines if line.startswith("COPY ")]
    assert (ROOT / "deploy" / copied).is_file()
    [command] = [json.loads(line[4:]) for line in lines if line.startswith("CMD ")]
    assert parsed(shlex.join(command)).app == "chat:app"
    [extra] = [line for line in lines if line.startswith("RUN pip install ")]
    assert "'wscore-engine[redis]'" in extra


def test_the_configuration_of_nginx_is_what_the_command_prints(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    command, _, printed = text.partition("\n")
    words = shlex.split(command.removeprefix("# wscore nginx "))
    assert printed == configuration(*words)
    # nginx wants to know the addresses of nodes.
    words = [word.replace("node", "127.0.0.") if ":" in word else word for word in words]
    checked(tmp_path, configuration(*words[:-1], "--listen", free_port()))


def test_redis_takes_the_options(tmp_path: Path) -> None:
    program, *words = shlex.split(COMPOSE["services"]["redis"]["command"])
    assert program == "redis-server"
    options = re.findall(r"--(\S+) ([^-].*?)(?= --|$)", " ".join(words))
    assert len(options) == 5
    with redis_process(tmp_path / "redis", *options) as redis:  # it does not start with wrong ones
        assert redis.do("CONFIG", "GET", "maxmemory") == [b"maxmemory", str(512 << 20).encode()]
        assert (
            b"pubsub 67108864 33554432 60"
            in redis.do("CONFIG", "GET", "client-output-buffer-limit")[1]
        )


def test_the_application_that_is_served(tmp_path: Path) -> None:
    """Two workers of it talk; metrics are for those who ask a worker itself."""
    (tmp_path / "chat.py").write_bytes((ROOT / "deploy" / "chat.py").read_bytes())

    async def main(uri: str) -> None:
        async with AsyncExitStack() as stack:
            connects = [wscore.connect(uri) for _ in range(8)]
            members = [await stack.enter_async_context(connect) for connect in connects]
            await members[0].send("hello")
            assert [await ws.recv() for ws in members] == ["hello"] * 8
            late = await stack.enter_async_context(wscore.connect(uri))
            assert await late.recv() == "hello"

    with (
        redis_process(tmp_path / "redis") as redis,
        service(tmp_path, "chat:app", "--workers", "2", REDIS_URL=redis.url()) as served,
    ):
        asyncio.run(asyncio.wait_for(main(served.uri), 100))
        assert scrape(served.port, "/health") == "OK\n"
        assert "wscore_hub_link_up 1" in scrape(served.port, "/metrics")
        assert served.end() == 0


def test_the_application_while_redis_is_away(tmp_path: Path) -> None:
    """Clients are told to come again."""
    (tmp_path / "chat.py").write_bytes((ROOT / "deploy" / "chat.py").read_bytes())

    async def main(uri: str) -> int | None:
        async with wscore.connect(uri) as ws:
            await ws.wait_closed()
        return ws.close_code

    nowhere = f"redis://127.0.0.1:{free_port()}"
    with service(tmp_path, "chat:app", REDIS_URL=nowhere) as served:
        assert asyncio.run(asyncio.wait_for(main(served.uri), 100)) == 1013
        assert "nobody listens there (is Redis running?)" in served.log


# docs/scaling.md -------------------------------------------------------------------------------

SCALING = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")


def test_the_user_that_is_printed_may_do_all_that_a_hub_does(tmp_path: Path) -> None:
    [printed] = re.findall(r"```text\nuser (.*?)```", SCALING, re.DOTALL)
    user, *rules = printed.split()
    for source in (ROOT / "wscore" / "hub" / "redis").glob("*.py"):
        called = re.findall(r"redis\.call\('(\w+)'", source.read_text(encoding="utf-8"))
        assert {f"+{command.lower()}" for command in called} <= set(rules)

    async def main(url: str) -> None:
        rooms = {"": wscore.Room(history=3, presence=True)}
        async with wscore.Hub(url, rooms=rooms, require=True) as hub, pair() as (client, ws):
            await hub.resume(ws, "a")
            for number in range(5):
                hub.publish("a", str(number))
            assert [await client.recv() for _ in range(5)] == ["0", "1", "2", "3", "4"]
            assert len(await hub.presence("a")) == await hub.count("a") == 1

    with redis_process(tmp_path / "redis") as redis:
        redis.do("ACL", "SETUSER", user, *rules)
        asyncio.run(asyncio.wait_for(main(redis.url(f"{user}:secret", db=1)), 60))
        assert redis.do("ACL", "LOG") == []


def test_every_figure_and_every_trouble_is_told() -> None:
    metrics = {metric.name for metric in wscore.hub.HubStats._METRICS}
    told = set(re.findall(r"wscore_hub_\w+", SCALING))
    assert told <= metrics
    assert {name for name in metrics if "link" in name or "waiting" in name} <= told
    for code in trouble._ADVICE:
        assert f"`{code}`" in SCALING
    rules = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", SCALING, re.DOTALL)[0])
    assert all(rule["expr"] for group in rules["groups"] for rule in group["rules"])


def test_the_times_are_those_of_the_hub() -> None:
    timing, words = Timing(), " ".join(SCALING.split())
    for text in (
        f"unsubscribes {timing.linger:g} seconds after",
        f"is given up after {timing.connect_timeout:g} s",
        f"an answer is overdue for {timing.patience:g} s",
        f"after {timing.backoff.initial_delay} s, doubling up to {timing.backoff.max_delay:g} s",
        f"every {presence.INTERVAL:g} seconds, where they expire after {presence.EXPIRY:g}",
        f"waits for Redis {presence.PATIENCE:g} seconds",
        f"waits {census.PATIENCE:g} second for one",
        f"more than {outbox.REDIS_MAX_BYTES >> 20} MiB",
    ):
        assert text in words
