"""uvicorn, which tells when it is listening."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import uvicorn

__all__ = ["Announcing"]


class Announcing(uvicorn.Server):
    """Calls *announce* once clients can connect."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], object]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self._announce()
