"""Examples under uvicorn, in processes of their own, started as their files say."""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.asgi_servers import AsgiServer, uvicorn
from support.rawpeer import until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.asyncio.client import ClientConnection

__all__ = ["EXAMPLES", "PATIENCE", "ROOT", "Served", "app_of", "chat_of_two", "closed",
           "refused_with_403", "serving"]  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0  # seconds until what has to happen has happened

_command = re.compile(
    r"^\$ uvicorn (\S+)(?: --workers \d)? --ws wscore\.asgi:WebSocketProtocol$", re.MULTILINE
)
# The others do not run under uvicorn; `tests/subprotocols` is about them.
EXAMPLES = sorted(
    path.stem
    for path in (ROOT / "examples").glob("[!_]*.py")
    if _command.search(path.read_text(encoding="utf-8"))
)


def app_of(example: str) -> str:
    """What the command in the docstring of an example has uvicorn serve."""
    found = _command.findall((ROOT / "examples" / f"{example}.py").read_text(encoding="utf-8"))
    assert len(found) == 1, f"{example} does not say how it is started"
    return str(found[0])


async def closed(ws: ClientConnection) -> tuple[int | None, str | None]:
    """Read on until the connection is closed; returns code and reason, 1006 for no Close."""
    with suppress(ConnectionClosed):
        while True:
            await ws.recv()
    return ws.close_code, ws.close_reason


class Served:
    """An application that is served."""

    def __init__(self, server: AsgiServer) -> None:
        self.server = server
        self.host = f"127.0.0.1:{server.port}"
        self._read = 0

    def connect(self, path: str = "/", **options: Any) -> connect:
        """A client of the library websockets."""
        return connect(f"ws://{self.host}{path}", proxy=None, **options)

    def log(self) -> str:
        """What the server has logged and nobody has looked at yet."""
        return self.server.log[self._read :]

    async def logged(self, text: str) -> str:
        """Wait until the server logs a line with *text*; returns what follows it in the line.

        Whatever was logged until then is expected.
        """
        await until(lambda: "\n" in self.log().partition(text)[2])
        before, _, after = self.log().partition(text)
        rest = after.partition("\n")[0]
        self._read += len(before + text + rest)
        return rest

    def read_log(self) -> str:
        """As `log`; it has been looked at then."""
        log = self.log()
        self._read += len(log)
        return log


@contextmanager
def serving(app: str, ws: str, folder: Path, *options: str, apps: Path = ROOT) -> Iterator[Served]:
    """Start uvicorn with the class *ws*, as an example says; it logs to *folder*."""
    with uvicorn(app, *options, folder=folder, apps=apps, ws=ws) as server:
        yield Served(server)


async def chat_of_two(served: Served, path: str) -> None:
    """What one says in the room at *path*, as ``?name=``, both hear."""
    async with served.connect(f"{path}?name=Ada") as ada:
        await ada.send("alone")
        assert await ada.recv() == "Ada: alone"
        async with served.connect(f"{path}?name=Grace") as grace:
            await grace.send("Grüße 👋")
            for ws in (ada, grace):
                assert await ws.recv() == "Grace: Grüße 👋"


async def refused_with_403(served: Served, path: str, **options: Any) -> None:
    """The handshake at *path* is refused."""
    with pytest.raises(InvalidStatus) as refused:
        await served.connect(path, **options)
    assert refused.value.response.status_code == 403
