"""The server that the browser talks to. Usage: python server.py PORT

``/`` and ``/closes`` are HTTP: a page that echoes one message, and as JSON how every connection
ended so far. ``/close?code=4001&reason=x`` is closed by the server, ``/echo`` by the browser.
"""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

import wscore

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>wscore</title>
<p id="echo"></p>
<script>
const ws = new WebSocket(`ws://${location.host}/echo`);
ws.onopen = () => ws.send("from the page");
ws.onmessage = (event) => {
    document.getElementById("echo").textContent = event.data;
    ws.close(1000);
};
</script>
"""

closes: list[dict[str, int | str | None]] = []


def answer_http(
    connection: wscore.ServerConnection, request: wscore.Request
) -> wscore.Response | None:
    if request.path == "/":
        return connection.respond(200, PAGE, {"Content-Type": "text/html; charset=utf-8"})
    if request.path == "/closes":
        return connection.respond(200, json.dumps(closes))
    if urlsplit(request.path).path not in ("/echo", "/close"):
        return connection.respond(404, "no such page\n")
    return None


async def handle(ws: wscore.ServerConnection) -> None:
    assert ws.request is not None
    target = urlsplit(ws.request.path)
    try:
        if target.path == "/close":
            wanted = parse_qs(target.query, keep_blank_values=True)
            await ws.close(int(wanted["code"][0]), wanted["reason"][0])
        else:
            async for message in ws:
                await ws.send(message)
    finally:
        closes.append({"code": ws.close_code, "reason": ws.close_reason})


async def main(port: int) -> None:
    serving = wscore.serve(handle, "127.0.0.1", port, process_request=answer_http)
    async with serving as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
