"""Basic authentication of websockets' first asyncio API."""

from __future__ import annotations

from functools import partial
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, cast

from ..asyncio.server import basic_auth
from .server import WebSocketServerProtocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from .... import Request, Response

__all__ = ["BasicAuthWebSocketServerProtocol", "basic_auth_protocol_factory"]


class BasicAuthWebSocketServerProtocol(WebSocketServerProtocol):
    """A connection whose client has said who it is: ``username``.

    Derive from it and override `check_credentials`, or pass a function of that kind.
    """

    realm = ""

    def __init__(
        self,
        *args: Any,
        realm: str | None = None,
        check_credentials: Callable[[str, str], Awaitable[bool]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.realm = self.realm if realm is None else realm
        self._check_credentials = check_credentials

    async def check_credentials(self, username: str, password: str) -> bool:
        """Whether this user may connect."""
        if self._check_credentials is None:
            return False
        return await self._check_credentials(username, password)

    async def authenticate(self, request: Request) -> Response | None:
        """Answer with 401 unless `check_credentials` agrees."""
        ask = basic_auth(self.realm, check_credentials=self.check_credentials)
        return await ask(self, request)


def basic_auth_protocol_factory(
    realm: str | None = None,
    credentials: tuple[str, str] | Iterable[tuple[str, str]] | None = None,
    check_credentials: Callable[[str, str], Awaitable[bool]] | None = None,
    create_protocol: Callable[..., BasicAuthWebSocketServerProtocol] | None = None,
) -> Callable[..., BasicAuthWebSocketServerProtocol]:
    """A ``create_protocol`` for `serve` that lets in *credentials* only. Raises TypeError."""
    if (credentials is None) == (check_credentials is None):
        raise TypeError("provide either credentials or check_credentials")
    if credentials is not None:
        pairs = [credentials] if isinstance(credentials, tuple) else list(credentials)
        known = dict(cast("list[tuple[str, str]]", pairs))

        async def check_credentials(username: str, password: str) -> bool:
            word = known.get(username)
            return word is not None and compare_digest(word.encode(), password.encode())

    make = create_protocol or BasicAuthWebSocketServerProtocol
    return partial(make, realm=realm, check_credentials=check_credentials)
