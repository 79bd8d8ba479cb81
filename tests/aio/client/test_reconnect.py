"""Clients that come back: over real sockets, and by a clock of ours where seconds matter."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import echo, raw_server, serving, until, uri
from support.restarting import fast, free_port, kill

import wscore
from wscore import Backoff, Failure
from wscore.testing import FakeClock, Network

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


@pytest.mark.cpython
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
        await until(lambda: not server.stats.connections)
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


@pytest.mark.cpython
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
            async for _ in wscore.connect(where, reconnect=fast()):
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


@pytest.mark.cpython
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
                await until(lambda: not server.stats.connections)

    run(main())


# By the rules of websockets ----------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 4000, None])
def test_without_a_backoff_there_is_always_another(run: Run, code: int | None) -> None:
    async def leave(ws: wscore.ServerConnection) -> None:
        if code is None:
            ws.abort()
        else:
            await ws.close(code)

    async def main() -> None:
        async with serving(leave) as server:
            seen = []
            async for ws in wscore.connect(uri(server)):
                with suppress(wscore.ConnectionClosed):
                    await ws.recv()
                seen.append((ws.close_code, ws.reconnections, ws.attempt))
                if len(seen) == 3:
                    break
        assert seen == [(code or 1006, number, 0) for number in range(3)]

    run(main())


def test_the_end_of_the_body_closes_and_connects_again(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as server:
            seen: list[wscore.ClientConnection] = []
            async for ws in wscore.connect(uri(server)):
                assert [old.close_code for old in seen] == [1000] * len(seen)
                seen.append(ws)
                if len(seen) == 3:
                    break

    run(main())


def test_the_first_connection_is_tried_again_too(run_asyncio: Run) -> None:
    """With the delays of websockets: up to 5 seconds, then 3.1, 5.0, 8.1."""
    times: list[float] = []

    def check(connection: Any, request: Any) -> Any:
        times.append(asyncio.get_running_loop().time())
        return connection.respond(503, "later\n") if len(times) < 5 else None

    async def main() -> None:
        async with FakeClock() as clock:
            network = Network()
            server = await network.serve(echo, process_request=check)

            async def use() -> None:
                async for ws in network.connect():
                    assert (ws.attempt, ws.reconnections) == (4, 0)
                    break

            await clock.run(use())
            gaps = [later - sooner for sooner, later in pairwise(times)]
            assert 0 <= gaps[0] <= 5.01
            assert gaps[1:] == pytest.approx([3.1, 3.1 * 1.618, 3.1 * 1.618**2], abs=0.01)
            await clock.run(server.__aexit__(None, None, None))

    run_asyncio(main())


def test_process_exception_decides_and_reconnect_delays_tell_when(run: Run) -> None:
    async def main() -> None:
        where = f"ws://127.0.0.1:{free_port()}/"
        told: list[Exception] = []

        def process(error: Exception) -> Exception | None:
            told.append(error)
            return None if len(told) < 3 else LookupError("enough")

        with pytest.raises(LookupError, match="enough") as caught:
            async for _ in wscore.connect(
                where, process_exception=process, reconnect_delays=lambda: iter([0, 0.001])
            ):
                pass
        assert [type(error) for error in told] == [ConnectionRefusedError] * 3
        assert caught.value.__cause__ is told[2]
        with pytest.raises(wscore.ReconnectionFailed):
            async for _ in wscore.connect(where, reconnect_delays=lambda: [0]):
                pass
        # They are for `async for` only.
        with pytest.raises(ConnectionRefusedError):
            await wscore.connect(where, process_exception=process)

    run(main())


def test_fatal_answers_are_raised(run: Run) -> None:
    asked = []

    def check(connection: Any, request: Any) -> Any:
        asked.append(request)
        return connection.respond(401, "who are you?\n")

    async def main() -> None:
        async with serving(echo, process_request=check) as server:
            with pytest.raises(wscore.InvalidStatus, match="401"):
                async for _ in wscore.connect(uri(server)):
                    pass
        assert len(asked) == 1

    run(main())


@pytest.mark.parametrize("backoff", [None, Backoff(initial_delay=0, retry_first=True)])
def test_the_clients_own_logger_is_told(
    run: Run, caplog: pytest.LogCaptureFixture, backoff: Backoff | None
) -> None:
    own = logging.getLogger("test.own")
    caplog.set_level(logging.INFO, own.name)

    async def main() -> None:
        where = f"ws://127.0.0.1:{free_port()}/"
        rules: Any = {"reconnect": backoff}
        if backoff is None:
            rules = {"reconnect_delays": lambda: [0, 0]}
        with pytest.raises(wscore.ReconnectionFailed):
            async for _ in wscore.connect(where, logger=own, **rules):
                pass
        tries = [r for r in caplog.records if r.getMessage().startswith("next try in 0.0 s: ")]
        assert {record.name for record in tries} == {own.name}
        assert len(tries) == (2 if backoff is None else backoff.max_retries)

    run(main())


def test_rules_do_not_mix() -> None:
    options: Any
    for options in ({"process_exception": lambda error: error}, {"reconnect_delays": list}):
        with pytest.raises(ValueError, match="reconnect excludes"):
            wscore.connect("ws://a/", reconnect=Backoff(), **options)


def test_a_socket_of_the_caller_cannot_be_connected_again() -> None:
    with socket.socket() as sock:
        with pytest.raises(ValueError, match="cannot be connected again"):
            wscore.connect("ws://a/", sock=sock, reconnect=Backoff())
        with pytest.raises(ValueError, match="cannot be connected again"):
            aiter(wscore.connect("ws://a/", sock=sock))
