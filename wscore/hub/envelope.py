"""A publication as JSON, for `Hub(encode=...)`: what a browser needs to resume."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .publication import Publication

__all__ = ["envelope"]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def envelope(publication: Publication) -> str:
    """Return *publication* as the text of a JSON object.

    All have ``room``, ``kind``, ``position`` (a pair of epoch and offset, or null) and ``sender``.
    Messages have ``data``, a string, or ``base64`` if they are binary; ``"join"`` and ``"leave"``
    have ``id`` and ``info``; ``"gap"`` has ``after``, ``before`` and ``reason``, as a `Gap`.
    """
    told: dict[str, Any] = {
        "room": publication.room,
        "kind": publication.kind,
        "position": publication.position,
        "sender": publication.sender,
    }
    if publication.kind == "gap":
        gap = publication.info
        told |= {"after": gap.after, "before": gap.before, "reason": gap.reason}
    elif publication.kind != "message":
        told["id"], told["info"] = publication.id, publication.info
    elif isinstance(publication.message, str):
        told["data"] = publication.message
    else:
        told["base64"] = b64encode(publication.message).decode()
    return _encode(told)
