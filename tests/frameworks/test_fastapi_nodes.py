"""FastAPI's chat in two workers, which meet in Redis."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from frameworks.serving import PATIENCE, app_of, closed, serving
from support.redis import redis_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from frameworks.serving import Served
    from websockets.asyncio.client import ClientConnection

    Run = Callable[[Any], Any]


@pytest.fixture(scope="module")
def workers(ws_class: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    with redis_process(folder / "redis") as redis, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", redis.url())
        with serving(app_of("fastapi_nodes"), ws_class, folder, "--workers", "2") as served:
            yield served


async def enter(served: Served, room: str, name: str) -> tuple[int, ClientConnection]:
    """A member, and the process of its worker."""
    ws = await served.connect(f"/rooms/{room}?name={name}")
    return int(str(await ws.recv()).removeprefix("worker ")), ws


async def on_both(served: Served, room: str) -> dict[int, ClientConnection]:
    """A member on each worker; the kernel chooses which a connection goes to."""
    found: dict[int, ClientConnection] = {}
    while len(found) < 2:
        pid, ws = await enter(served, room, f"member{len(found)}")
        if pid in found:
            await ws.close()
        else:
            found[pid] = ws
    return found


async def until(served: Served, path: str, fits: Callable[[Any], bool]) -> None:
    """Wait until what is answered there *fits*."""
    async with aiohttp.ClientSession(f"http://{served.host}") as http:
        while True:
            async with http.get(path) as answer:
                if fits(await answer.text()):
                    return
            await asyncio.sleep(0.1)


def limited(main: Any) -> Any:
    return asyncio.wait_for(main, 2 * PATIENCE)


def test_what_one_says_is_heard_on_both_workers(run: Run, workers: Served) -> None:
    async def main() -> None:
        first, second = (await on_both(workers, "both")).values()
        await first.send("Grüße 👋")
        assert await first.recv() == await second.recv() == "member0: Grüße 👋"
        await second.send("there")
        assert await first.recv() == await second.recv() == "member1: there"
        # Who comes gets the last messages first.
        _, third = await enter(workers, "both", "Ada")
        assert [await third.recv(), await third.recv()] == ["member0: Grüße 👋", "member1: there"]
        for ws in (first, second, third):
            await ws.close()

    run(limited(main()))


def test_who_is_there(run: Run, workers: Served) -> None:
    async def main() -> None:
        members = await on_both(workers, "present")
        pids = {str(pid) for pid in members}
        await until(
            workers, "/rooms/present", lambda text: set(re.findall(r'worker":(\d+)', text)) == pids
        )
        for ws in members.values():
            await ws.close()
        await until(workers, "/rooms/present", lambda text: text == "[]")

    run(limited(main()))


def test_metrics(run: Run, workers: Served) -> None:
    run(limited(until(workers, "/metrics", re.compile(r"wscore_hub_link_up{.*} 1\n").search)))


def test_a_worker_is_killed(run: Run, workers: Served) -> None:
    """The members of the other do not notice, and who comes back has what was said meanwhile."""

    async def main() -> None:
        members = await on_both(workers, "killed")
        (pid, lost), (_, staying) = members.items()
        os.kill(pid, signal.SIGKILL)
        assert await closed(lost) == (1006, "")
        await staying.send("still here")
        assert await staying.recv() == "member1: still here"
        _, back = await enter(workers, "killed", "member0")
        assert await back.recv() == "member1: still here"
        for ws in (staying, back):
            await ws.close()

    run(limited(main()))


def test_the_end(run: Run, workers: Served) -> None:
    async def main() -> None:
        members = await on_both(workers, "end")
        ends = asyncio.gather(*map(closed, members.values()))
        assert await asyncio.to_thread(workers.server.stop) == 0
        assert {code for code, _ in await ends} == {1012}
        assert "Traceback" not in workers.log()

    run(limited(main()))
