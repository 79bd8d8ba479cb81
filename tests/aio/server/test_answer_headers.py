"""Date and Server are on all answers, and cost next to nothing."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.rawpeer import echo, raw_client, request, serving, uri

import wscore
from wscore.aio.server import answer_headers
from wscore.aio.server.answer_headers import AnswerHeaders
from wscore.headers import Headers
from wscore.protocol.handshake import SERVER
from wscore.protocol.http11 import ResponseParser

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


async def answer(server: wscore.Server, data: bytes) -> wscore.Response:
    async with raw_client(server, shake=False) as peer:
        peer.write(data)
        parser, response = ResponseParser(), None
        while response is None:
            received = await peer.reader.read(65536)
            response = parser.feed(received) if received else parser.feed_eof()
        return response


def fail(*given: Any) -> Any:
    raise ValueError


PLAIN = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CASES: list[Any] = [
    (101, {}, request()),
    (101, {"process_request": lambda *given: None}, request()),
    (200, {"process_request": lambda ws, request: ws.respond(200, "a")}, PLAIN),
    (200, {"process_request": lambda *given: wscore.Response(200, "", Headers())}, PLAIN),
    (200, {"process_response": lambda ws, *given: ws.respond(200, "a")}, PLAIN),
    (400, {}, b"nonsense\r\n"),
    (401, {"process_request": wscore.basic_auth(("a", "b"))}, request()),
    (403, {"origins": ["https://a.example"]}, request("/", "Origin: https://b.example")),
    (404, {"handler": {"/x": echo}}, request()),
    (405, {}, PLAIN.replace(b"GET", b"POST")),
    (426, {}, PLAIN),
    (431, {}, request("/", "A: " + "a" * 9000)),
    (500, {"process_request": fail}, request()),
    (503, {"max_connections": 1}, request()),
]


@pytest.mark.parametrize(("status", "options", "data"), CASES)
@pytest.mark.parametrize("header", [SERVER, "Mine/1", None])
def test_all_answers(
    run: Run,
    status: int,
    options: dict[str, Any],
    data: bytes,
    header: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        given = {"handler": echo, "server_header": header, **options}
        async with serving(**given) as server:
            if status == 503:
                await wscore.connect(uri(server))
            response = await answer(server, data)
            assert response.status_code == status
            assert response.headers.get_all("Server") == ([] if header is None else [header])
            [date] = response.headers.get_all("Date")
            assert date.endswith(" GMT")
            assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 60

    run(main())
    caplog.clear()


def test_the_default_names_this_library() -> None:
    assert SERVER.startswith("Python/3.")
    assert SERVER.endswith(f" wscore/{wscore.__version__}")


def test_both_paths_give_the_same_answer(run: Run) -> None:
    async def main() -> None:
        given = []
        for hook in (None, lambda *given: None):
            async with serving(echo, process_request=hook) as server:
                response = await answer(server, request())
                del response.headers["Date"]
                given.append(response.serialize())
        assert given[0] == given[1]

    run(main())


def test_the_application_may_set_its_own(run: Run) -> None:
    def hello(ws: wscore.ServerConnection, request: wscore.Request) -> wscore.Response:
        return ws.respond(200, "", {"Server": "mine", "Date": "today"})

    def nobody(ws: Any, request: Any, response: wscore.Response) -> None:
        seen.append("Server" in response.headers)
        del response.headers["Server"]

    seen: list[bool] = []

    async def main() -> None:
        async with serving(echo, process_request=hello) as server:
            headers = (await answer(server, PLAIN)).headers
            assert (headers["Server"], headers["Date"]) == ("mine", "today")
        async with serving(echo, process_response=nobody) as server:
            assert "Server" not in (await answer(server, request())).headers
        assert seen == [True]

    run(main())


def test_the_date_is_written_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now, written = [100.0], [0]

    def formatdate(*, usegmt: bool) -> str:
        assert usegmt
        written[0] += 1
        return f"date {written[0]}"

    monkeypatch.setattr(answer_headers, "monotonic", lambda: now[0])
    monkeypatch.setattr(answer_headers, "formatdate", formatdate)
    standing = AnswerHeaders("a")
    for later, date in ((0, 1), (0.5, 1), (0.9, 1), (1, 2), (1.9, 2), (2.1, 3), (99, 4)):
        now[0] = 100.0 + later
        headers = Headers()
        standing.add_to(headers)
        assert standing.lines() == f"Date: date {date}\r\nServer: a\r\n"
        assert headers == Headers({"Date": f"date {date}", "Server": "a"})


def test_many_handshakes_write_few_dates(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr(answer_headers, "monotonic", lambda: 5.0)
    monkeypatch.setattr(
        answer_headers, "formatdate", lambda **given: written.append(1) or "Thu, 01 Jan 1970"
    )

    async def main() -> None:
        async with serving(echo) as server:
            for _ in range(5):
                assert (await answer(server, request())).headers["Date"] == "Thu, 01 Jan 1970"

    run(main())
    assert written == [1]
