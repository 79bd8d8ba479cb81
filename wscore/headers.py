"""HTTP header fields: the public names of `wscore.protocol.headers`."""

from .protocol.headers import *  # noqa: F403
from .protocol.headers import __all__ as __all__
