"""HTTP header fields: the public names of `wscore.protocol.headers`."""

from .protocol.headers import (
    ExtensionHeader,
    Headers,
    HeadersLike,
    MultipleValuesError,
    Origins,
    build_authorization_basic,
    build_extensions,
    build_subprotocols,
    is_field_value,
    is_token,
    parse_authorization_basic,
    parse_connection,
    parse_extension_list,
    parse_extensions,
    parse_subprotocols,
    parse_upgrade,
)

__all__ = [
    "ExtensionHeader",
    "Headers",
    "HeadersLike",
    "MultipleValuesError",
    "Origins",
    "build_authorization_basic",
    "build_extensions",
    "build_subprotocols",
    "is_field_value",
    "is_token",
    "parse_authorization_basic",
    "parse_connection",
    "parse_extension_list",
    "parse_extensions",
    "parse_subprotocols",
    "parse_upgrade",
]
