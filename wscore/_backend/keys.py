"""Masking keys, for the pure backend."""

from __future__ import annotations

import os

__all__ = ["keys"]


class KeyPool:
    """Masking keys of the operating system's generator, each used once (RFC 6455 5.3, 10.3)."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: list[bytes] = []
        if hasattr(os, "register_at_fork"):
            # Two processes must never send the same keys.
            os.register_at_fork(after_in_child=self.discard)

    def discard(self) -> None:
        self._keys = []

    def take(self) -> bytes:
        while True:
            try:
                return self._keys.pop()  # a single step, so that no two threads get the same one
            except IndexError:
                block = os.urandom(4096)
                if len(block) < 4096:
                    raise OSError("the generator of masking keys gave too few bytes") from None
                self._keys += [block[at : at + 4] for at in range(4092, -4, -4)]


keys = KeyPool()
