"""A server with TLS or without, and who connects to it."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import trustme

import wscore
from support.rawpeer import address, serving

AUTHORITY = trustme.CA()
SERVER = AUTHORITY.issue_cert("localhost")


class Place:
    """Where a test's server is, with TLS or without."""

    def __init__(self, tls: bool) -> None:
        self.serving: dict[str, Any] = {}
        self.connecting: dict[str, Any] = {"proxy": None}
        if tls:
            self.serving["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            SERVER.configure_cert(self.serving["ssl"])
            self.connecting["ssl"] = ssl.create_default_context()
            AUTHORITY.configure_trust(self.connecting["ssl"])

    def serve(self, handler: Any, **options: Any) -> wscore.serve:
        return serving(handler, **self.serving, **options)

    def connect(self, server: wscore.Server, **options: Any) -> wscore.connect:
        scheme = "wss" if self.serving else "ws"
        where = f"{scheme}://localhost:{address(server)[1]}/"
        return wscore.connect(where, **self.connecting, **options)


@pytest.fixture(params=[False, True], ids=["tcp", "tls"])
def place(request: pytest.FixtureRequest) -> Place:
    return Place(request.param)
