"""tornado's server."""

from __future__ import annotations

import asyncio

from tornado.web import Application
from tornado.websocket import WebSocketHandler

from . import entry


class Echo(WebSocketHandler):
    """Answers within the callback; compression is off unless it is asked for."""

    def check_origin(self, origin: str) -> bool:
        return True

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)  # asyncio's transports do so by themselves

    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, binary=isinstance(message, bytes))


async def listener(port: int) -> None:
    Application([("/", Echo)], log_function=lambda handler: None).listen(port, entry.HOST)
    entry.announce("tornado")
    await asyncio.Event().wait()


if __name__ == "__main__":
    entry.main({"listener": listener})
