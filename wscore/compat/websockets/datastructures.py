"""Header fields: wscore's own."""

from __future__ import annotations

from ...protocol.headers import Headers, HeadersLike, MultipleValuesError

__all__ = ["Headers", "HeadersLike", "MultipleValuesError"]
