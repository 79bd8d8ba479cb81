"""Servers for these tests, as processes that end with the test."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.asgi_servers import OURS, AsgiServer, uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Serve = Callable[..., AsgiServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start uvicorn with options of its command line; it serves `live_app`."""
    with ExitStack() as stack:

        def start(*options: str, ws: str = OURS) -> AsgiServer:
            apps = Path(__file__).parent
            server = uvicorn("live_app:app", *options, folder=tmp_path, apps=apps, ws=ws)
            return stack.enter_context(server)

        yield start
