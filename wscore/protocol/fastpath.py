"""The fast path of a server's opening handshake: answer it without a `ServerProtocol`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .extensions import negotiate
from .handshake import upgrade_response
from .headers import parse_extension_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._backend.upgrade import Upgrade
    from .extensions import Extension, MessageCodec
    from .handshake import Origins

__all__ = ["Accepted", "accept_upgrade"]


class Accepted(NamedTuple):
    """The answer to an `Upgrade`: the response as bytes, and the codec that was negotiated."""

    response: bytes
    codec: MessageCodec | None


def accept_upgrade(
    upgrade: Upgrade, origins: Origins | None = None, extensions: Sequence[Extension] = ()
) -> Accepted | None:
    """Answer a request without a `ServerProtocol`, which has the same options.

    Returns None if the slow path has to answer, starting at `ServerProtocol.receive_head`: above
    all, when the request is refused.
    """
    if origins is not None and upgrade.origin not in origins:
        return None
    if upgrade.extensions is None:
        return Accepted(upgrade_response(upgrade.key, ()), None)
    try:
        agreed = negotiate(parse_extension_list(upgrade.extensions), extensions)
        return Accepted(upgrade_response(upgrade.key, agreed.headers), agreed.codec)
    except Exception:
        return None  # the slow path answers with the right error
