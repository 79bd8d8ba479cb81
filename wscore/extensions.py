"""Extensions of RFC 6455 9 and RFC 7692: the public names of `wscore.protocol.extensions`."""

from .protocol.extensions import (
    Agreement,
    Extension,
    ExtensionParams,
    MessageCodec,
    confirm,
    negotiate,
)

__all__ = ["Agreement", "Extension", "ExtensionParams", "MessageCodec", "confirm", "negotiate"]
