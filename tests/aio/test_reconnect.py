"""Clients that come back: over real sockets, and by a clock of ours where seconds matter."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from aio.conftest import LOOPS, _run
from rawpeer import Echo, echo, raw_server, serving, until, uri

import wscore
from wscore import Backoff, Failure
from wscore.testing import FakeClock, Network

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

FAST = {"initial_delay": 0.02, "max_delay": 0.1, "max_retries": 100}


@pytest.fixture
def run_asyncio() -> Run:
    """As `run`, on the loop that a FakeClock can be put on."""
    return lambda main: _run(LOOPS["asyncio"], main)


def fast(**options: Any) -> Backoff:
    return Backoff(**{**FAST, **options})


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def kill(server: wscore.Server) -> None:
    """End it as SIGKILL would: no Close for anybody."""
    server.listening.close()
    for connection in list(server.connections):
        connection.abort()
    await server.__aexit__(None, None, None)


# async for -----------------------------------------------------------------------------------


def test_a_new_connection_whenever_the_last_was_lost(run: Run) -> None:
    async def main() -> None:
        port = free_port()
        server = await wscore.serve(echo, "127.0.0.1", port)
        seen = []
        async for ws in wscore.connect(f"ws://127.0.0.1:{port}/", reconnect=fast()):
            seen.append((ws.reconnections, ws.attempt > 0))
            await ws.send("hello")
            assert await ws.recv() == "hello"
            if len(seen) == 3:
                break
            await kill(server)
            with pytest.raises(wscore.ConnectionClosedError):
                await ws.recv()
            server = await wscore.serve(echo, "127.0.0.1", port)
        assert seen == [(0, False), (1, True), (2, True)]
        await until(lambda: not server.connections)
        await server.__aexit__(None, None, None)

    run(main())


def test_a_good_end_ends_it(run: Run) -> None:
    async def goodbye(ws: wscore.ServerConnection) -> None:
        await ws.send("bye")

    async def main() -> None:
        async with serving(goodbye) as server:
            seen = [
                [message async for message in ws]
                async for ws in wscore.connect(uri(server), reconnect=fast())
            ]
            assert seen == [["bye"]]
            closed = [ws async for ws in wscore.connect(uri(server), reconnect=fast())]
            assert [ws.close_code for ws in closed] == [1000], "the end of the body closes"

    run(main())


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013])
def test_a_server_that_goes_away_is_waited_for(run: Run, code: int) -> None:
    codes = []

    async def leave(ws: wscore.ServerConnection) -> None:
        await ws.close(code if len(codes) < 2 else 1000)

    async def main() -> None:
        async with serving(leave) as server:
            async for ws in wscore.connect(uri(server), reconnect=fast()):
                with suppress(wscore.ConnectionClosed):
                    await ws.recv()
                codes.append(ws.close_code)
        assert codes == [code, code, 1000]

    run(main())


def test_a_close_that_is_final_is_raised(run: Run) -> None:
    async def refuse(ws: wscore.ServerConnection) -> None:
        await ws.close(1008, "not you")

    async def main() -> None:
        async with serving(refuse) as server:
            seen = []

            async def use() -> None:
                async for ws in wscore.connect(uri(server), reconnect=fast()):
                    seen.append(ws)
                    with suppress(wscore.ConnectionClosed):
                        await ws.recv()

            with pytest.raises(wscore.ConnectionClosedError, match="not you"):
                await use()
            assert len(seen) == 1

    run(main())


def test_401_after_a_restart_is_not_tried_again(run: Run) -> None:
    told: list[Failure] = []
    answers = iter([None, 401])

    def check(connection: Any, request: Any) -> Any:
        answer = next(answers)
        return None if answer is None else connection.respond(answer, "who are you?\n")

    async def main() -> None:
        async with serving(echo, process_request=check) as server:
            backoff = fast(on_failure=told.append)
            with pytest.raises(wscore.InvalidStatus, match="401"):
                [ws.abort() async for ws in wscore.connect(uri(server), reconnect=backoff)]
            assert [(failure.retries, failure.delay is None) for failure in told] == [
                (0, False),
                (1, True),
            ]
            assert next(answers, None) is None

    run(main())


def test_503_is_tried_again_when_the_server_said(run_asyncio: Run) -> None:
    told: list[Failure] = []
    times: list[float] = []

    def check(connection: Any, request: Any) -> Any:
        times.append(asyncio.get_running_loop().time())
        if len(times) < 3:
            return connection.respond(503, "later\n", [("Retry-After", "100")])
        return None

    async def main() -> None:
        async with FakeClock() as clock:
            network = Network()
            server = await network.serve(echo, process_request=check)
            backoff = Backoff(retry_first=True, on_failure=told.append)

            async def use() -> None:
                async for ws in network.connect(reconnect=backoff):
                    assert (ws.attempt, ws.reconnections) == (2, 0)
                    break

            await clock.run(use())
            gaps = [later - sooner for sooner, later in pairwise(times)]
            assert 101.5 <= gaps[0] <= 103.1
            assert 102.25 <= gaps[1] <= 104.6
            assert [failure.error.response.body for failure in told] == [b"later\n"] * 2  # type: ignore[attr-defined]
            await clock.run(server.__aexit__(None, None, None))

    run_asyncio(main())


def test_the_first_connection_is_tried_once_unless_asked(run: Run) -> None:
    async def main() -> None:
        port = free_port()
        where = f"ws://127.0.0.1:{port}/"
        with pytest.raises(OSError, match=r"111|refused"):
            async for _ in wscore.connect(where):
                pass
        with pytest.raises(OSError, match=r"111|refused"):
            await wscore.connect(where, reconnect=fast())
        with pytest.raises(wscore.ReconnectionFailed, match="after 3 retries") as failed:
            await wscore.connect(where, reconnect=fast(retry_first=True, max_retries=3))
        assert isinstance(failed.value.__cause__, ConnectionRefusedError)
        waiting = asyncio.ensure_future(
            wscore.connect(where, reconnect=fast(retry_first=True)).__aenter__()
        )
        await asyncio.sleep(0.05)
        async with wscore.serve(echo, "127.0.0.1", port):
            ws = await waiting
            assert ws.attempt > 0
            await ws.close()

    run(main())


def test_a_connection_that_breaks_in_the_handshake_is_tried_again(run: Run) -> None:
    heads = []

    async def main() -> None:
        async def vanish(peer: Any) -> None:
            heads.append(peer.head)
            peer.write(b"HTTP/1.1 101 Swit")

        async with raw_server(vanish, shake=False) as server:
            backoff = fast(retry_first=True, max_retries=2)
            with pytest.raises(wscore.ReconnectionFailed) as failed:
                await wscore.connect(server.uri, reconnect=backoff)
            assert isinstance(failed.value.__cause__, wscore.InvalidHandshake)
            assert len(heads) == 3

    run(main())


@pytest.mark.parametrize("how", ["break", "error", "return"])
def test_whoever_leaves_the_body_closes_the_connection(run: Run, how: str) -> None:
    async def body(server: wscore.Server) -> None:
        async for _ in wscore.connect(uri(server), reconnect=fast()):
            if how == "error":
                raise LookupError
            if how == "return":
                return
            break

    async def main() -> None:
        codes = []

        async def wait(ws: wscore.ServerConnection) -> None:
            with suppress(wscore.ConnectionClosed):
                await ws.recv()
            codes.append(ws.close_code)

        async with serving(wait) as server:
            with suppress(LookupError):
                await body(server)
            gc.collect()
            await until(lambda: codes)
            assert codes == [1000]

    run(main())


def test_an_end_right_after_a_break_leaves_no_task(recwarn: pytest.WarningsRecorder) -> None:
    """asyncio.run closes the loop at once: what closes the connection may not need time."""
    script = """
import asyncio, wscore
async def echo(ws):
    async for message in ws:
        await ws.send(message)
async def main():
    server = await wscore.serve(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async for ws in wscore.connect(f"ws://127.0.0.1:{port}/"):
        break
asyncio.run(main())
"""

    async def main() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stderr=asyncio.subprocess.PIPE
        )
        _, errors = await process.communicate()
        assert (process.returncode, errors) == (0, b"")

    asyncio.run(main())


@pytest.mark.parametrize("when", ["dialling", "pausing", "open"])
def test_cancelled_it_leaves_nothing(run: Run, when: str) -> None:
    async def main() -> None:
        told: list[Failure] = []
        reached = asyncio.Event()

        async def silent(peer: Any) -> None:
            reached.set()
            await peer.reader.read()

        async def use(where: str) -> None:
            backoff = Backoff(retry_first=True, on_failure=told.append)
            async for ws in wscore.connect(where, reconnect=backoff):
                reached.set()
                await ws.recv()

        async def cancel(where: str) -> None:
            task = asyncio.ensure_future(use(where))
            if when == "pausing":
                await until(lambda: told)
            else:
                await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            del task
            gc.collect()

        if when == "pausing":
            await cancel(f"ws://127.0.0.1:{free_port()}/")
        elif when == "dialling":
            async with raw_server(silent, shake=False) as raw:
                await cancel(raw.uri)
        else:
            async with serving(echo) as server:
                await cancel(uri(server))
                await until(lambda: not server.connections)

    run(main())


def test_a_socket_of_the_caller_cannot_be_connected_again() -> None:
    with socket.socket() as sock:
        with pytest.raises(ValueError, match="cannot be connected again"):
            wscore.connect("ws://a/", sock=sock, reconnect=Backoff())
        with pytest.raises(ValueError, match="cannot be connected again"):
            aiter(wscore.connect("ws://a/", sock=sock))


# A listener that stays connected -------------------------------------------------------------


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
        async for ws in wscore.connect(where, reconnect=fast()):
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
