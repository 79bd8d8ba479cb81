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
BytesLike: TypeAlias = bytes | bytearray | memoryview
DataLike: TypeAlias = str | bytes | bytearray | memoryview
if TYPE_CHECKING or sys.version_info >= (3, 11):
    LoggerLike: TypeAlias = logging.Logger | logging.LoggerAdapter[Any]
else:  # LoggerAdapter takes no parameter at run time
    LoggerLike = logging.Logger | logging.LoggerAdapter
PathLike: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
StatusLike: TypeAlias = http.HTTPStatus | int
Origin = NewType("Origin", str)
Subprotocol = NewType("Subprotocol", str)
ExtensionName = NewType("ExtensionName", str)
ExtensionParameter: TypeAlias = tuple[str, str | None]
ExtensionHeader: TypeAlias = tuple[ExtensionName, Sequence[ExtensionParameter]]
ConnectionOption = NewType("ConnectionOption", str)
UpgradeProtocol = NewType("UpgradeProtocol", str)
