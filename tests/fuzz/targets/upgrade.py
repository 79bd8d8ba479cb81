"""read_upgrade: what takes the fast path the slow path accepts, and reads the same."""

from __future__ import annotations

from support import heads

from ..backends import BACKENDS
from ..seeds import HEADER_TOKENS as TOKENS
from ..seeds import requests

__all__ = ["TOKENS"]


def test_one_input(data: bytes) -> None:
    for backend in BACKENDS:
        upgrade = backend.read_upgrade(data)
        assert upgrade is None or upgrade == heads.long_way(data)


def seeds() -> list[bytes]:
    return [head + after for head in requests() for after in (b"", b"\x81\x80\0\0\0\0")]
