"""The fast path of a server's opening handshake: answer it without a `ServerProtocol`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .extensions import negotiate
from .handshake import upgrade_response
from .headers import build_extensions, parse_extension_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._backend.upgrade import Upgrade
    from .extensions import Extension, MessageCodec
    from .headers import Origins
    from .server import HandshakeOptions

__all__ = ["Accepted", "accept_upgrade", "allows_fast_path"]

# What the compiled pass reads at most (`_kernels/upgrade.h`).
_MAX_HEAD, _MAX_HEADERS = 8192, 128


class Accepted(NamedTuple):
    """The answer to an `Upgrade`."""

    response: bytes
    lines: str
    """Lines of the response that are not the same for all: see `upgrade_response`."""
    codec: MessageCodec | None
    """What was negotiated."""


def allows_fast_path(options: HandshakeOptions) -> bool:
    """Whether a head that the fast path reads is always within the limits of *options*."""
    most_bytes = min(options.max_line_size, options.max_head_size)
    return most_bytes >= _MAX_HEAD and options.max_headers >= _MAX_HEADERS


def accept_upgrade(
    upgrade: Upgrade,
    origins: Origins | None = None,
    extensions: Sequence[Extension] = (),
    headers: str = "",
) -> Accepted | None:
    """Answer a request without a `ServerProtocol`, which has the same options.

    *headers* are whole lines to add to the answer. Returns None if the slow path has to answer,
    starting at `ServerProtocol.receive_head`: above all, when the request is refused.
    """
    if origins is not None and upgrade.origin not in origins:
        return None
    codec: MessageCodec | None = None
    try:
        if upgrade.extensions is not None:
            agreed = negotiate(parse_extension_list(upgrade.extensions), extensions)
            codec = agreed.codec
            if agreed.headers:
                chosen = build_extensions(agreed.headers)
                headers = f"Sec-WebSocket-Extensions: {chosen}\r\n{headers}"
    except Exception:
        return None  # the slow path answers with the right error
    return Accepted(upgrade_response(upgrade.key, headers), headers, codec)
