"""tornado's server."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

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


class Member(Echo):
    """Sends what it gets to all, one after the other."""

    members: ClassVar[set[Member]] = set()

    def open(self, *args: str, **kwargs: str) -> None:
        super().open()
        self.members.add(self)

    def on_message(self, message: str | bytes) -> None:
        for member in self.members:
            member.write_message(message, binary=isinstance(message, bytes))

    def on_close(self) -> None:
        self.members.discard(self)


class CompressingEcho(Echo):
    """As above, with permessage-deflate."""

    def get_compression_options(self) -> dict[str, Any]:
        deflate = self.settings["deflate"]
        if deflate.level is None:
            return {}
        return {"compression_level": deflate.level, "mem_level": deflate.mem_level}


async def listener(options: Options) -> None:
    await _serve(Echo if options.deflate is None else CompressingEcho, options)


async def loop(options: Options) -> None:
    await _serve(Member, options)


async def _serve(handler: type[Echo], options: Options) -> None:
    Application(
        [("/", handler)],
        log_function=lambda handler: None,
        websocket_max_message_size=options.max_size,
        deflate=options.deflate,
    ).listen(options.port, entry.HOST)
    entry.announce("tornado")
    await asyncio.Event().wait()


if __name__ == "__main__":
    entry.main({"listener": listener, "loop": loop})
