"""Masking as fast as the backend can."""

from __future__ import annotations

from .utils import apply_mask

__all__ = ["apply_mask"]
