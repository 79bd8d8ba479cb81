"""Has the TestClient of Starlette, which FastAPI's is, open its WebSockets on a live server.

A plugin for pytest. uvicorn serves the application on `wscore.asgi`, in a thread, and the client
is the one of websockets.
"""

from __future__ import annotations

import socket
import threading
import time
from contextvars import copy_context
from typing import Any

import pytest
import starlette.testclient
import uvicorn
from starlette.testclient import WebSocketDenialResponse, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

# Of which the client makes its own.
HANDSHAKE = {"connection", "host", "sec-websocket-key", "sec-websocket-protocol",
             "sec-websocket-version", "user-agent"}  # fmt: skip
# Of every answer.
ANSWER = {"connection", "date", "sec-websocket-accept", "sec-websocket-extensions",
          "sec-websocket-protocol", "server", "upgrade"}  # fmt: skip
SECONDS = 20.0

# How many WebSockets were opened on a live server.
opened = 0


class Run:
    """One run of the application: what it raised, and how it refused the handshake."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.error: BaseException | None = None
        self.refusal: dict[str, Any] = {}


class Live:
    """A server of one application, there while it has sessions."""

    def __init__(self, app: Any, scope: Any) -> None:
        self.app = app
        self.sessions = 0
        self._state = scope.get("state", {})
        # By the port of the client.
        self._runs: dict[int, Run] = {}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = self._socket.getsockname()
        config = uvicorn.Config(
            self.serve, ws="wscore.asgi:WebSocketProtocol", lifespan="off", log_config=None,
            root_path=scope.get("root_path", ""), timeout_graceful_shutdown=1, interface="asgi3",
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        work = (self._server.run, [self._socket])
        self._thread = threading.Thread(target=copy_context().run, args=work)
        self._thread.start()
        self._await(lambda: self._server.started)

    def _await(self, condition: Any) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def run_of(self, port: int) -> Run:
        return self._runs.setdefault(port, Run())

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        run = self.run_of(scope["client"][1])
        scope["state"].update(self._state)

        async def watched(event: Any) -> None:
            if event["type"] in ("websocket.close", "websocket.http.response.start"):
                run.refusal = event
            await send(event)

        try:
            await self.app(scope, receive, watched)
        except BaseException as error:
            run.error = error
            raise
        finally:
            run.over.set()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(SECONDS)
        self._socket.close()


servers: dict[int, Live] = {}


class LiveSession(WebSocketTestSession):
    """What tests get of `websocket_connect`: the same methods, over a connection."""

    def __enter__(self) -> LiveSession:
        global opened
        opened += 1
        self._live = servers.get(id(self.app)) or Live(self.app, self.scope)
        servers[id(self.app)] = self._live
        self._live.sessions += 1
        try:
            self._open()
        except BaseException:
            self._leave()
            raise
        return self

    def _open(self) -> None:
        headers = [
            (name.decode(), value.decode("latin-1")) for name, value in self.scope["headers"]
        ]
        host = dict(headers).get("host", "testserver")
        target = self.scope["raw_path"].decode().partition("?")[0]
        if query := self.scope["query_string"].decode():
            target += f"?{query}"
        sock = socket.create_connection(self._live.address)
        self._run = self._live.run_of(sock.getsockname()[1])
        options: dict[str, Any] = {
            "sock": sock, "subprotocols": self.scope["subprotocols"] or None,
            "additional_headers": [pair for pair in headers if pair[0].lower() not in HANDSHAKE],
            "open_timeout": SECONDS, "close_timeout": SECONDS, "proxy": None,
        }  # fmt: skip
        try:
            self._ws = connect(f"ws://{host}{target}", **options).__enter__()
        except InvalidHandshake as refused:
            self._refused(getattr(refused, "response", None))
        self.accepted_subprotocol = self._ws.subprotocol
        self.extra_headers = [
            (name.encode(), value.encode("latin-1"))
            for name, value in self._ws.response.headers.raw_items()
            if name.lower() not in ANSWER
        ]

    def _refused(self, response: Any) -> None:
        """Raise what the TestClient raises."""
        assert self._run.over.wait(SECONDS)
        if self._run.error is not None:
            raise self._run.error
        assert response is not None
        refusal = self._run.refusal
        if refusal.get("type") == "websocket.close":
            assert response.status_code == 403
            raise WebSocketDisconnect(refusal.get("code", 1000), refusal.get("reason", ""))
        headers = [(name.encode(), value.encode()) for name, value in response.headers.raw_items()]
        content = bytes(response.body)
        raise WebSocketDenialResponse(response.status_code, headers=headers, content=content)

    def __exit__(self, *args: Any) -> None:
        try:
            self._ws.close()
            # Otherwise it is cancelled, as the TestClient does.
            self._run.over.wait(1)
        finally:
            self._leave()
        if isinstance(self._run.error, Exception):
            raise self._run.error

    def _leave(self) -> None:
        self._live.sessions -= 1
        if not self._live.sessions:
            del servers[id(self.app)]
            self._live.stop()

    def send(self, message: Any) -> None:
        try:
            if message["type"] == "websocket.disconnect":
                self._ws.close(message["code"], message.get("reason") or "")
            else:
                text = message.get("text")
                self._ws.send(message["bytes"] if text is None else text)
        except ConnectionClosed:
            pass  # the TestClient does not notice either

    def receive(self) -> Any:
        try:
            data = self._ws.recv(timeout=SECONDS)
        except ConnectionClosed as closed:
            code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
            return {"type": "websocket.close", "code": code, "reason": reason}
        return {"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data}


starlette.testclient.WebSocketTestSession = LiveSession  # type: ignore[misc]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not opened:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR  # we were not in the way
