"""Extensions of RFC 6455 9 and RFC 7692: the public names of `wscore.protocol.extensions`."""

from .protocol.extensions import *  # noqa: F403
from .protocol.extensions import __all__ as __all__
