"""socketify: uWebSockets with callbacks in Python, on an event loop of its own."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import socketify

from . import entry

# More than the largest case keeps under way: a message that does not fit is dropped in silence.
MOST_UNSENT = 1 << 28


def echo(ws: Any, message: str | bytes, opcode: int) -> None:
    """Answers within the callback."""
    ws.send(message, opcode)


def main() -> None:
    options = entry.arguments(("listener",))
    app = socketify.App()
    app.ws(
        "/",
        {
            "compression": socketify.CompressOptions.DISABLED,
            "max_payload_length": 1 << 20,
            "max_backpressure": MOST_UNSENT,
            "idle_timeout": 120,
            "message": echo,
        },
    )
    where = socketify.AppListenOptions(port=options.port, host=entry.HOST)
    app.listen(where, lambda config: entry.announce(socketify=version("socketify")))
    app.run()


if __name__ == "__main__":
    main()
