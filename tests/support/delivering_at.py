"""A server with TLS or without, and who connects to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import wscore
from support.rawpeer import address, serving

if TYPE_CHECKING:
    import ssl


class Place:
    """Where a test's server is, with TLS or without."""

    def __init__(self, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None) -> None:
        self.serving: dict[str, Any] = {}
        self.connecting: dict[str, Any] = {"proxy": None}
        if tls is not None:
            self.serving["ssl"], self.connecting["ssl"] = tls

    def serve(self, handler: Any, **options: Any) -> wscore.serve:
        return serving(handler, **self.serving, **options)

    def connect(self, server: wscore.Server, **options: Any) -> wscore.connect:
        scheme = "wss" if self.serving else "ws"
        where = f"{scheme}://localhost:{address(server)[1]}/"
        return wscore.connect(where, **self.connecting, **options)


@pytest.fixture(params=[False, True], ids=["tcp", "tls"])
def place(request: pytest.FixtureRequest) -> Place:
    if not request.param:
        return Place(None)
    return Place(tuple(map(request.getfixturevalue, ("server_tls", "client_tls"))))
