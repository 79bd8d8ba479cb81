"""tornado."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler

from . import HOST, MAX_SIZE, announce, run


class Echo(WebSocketHandler):
    """Waits for each answer to leave before the next message is read."""

    def check_origin(self, origin: str) -> bool:
        return True

    def get_compression_options(self) -> dict[str, Any]:
        return {}

    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message, binary=isinstance(message, bytes))


async def main() -> None:
    application = Application(
        [("/", Echo)], websocket_max_message_size=MAX_SIZE, log_function=lambda handler: None
    )
    listening = bind_sockets(0, HOST)
    HTTPServer(application).add_sockets(listening)
    announce(listening, tornado=version("tornado"))


if __name__ == "__main__":
    run(main())
