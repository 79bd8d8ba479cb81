"""socketify: uWebSockets with callbacks in Python.

``App.run`` polls uWebSockets' loop from asyncio's, so that coroutines can run as well. With
``--mode alone`` uWebSockets' loop waits by itself and there is no asyncio: as fast as it gets.
"""

from __future__ import annotations

from typing import Any

import socketify

from . import entry

# More than the largest case keeps under way: a message that does not fit is dropped in silence.
MOST_UNSENT = 1 << 28

TOPIC = "all"


def echo(ws: Any, message: str | bytes, opcode: int) -> None:
    """Answers within the callback."""
    ws.send(message, opcode)


class Room:
    """Everybody follows one topic of uWebSockets; what one says is published in it."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def open(self, ws: Any) -> None:
        ws.subscribe(TOPIC)

    def message(self, ws: Any, message: str | bytes, opcode: int) -> None:
        self._app.publish(TOPIC, message, opcode)


def main() -> None:
    options = entry.arguments(("listener", "alone", "publish", "publish-alone"))
    if options.deflate is not None:
        raise SystemExit("socketify is compared without compression only")
    app = socketify.App()
    room = Room(app)
    publishes = options.mode.startswith("publish")
    app.ws(
        "/",
        {
            "compression": socketify.CompressOptions.DISABLED,
            "max_payload_length": options.max_size,
            "max_backpressure": MOST_UNSENT,
            "idle_timeout": 120,
            **({"open": room.open, "message": room.message} if publishes else {"message": echo}),
        },
    )
    where = socketify.AppListenOptions(port=options.port, host=entry.HOST)
    app.listen(where, lambda config: entry.announce("socketify"))
    if options.mode.endswith("alone"):
        app.loop.uv_loop.run()
    else:
        app.run()


if __name__ == "__main__":
    main()
