"""`make demo-cluster`: the chat on three nodes behind nginx, as the processes that it starts."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.chatting import Page
from support.processes import free_port, running
from support.programs import program
from support.workers import descendants, is_running

from scripts import demo_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


class Demo:
    """The process, what it has said so far, and what it has started."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self._uri = f"ws://127.0.0.1:{port}/chat?client="
        self.said = ""
        self.started: set[int] = set()

    def read_until(self, text: str) -> None:
        """Read lines until one has *text*."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if text in line:
                self.started = descendants(self.process.pid)
                return
        raise AssertionError(f"no {text!r} in {self.said}")

    @property
    def nodes(self) -> list[int]:
        [numbers] = re.findall(r"^processes: nodes ([\d ]+), Redis", self.said, re.MULTILINE)
        return [int(number) for number in numbers.split()]

    def uri(self, client: int) -> str:
        return f"{self._uri}{client}"

    def end(self, signum: int) -> None:
        """It ends with status 0, and leaves nothing."""
        [folder] = set(re.findall(r"unix://(/\S+)/redis\.sock", self.said))
        assert Path(folder).is_dir()
        self.process.send_signal(signum)
        assert self.process.wait(PATIENCE) == 0
        assert not Path(folder).exists()
        assert not [pid for pid in self.started if is_running(pid)]


@contextmanager
def demo(port: int, **environment: str) -> Iterator[Demo]:
    command = [sys.executable, "-m", "scripts.demo_cluster", str(port)]
    with running(
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **environment}, start_new_session=True,
        )
    ) as process:  # fmt: skip
        shown = Demo(process, port)
        try:
            yield shown
        finally:
            for pid in descendants(process.pid):  # only if the test has failed
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def cluster() -> Iterator[Demo]:
    program("nginx")
    with demo(free_port()) as shown:
        shown.read_until("processes: ")
        yield shown


@contextmanager
def started_again(cluster: Demo, node: str) -> Iterator[None]:
    """By the command that was printed, as somebody copies it from there."""
    [folder] = re.findall(r"^cd .*", cluster.said, re.MULTILINE)
    [line] = re.findall(rf"^(.*CHAT_NODE='{node}'.*) &$", cluster.said, re.MULTILINE)
    environment = {**os.environ, "PATH": os.defpath}  # no environment is active
    with running(subprocess.Popen(["sh", "-c", f"{folder}\nexec env {line}"], env=environment)):
        yield


async def on_all_nodes(cluster: Demo) -> dict[str, tuple[int, Page]]:
    """A page on each node, with the argument by which it is brought there."""
    found: dict[str, tuple[int, Page]] = {}
    for client in range(100):
        page = await Page.enter(cluster.uri(client), f"Page {client}")
        if page.welcome["node"] in found:
            await page.close()
        else:
            found[page.welcome["node"]] = client, page
        if len(found) == 3:
            break
    assert sorted(found) == ["node 1", "node 2", "node 3"]
    return found


async def heard(page: Page, text: str) -> None:
    """Wait until *page* gets that message; whoever comes and goes meanwhile is passed over."""
    while True:
        got = await page.get()
        if got.get("room") == "chat:lobby" and f'"text": "{text}"' in got.get("data", ""):
            return


def test_pages_on_three_nodes_chat_and_come_back(cluster: Demo) -> None:
    async def main() -> None:
        pages = await on_all_nodes(cluster)
        said = [f"from {node}" for node in pages]
        for (_, page), text in zip(pages.values(), said, strict=True):
            await page.say(text)
            for _, other in pages.values():
                await heard(other, text)
        # Its node is where it comes back to; everybody is there, with the history.
        for node, (client, page) in list(pages.items()):
            await page.close()
            again = await Page.enter(cluster.uri(client), page.name)
            assert again.welcome["node"] == node
            assert again.missed == said
            names = {person["name"] for person in again.joined["people"]}
            assert names == {page.name for _, page in pages.values()}
            pages[node] = client, again
        await a_node_is_killed(pages)

    async def a_node_is_killed(pages: dict[str, tuple[int, Page]]) -> None:
        """Its page comes back to another one, and misses nothing."""
        client, lost = pages.pop("node 2")
        position = lost.joined["position"]
        os.kill(cluster.nodes[1], signal.SIGKILL)
        await lost.ws.wait_closed()
        [(_, first), (_, second)] = pages.values()
        await first.say("did you hear that?")
        await heard(second, "did you hear that?")
        back = await Page.enter(cluster.uri(client), lost.name, since=position)
        assert back.welcome["node"] in pages
        assert (back.missed, back.joined["gap"]) == (["did you hear that?"], None)
        await back.close()
        with started_again(cluster, "node 2"):
            while (back := await Page.enter(cluster.uri(client), lost.name)).welcome[
                "node"
            ] in pages:
                await back.close()
                await asyncio.sleep(0.1)
        for page in (first, second, back):
            await page.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    cluster.end(signal.SIGTERM)


def test_simulated_members_come_to_all_nodes(cluster: Demo) -> None:
    """One page adds them, and those of other nodes see them."""

    async def main() -> None:
        pages = await on_all_nodes(cluster)
        [(_, adding), (_, watching), _] = pages.values()
        await adding.ask("crowd", on=True)
        members: dict[str, int] = {}
        while sum(members.values()) < 1000 or min(members.values()) < 100:
            figures = await watching.figures("rooms")
            members[figures["node"]] = figures["rooms"]["lobby"]
        await adding.ask("crowd", on=False)
        for _, page in pages.values():
            await page.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    cluster.end(signal.SIGINT)


def test_control_c_while_it_starts() -> None:
    program("nginx")
    with demo(free_port()) as shown:
        shown.read_until("'node 1'")
        shown.end(signal.SIGINT)


def refusal(port: int, **environment: str) -> str:
    """What it says when it does not start."""
    with demo(port, **environment) as shown:
        said, _ = shown.process.communicate(timeout=PATIENCE)
        assert shown.process.returncode == 1
        return said


def test_a_port_that_is_taken() -> None:
    program("nginx")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"somebody listens on port {port} already" in refusal(port)


def test_a_machine_without_redis() -> None:
    said = refusal(free_port(), PATH="/nowhere")
    assert said.startswith("demo-cluster: there is no redis-server on this machine")
    assert "apt install redis-server nginx" in said


def test_a_machine_without_nginx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_cluster, "PATH", "/nowhere")
    with pytest.raises(demo_cluster.Failed, match="there is no nginx on this machine"):
        demo_cluster.program("nginx")
