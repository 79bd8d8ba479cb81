"""Types of websockets' public signatures."""

from __future__ import annotations

import http
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NewType, TypeAlias

__all__ = [
    "Data",
    "ExtensionName",
    "ExtensionParameter",
    "LoggerLike",
    "Origin",
    "StatusLike",
    "Subprotocol",
]

Data: TypeAlias = str | bytes
"""A message: text or binary."""
BytesLike: TypeAlias = bytes | bytearray | memoryview
DataLike: TypeAlias = str | bytes | bytearray | memoryview
if TYPE_CHECKING or sys.version_info >= (3, 11):
    LoggerLike: TypeAlias = logging.Logger | logging.LoggerAdapter[Any]
else:  # LoggerAdapter takes no parameter at run time
    LoggerLike = logging.Logger | logging.LoggerAdapter
"""What the option *logger* takes."""
PathLike: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
StatusLike: TypeAlias = http.HTTPStatus | int
"""The status of a response."""
Origin = NewType("Origin", str)
"""The value of an Origin header."""
Subprotocol = NewType("Subprotocol", str)
"""The name of a subprotocol."""
ExtensionName = NewType("ExtensionName", str)
"""The name of an extension."""
ExtensionParameter: TypeAlias = tuple[str, str | None]
"""The name of a parameter, and its value; None where it has none."""
ExtensionHeader: TypeAlias = tuple[ExtensionName, Sequence[ExtensionParameter]]
ConnectionOption = NewType("ConnectionOption", str)
UpgradeProtocol = NewType("UpgradeProtocol", str)
