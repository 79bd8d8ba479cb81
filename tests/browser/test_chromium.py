"""Chromium, a WebSocket client that nobody here wrote, against a wscore server."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

if TYPE_CHECKING:
    from support.chromium import RunningServer

# Chromium has to start first.
pytestmark = pytest.mark.timeout(120)

# Sends what `make` returns, closes after as many messages came back, and tells what it saw.
# `make` runs in the page: a mebibyte need not travel through the driver.
EXCHANGE = """
const [url, make, code, reason, done] = arguments;
const sent = new Function(make)();
const result = {received: [], equal: []};
const ws = new WebSocket(url);
ws.binaryType = "arraybuffer";
const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
ws.onopen = () => sent.forEach((message) => ws.send(message));
ws.onmessage = ({data}) => {
    const expected = sent[result.equal.length];
    const text = typeof data === "string";
    result.equal.push(text ? data === expected : same(new Uint8Array(data), expected));
    result.received.push(text ? data.slice(0, 100) : data.byteLength);
    if (result.equal.length === sent.length) code === null ? ws.close() : ws.close(code, reason);
};
ws.onclose = ({code, reason, wasClean}) => done({...result, code, reason, wasClean});
"""


@pytest.fixture
def page(browser: Any, server: RunningServer) -> Any:
    """The browser on a page of the server."""
    browser.get(f"http://{server.host}/closes")
    return browser


def exchange(
    page: Any,
    server: RunningServer,
    make: str,
    *,
    path: str = "/echo",
    code: int | None = 1000,
    reason: str = "",
) -> dict[str, Any]:
    url = f"ws://{server.host}{path}"
    return page.execute_async_script(EXCHANGE, url, make, code, reason)


def next_close(server: RunningServer, before: int) -> dict[str, Any]:
    """The close after the first *before* ones; the server may see it later than the browser."""
    deadline = time.monotonic() + 10
    while len(closes := server.closes()) <= before:
        assert time.monotonic() < deadline, "the server has not seen the close"
        time.sleep(0.02)
    return closes[before]


def test_a_page_from_the_server_talks_to_it(browser: Any, server: RunningServer) -> None:
    before = len(server.closes())
    browser.get(f"http://{server.host}/")
    assert browser.title == "wscore"
    assert next_close(server, before) == {"code": 1000, "reason": ""}
    assert browser.find_element("id", "echo").text == "from the page"


@pytest.mark.parametrize(
    "text",
    ["plain ASCII", "", "你好世界", "héllo", "👋🏽 👩‍👩‍👧‍👦"],
    ids=["ascii", "empty", "cjk", "latin", "emoji"],
)
def test_text(page: Any, server: RunningServer, text: str) -> None:
    seen = exchange(page, server, f"return [{json.dumps(text)}]")
    assert seen["received"] == [text]
    assert seen["equal"] == [True]


def test_every_byte_value(page: Any, server: RunningServer) -> None:
    seen = exchange(page, server, "return [Uint8Array.from({length: 256}, (_, i) => i)]")
    assert seen["received"] == [256]
    assert seen["equal"] == [True]


@pytest.mark.parametrize("size", [125, 126, 65535, 65536, 2**20])
def test_sizes_of_text_and_binary(page: Any, server: RunningServer, size: int) -> None:
    binary = f"Uint8Array.from({{length: {size}}}, (_, i) => i * 7)"
    seen = exchange(page, server, f"return ['x'.repeat({size}), {binary}]")
    assert seen["received"] == ["x" * min(size, 100), size]
    assert seen["equal"] == [True, True]


def test_many_messages_keep_their_order(page: Any, server: RunningServer) -> None:
    seen = exchange(page, server, "return Array.from({length: 1000}, (_, i) => `message ${i}`)")
    assert seen["received"] == [f"message {i}" for i in range(1000)]


def test_a_message_over_the_limit(page: Any, server: RunningServer) -> None:
    seen = exchange(page, server, f"return ['x'.repeat({2**20 + 1})]")
    assert (seen["received"], seen["code"]) == ([], 1009)


@pytest.mark.parametrize(("code", "reason"), [(1000, "done"), (4000, "bye"), (4999, "再见 👋")])
def test_close_by_the_browser(page: Any, server: RunningServer, code: int, reason: str) -> None:
    before = len(server.closes())
    seen = exchange(page, server, "return ['hello']", code=code, reason=reason)
    assert (seen["code"], seen["reason"], seen["wasClean"]) == (code, reason, True)
    assert next_close(server, before) == {"code": code, "reason": reason}


def test_close_by_the_browser_without_a_code(page: Any, server: RunningServer) -> None:
    before = len(server.closes())
    seen = exchange(page, server, "return ['hello']", code=None)
    assert (seen["code"], seen["reason"], seen["wasClean"]) == (1005, "", True)
    assert next_close(server, before) == {"code": 1005, "reason": ""}


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "restart"), (1011, ""), (4001, "离开 👋")]
)
def test_close_by_the_server(page: Any, server: RunningServer, code: int, reason: str) -> None:
    before = len(server.closes())
    path = f"/close?{urlencode({'code': code, 'reason': reason})}"
    seen = exchange(page, server, "return []", path=path)
    assert (seen["code"], seen["reason"], seen["wasClean"]) == (code, reason, True)
    assert next_close(server, before) == {"code": code, "reason": reason}


def test_leaving_the_page(page: Any, server: RunningServer) -> None:
    before = len(server.closes())
    page.execute_async_script(
        "const ws = new WebSocket(arguments[0]); ws.onopen = arguments[1]",
        f"ws://{server.host}/echo",
    )
    page.get("about:blank")
    assert next_close(server, before)["code"] == 1001


def test_a_path_that_is_refused(page: Any, server: RunningServer) -> None:
    before = len(server.closes())
    seen = exchange(page, server, "return []", path="/nowhere")
    assert (seen["code"], seen["wasClean"]) == (1006, False)
    assert len(server.closes()) == before
