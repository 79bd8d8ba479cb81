"""Node.js, once for all tests of this folder."""

from support.node import node

__all__ = ["node"]
