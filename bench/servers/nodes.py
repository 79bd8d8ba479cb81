"""wscore: a hub of one process, or a node of many that meet at the URL in ``BENCH_REDIS``.

The members of ``member`` and ``alone`` are in one room; what is said to ``entry``, whose visitors
are no members, or to ``alone``, is published in it.
"""

from __future__ import annotations

import os
from functools import partial

import wscore

from . import Options, entry

ROOM = "all"


class Visitor(wscore.Listener[wscore.ServerConnection]):
    """All connections."""

    def __init__(self, hub: wscore.Hub, joins: bool) -> None:
        self._hub, self._joins = hub, joins

    def on_open(self, ws: wscore.ServerConnection) -> None:
        if self._joins:
            self._hub.join(ws, ROOM)

    def on_message(self, ws: wscore.ServerConnection, message: str | bytes) -> None:
        self._hub.publish(ROOM, message)


async def node(shared: bool, joins: bool, options: Options) -> None:
    async with (
        wscore.Hub(os.environ["BENCH_REDIS"] if shared else None) as hub,
        wscore.serve(
            Visitor(hub, joins), entry.HOST, options.port, compression=None, ping_interval=None
        ) as server,
    ):
        entry.announce(wscore=wscore.__version__, backend=wscore.BACKEND)
        await server.serve_forever()


if __name__ == "__main__":
    entry.main(
        {
            "alone": partial(node, False, True),
            "member": partial(node, True, True),
            "entry": partial(node, True, False),
        }
    )
