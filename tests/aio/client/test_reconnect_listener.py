"""Listeners that stay connected, and crowds of clients that come back."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import Echo, echo, serving, until, uri
from support.restarting import fast, free_port, kill

import wscore
from wscore import Backoff, Failure
from wscore.testing import FakeClock, Network

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


class Log(wscore.Listener):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_open(self, ws: wscore.Connection) -> None:
        assert isinstance(ws, wscore.ClientConnection)
        self.seen.append(("open", ws.reconnections, ws.attempt > 0))
        ws.write("hello")

    def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
        self.seen.append(message)

    def on_close(self, ws: wscore.Connection, close: wscore.Close) -> None:
        self.seen.append(int(close.code))


def test_a_listener_stays_connected(run: Run) -> None:
    async def main() -> None:
        port, log = free_port(), Log()
        server = await wscore.serve(Echo, "127.0.0.1", port)
        async with wscore.connect(f"ws://127.0.0.1:{port}/", log, reconnect=fast()) as first:
            for _ in range(2):
                await until(lambda: log.seen[-1] == "hello")
                await kill(server)
                server = await wscore.serve(Echo, "127.0.0.1", port)
                await until(lambda: log.seen[-1] != 1006 and log.seen[-1] == "hello")
            assert first.close_code == 1006
        assert log.seen == [
            ("open", 0, False), "hello", 1006, ("open", 1, True), "hello", 1006,
            ("open", 2, True), "hello", 1000,
        ]  # fmt: skip
        await server.__aexit__(None, None, None)

    run(main())


def test_the_client_is_asked_for_its_connection_and_ends_when_closed(run: Run) -> None:
    async def main() -> None:
        async with serving(Echo) as server:
            client = wscore.connect(uri(server), Log(), reconnect=fast())
            assert client.connection is None
            await client.close()  # nothing to do
            ws = await client
            assert client.connection is ws
            ended = asyncio.ensure_future(client.wait_closed())
            await client.close(1000, "enough")
            await ended
            assert (ws.close_code, ws.close_reason, client.connection) == (1000, "enough", None)
            await client.close()
            with pytest.raises(RuntimeError, match="started already"):
                await client

    run(main())


def test_a_good_end_by_the_server_ends_it_too(run: Run) -> None:
    async def main() -> None:
        async with serving(Echo) as server:
            client = wscore.connect(uri(server), Log(), reconnect=fast())
            await client
            server.close(1000)
            await client.wait_closed()

    run(main())


@pytest.mark.parametrize("when", ["dialling", "pausing"])
def test_closed_between_two_connections(run: Run, when: str) -> None:
    async def main() -> None:
        told: list[Failure] = []
        asked: list[Any] = []

        async def first_alone(connection: Any, request: Any) -> None:
            asked.append(request)
            if len(asked) > 1:
                await asyncio.Event().wait()

        log = Log()
        delay = 0 if when == "dialling" else 9
        async with serving(Echo, process_request=first_alone, close_timeout=0.1) as server:
            backoff = fast(on_failure=told.append, initial_delay=delay, max_delay=delay)
            client = wscore.connect(uri(server), log, reconnect=backoff)
            (await client).abort()
            await until(lambda: len(asked) == 2 if when == "dialling" else told)
            await client.close()
            await client.wait_closed()
            assert client.connection is None
            assert [seen for seen in log.seen if "open" in str(seen)] == [("open", 0, False)]

    run(main())


def test_giving_up_is_told_logged_and_raised(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        told: list[Failure] = []
        server = await serving(Echo)
        backoff = fast(max_retries=2, on_failure=told.append)
        client = wscore.connect(uri(server), Log(), reconnect=backoff)
        await client
        await kill(server)
        with pytest.raises(wscore.ReconnectionFailed, match="gave up after 2 retries"):
            await client.wait_closed()
        assert [failure.retries for failure in told] == [0, 1, 2]
        assert [failure.delay is None for failure in told] == [False, False, True]
        assert client.connection is None
        [error] = [record for record in caplog.records if record.levelname == "ERROR"]
        assert "gave up after 2 retries" in error.getMessage()
        caplog.clear()

    run(main())


def test_the_first_connection_of_a_listener(run: Run) -> None:
    async def main() -> None:
        client = wscore.connect(f"ws://127.0.0.1:{free_port()}/", Log(), reconnect=fast())
        with pytest.raises(ConnectionRefusedError):
            await client
        port = free_port()
        backoff = fast(retry_first=True, initial_delay=9, max_delay=9)
        client = wscore.connect(f"ws://127.0.0.1:{port}/", Log(), reconnect=backoff)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client, 0.05)
        assert client.connection is None

    run(main())


def test_a_callback_that_fails_loses_one_connection(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Log):
        def on_message(self, ws: wscore.Connection, message: str | bytes) -> None:
            super().on_message(ws, message)
            if self.seen.count("hello") == 1:
                raise LookupError

    async def main() -> None:
        log = Failing()
        async with (
            serving(Echo) as server,
            wscore.connect(uri(server), log, reconnect=fast()),
        ):
            await until(lambda: log.seen.count("hello") == 2)
        caplog.clear()

    run(main())


# Crowds --------------------------------------------------------------------------------------


def test_fifty_clients_come_back_spread_by_jitter(run_asyncio: Run) -> None:
    async def main() -> None:
        times: list[float] = []

        class Timed(wscore.Listener):
            def on_open(self, ws: wscore.Connection) -> None:
                times.append(clock.time())

        async with FakeClock() as clock:
            network = Network()
            server = await network.serve(Timed)
            clients = [network.connect(listener=Echo, reconnect=Backoff()) for _ in range(50)]
            for client in clients:
                await clock.run(client.__aenter__())
            lost, times[:] = clock.time(), []
            for link in list(network.links):
                link.reset()
            await clock.advance(3)
            waits = sorted(time - lost for time in times)
            assert len(waits) == 50
            assert waits[0] >= 1.5
            assert len({round(wait, 3) for wait in waits}) > 40
            halves = [sum(wait < 2.25 for wait in waits), sum(wait >= 2.25 for wait in waits)]
            assert min(halves) >= 8, "of 25; less by chance once in ten million"
            for client in clients:
                await clock.run(client.close())
            await clock.run(server.__aexit__(None, None, None))

    run_asyncio(main())


def test_fifty_clients_lose_nothing_that_was_sent_after_a_restart(run: Run) -> None:
    rounds, finished = 4, []

    async def client(where: str, number: int) -> None:
        async for ws in wscore.connect(where, reconnect=fast(retry_first=True)):
            sent = [f"{number} {ws.reconnections} {message}" for message in range(20)]
            for message in sent:
                await ws.send(message)
            assert [await ws.recv() for _ in sent] == sent
            finished.append(number)
            if ws.reconnections == rounds - 1:
                return
            with suppress(wscore.ConnectionClosedError):
                await ws.recv()

    async def main() -> None:
        port = free_port()
        clients = [
            asyncio.ensure_future(client(f"ws://127.0.0.1:{port}/", number)) for number in range(50)
        ]
        for number in range(rounds):
            server = await wscore.serve(echo, "127.0.0.1", port)
            await until(lambda number=number: len(finished) == 50 * (number + 1))
            await kill(server)
        await asyncio.gather(*clients)
        assert sorted(finished) == sorted(list(range(50)) * rounds)

    run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_server_process_that_is_killed_and_started_again(run: Run) -> None:
    async def main() -> None:
        port = free_port()

        async def start() -> asyncio.subprocess.Process:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "wscore", "serve", "--port", str(port),
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip

        process = await start()
        try:
            backoff = fast(retry_first=True, max_retries=None)
            async for ws in wscore.connect(f"ws://127.0.0.1:{port}/", reconnect=backoff):
                await ws.send("there?")
                assert await ws.recv() == "there?"
                if ws.reconnections == 2:
                    break
                process.kill()
                with pytest.raises(wscore.ConnectionClosedError):
                    await ws.recv()
                await process.wait()
                process = await start()
        finally:
            process.kill()
            await process.wait()

    run(main())
