"""Names that websockets had here before release 11."""

from __future__ import annotations

from .datastructures import Headers, MultipleValuesError
from .http11 import USER_AGENT

__all__ = ["USER_AGENT", "Headers", "MultipleValuesError"]
