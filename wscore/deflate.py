"""permessage-deflate (RFC 7692): the public names of `wscore.protocol.deflate`."""

from .protocol.deflate import *  # noqa: F403
from .protocol.deflate import __all__ as __all__
