"""The examples for Django: a project of our own around them, with a user, and a real Redis."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import redis.asyncio
from process import Example
from websockets.asyncio.client import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from process import Running

__all__ = ["AUTHENTICATION", "NOTIFICATIONS", "authenticated", "notified", "redis_server"]

SITE = Path(__file__).with_name("django_site")
PORT = 8888
REDIS = 6379  # the example's

_FOLDER = tempfile.TemporaryDirectory(prefix="wscore-django-")
_ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "settings",
    "DJANGO_DATABASE": str(Path(_FOLDER.name) / "database"),
    "PYTHONPATH": os.pathsep.join(filter(None, (str(SITE), os.environ.get("PYTHONPATH")))),
}
AUTHENTICATION = Example("django/authentication.py", listens=PORT, environment=_ENVIRONMENT)
NOTIFICATIONS = Example("django/notifications.py", listens=PORT, environment=_ENVIRONMENT)


async def authenticated(server: Running) -> list[str]:
    """Who has a token is greeted, who has none is closed."""
    lines = []
    for token in (_token(), "wrong"):
        async with connect(f"ws://localhost:{PORT}") as client:
            await client.send(token)
            if token != "wrong":
                lines.append(str(await client.recv()))
            await client.wait_closed()
            lines.append(f"closed {client.close_code} {client.close_reason}")
    server.terminate()
    return [*lines, *await server.ended()]


async def notified(server: Running) -> list[str]:
    """What is published in Redis goes to those who may see it."""
    token = _token()
    published = redis.asyncio.from_url(f"redis://127.0.0.1:{REDIS}")
    async with published, connect(f"ws://localhost:{PORT}") as client:
        await client.send(token)
        # The example subscribes and registers in its own time; one event at least arrives.
        event = json.dumps({"content_type_id": 1})
        received = asyncio.ensure_future(client.recv())
        while not received.done():
            await published.publish("events", event)
            await asyncio.sleep(0.05)
        lines = [str(await received)]
    server.terminate()
    return [*lines, *await server.ended()]


@contextmanager
def redis_server() -> Iterator[None]:
    """A Redis of our own where the example looks for one."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(REDIS), "--bind", "127.0.0.1", "--save", ""]
        command += ["--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                _await_ready(server)
                yield
            finally:
                server.terminate()


def _await_ready(server: subprocess.Popen[str]) -> None:
    """Not by connecting: another server may listen where this one cannot."""
    assert server.stdout is not None
    said = []
    for line in server.stdout:
        said.append(line)
        if "Ready to accept connections" in line:
            return
    raise RuntimeError(f"no Redis on port {REDIS}: {''.join(said)[-500:]}")


def _token() -> str:
    Path(_ENVIRONMENT["DJANGO_DATABASE"]).unlink(missing_ok=True)
    made = subprocess.run(
        [sys.executable, SITE / "prepare.py"],
        env=os.environ | _ENVIRONMENT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return made.stdout.strip()
