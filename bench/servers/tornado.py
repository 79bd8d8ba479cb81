"""tornado's server."""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.web import Application
from tornado.websocket import WebSocketHandler

from . import Options, entry


class Echo(WebSocketHandler):
    """Answers within the callback; compression is off unless it is asked for."""

    def check_origin(self, origin: str) -> bool:
        return True

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)  # asyncio's transports do so by themselves

    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, binary=isinstance(message, bytes))


class CompressingEcho(Echo):
    """As above, with permessage-deflate."""

    def get_compression_options(self) -> dict[str, Any]:
        deflate = self.settings["deflate"]
        if deflate.level is None:
            return {}
        return {"compression_level": deflate.level, "mem_level": deflate.mem_level}


async def listener(options: Options) -> None:
    Application(
        [("/", Echo if options.deflate is None else CompressingEcho)],
        log_function=lambda handler: None,
        websocket_max_message_size=options.max_size,
        deflate=options.deflate,
    ).listen(options.port, entry.HOST)
    entry.announce("tornado")
    await asyncio.Event().wait()


if __name__ == "__main__":
    entry.main({"listener": listener})
