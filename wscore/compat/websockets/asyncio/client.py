"""`connect` with the keywords and the defaults of websockets."""

from __future__ import annotations

import logging
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

from .... import ClientConnection, InvalidStatus
from .... import connect as engine_connect
from ....protocol.redirects import is_redirect
from ..http11 import USER_AGENT
from ..lazy import lazy_names
from ..proxy import get_proxy
from ..uri import escaped, parse_uri
from .keywords import extension_keywords, given, shows_its_own_keywords

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ....aio.client.reconnect import Rules
    from ....extensions import Extension
    from ....protocol.http11 import Response
    from ....protocol.redirects import Redirects
    from ..datastructures import HeadersLike
    from ..extensions.base import ClientExtensionFactory
    from ..typing import LoggerLike, Origin, PathLike, Subprotocol

__all__ = ["ClientConnection", "connect", "unix_connect"]

_ASCII = "".join(map(chr, range(0x21, 0x7F)))


@shows_its_own_keywords
class connect(engine_connect):
    """`wscore.connect` with the keywords and the defaults of websockets.

    Other keywords are those of `wscore.connect`. The proxy of the environment is found by
    websockets' rules, once for all redirections.
    """

    def __init__(
        self,
        uri: str,
        *,
        origin: Origin | None = None,
        extensions: Sequence[ClientExtensionFactory | Extension] | None = None,
        subprotocols: Sequence[Subprotocol] | None = None,
        compression: str | None = "deflate",
        additional_headers: HeadersLike | None = None,
        user_agent_header: str | None = USER_AGENT,
        proxy: str | bool | None = True,
        process_exception: Callable[[Exception], Exception | None] | None = None,
        open_timeout: float | None = 10,
        ping_interval: float | None = 20,
        ping_timeout: float | None = 20,
        close_timeout: float | None = 10,
        reconnect_delays: Callable[[], Generator[float, None, None]] | None = None,
        max_size: int | tuple[int | None, int | None] | None = 2**20,
        max_queue: int | tuple[int | None, int | None] | None = 16,
        write_limit: int | tuple[int, int | None] = 2**15,
        logger: LoggerLike | None = None,
        create_connection: Callable[..., ClientConnection] | None = None,
        **options: Any,
    ) -> None:
        options.update(
            extension_keywords(extensions, compression),
            origin=origin,
            user_agent_header=user_agent_header,
            proxy=proxy,
            open_timeout=open_timeout,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=close_timeout,
            max_size=max_size,
            max_queue=max_queue,
            write_limit=write_limit,
            logger=logger or logging.getLogger("websockets.client"),
            **given(
                subprotocols=subprotocols,
                additional_headers=additional_headers,
                process_exception=process_exception,
                reconnect_delays=reconnect_delays,
                create_connection=create_connection,
            ),
        )
        if proxy is True and options.get("sock") is None and options.get("path") is None:
            options["proxy"] = get_proxy(parse_uri(uri))
        super().__init__(escaped(uri), **options)
        self.uri = self._first_uri = uri

    # Redirections: may be overridden

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Return the URI that *exc* redirects to, or *exc* or another error to raise.

        ``uri`` is the URI that was asked. The engine's rules hold for what is followed: ten at
        most, never from wss to ws, without credentials to another origin.
        """
        if not (isinstance(exc, InvalidStatus) and is_redirect(exc.response)):
            return exc
        location = exc.response.headers.get_all("Location")[0]
        try:
            return urljoin(self.uri, location)
        except ValueError:
            return location  # which the engine refuses, as it does several locations

    async def _connect(self, tries: Rules | None) -> ClientConnection:
        self.uri = self._first_uri
        return await super()._connect(tries)

    def _follow(self, redirects: Redirects, refused: InvalidStatus) -> bool:
        decision = self.process_redirect(refused)
        if isinstance(decision, Exception):
            if decision is refused:
                return False
            raise decision from refused
        if not is_redirect(refused.response) or decision != connect.process_redirect(self, refused):
            refused = InvalidStatus(_moved(refused.response, decision))
        followed = super()._follow(redirects, refused)
        self.uri = decision
        return followed


def _moved(response: Response, uri: str) -> Response:
    """*response* with another target, which the application has chosen."""
    headers = response.headers.copy()
    headers.pop("Location", None)
    headers["Location"] = quote(uri, safe=_ASCII)
    status = response.status_code if is_redirect(response) else HTTPStatus.TEMPORARY_REDIRECT
    return replace(response, status_code=int(status), headers=headers)


def unix_connect(path: PathLike | None = None, uri: str | None = None, **options: Any) -> connect:
    """`connect` over the unix socket at *path*, or over ``sock``. Raises ValueError."""
    if path is None and options.get("sock") is None:
        raise ValueError("no path and sock were specified")
    if uri is None:
        uri = "ws://localhost/" if options.get("ssl") is None else "wss://localhost/"
    return connect(uri, path=path, **options)


# Names that programs take from here, although they stand elsewhere.
__getattr__, __dir__ = lazy_names(
    globals(),
    {
        **dict.fromkeys(("ClientProtocol", "backoff", "process_exception"), ".client"),
        **dict.fromkeys(("Headers", "HeadersLike"), ".datastructures"),
        "Response": ".http11",
        **dict.fromkeys(("LoggerLike", "Origin", "Subprotocol"), ".typing"),
    },
)
