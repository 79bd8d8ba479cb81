"""permessage-deflate (RFC 7692): the public names of `wscore.protocol.deflate`."""

from .protocol.deflate import (
    DeflateCodec,
    PerMessageDeflate,
)

__all__ = ["DeflateCodec", "PerMessageDeflate"]
