"""The one switch between the compiled backend and its pure-Python twin.

``WSCORE_BACKEND=auto|compiled|python`` and ``WSCORE_KERNEL=<name>`` are read here, once, at import.
Asking for what is not available raises ImportError; there is no silent fallback. An extension that
was built, and cannot be used, is a RuntimeWarning: it may be that of another version of wscore.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from warnings import warn

from .._version import __version__
from .rules import LARGE as LARGE
from .rules import MAX_FRAGMENTS as MAX_FRAGMENTS
from .rules import MAX_FRAME as MAX_FRAME
from .rules import MAX_SIZE as MAX_SIZE
from .rules import TLS_AT_ONCE as TLS_AT_ONCE
from .rules import TLS_PLAINTEXT as TLS_PLAINTEXT
from .rules import WHOLE as WHOLE
from .rules import decoded as decoded
from .rules import not_a_connection as not_a_connection
from .rules import write_marks as write_marks
from .share import FEW as FEW
from .share import Share as Share

__all__ = [
    "BACKEND",
    "CPU_FEATURES",
    "KERNEL",
    "BaseConnection",
    "Channel",
    "Dispatcher",
    "Fanout",
    "FrameWriter",
    "Membership",
    "MessageQueue",
    "MessageReader",
    "ReadBuffer",
    "SharedMessage",
    "TLSRecords",
    "Utf8Validator",
    "apply_mask",
    "apply_mask_inplace",
    "coroutine_method",
    "decode_utf8",
    "encode_frame",
    "is_utf8",
    "kernels",
    "parse_header",
    "read_upgrade",
]

_wanted = os.environ.get("WSCORE_BACKEND", "auto")
if _wanted not in ("auto", "compiled", "python"):
    raise ImportError(f"WSCORE_BACKEND={_wanted!r}: choose auto, compiled or python")

_SPEEDUPS = "wscore._speedups"
UNUSABLE = ""
"""Why the compiled backend that is there is not in use, if that was not asked for."""


def _check_version(speedups: Any) -> None:
    """Raise ImportError unless it was built from the same version as the modules around it."""
    built = getattr(speedups, "VERSION", "an older version")
    if built != __version__:
        raise ImportError(f"{_SPEEDUPS} is that of {built}, and the rest of wscore {__version__}")


if TYPE_CHECKING or _wanted == "python":
    from . import pure as _chosen
else:
    try:
        # `from .. import` would speak of circular imports where there is none to be imported; and
        # programs that pack others look for statements, not for `import_module`.
        import wscore._speedups as _chosen

        _check_version(_chosen)
    except ImportError as error:
        if _wanted == "compiled":
            raise ImportError(
                f"WSCORE_BACKEND=compiled, but there is no compiled backend: {error}"
            ) from error
        if not isinstance(error, ModuleNotFoundError) or error.name != _SPEEDUPS:
            UNUSABLE = f"the compiled backend cannot be used: {error}"
            slower = "wscore runs on its slower pure-Python backend"
            warn(f"{UNUSABLE}; {slower}", RuntimeWarning, stacklevel=2)
        from . import pure as _chosen

_kernel = os.environ.get("WSCORE_KERNEL")
if _kernel:
    try:
        _chosen.use_kernel(_kernel)
    except ValueError as unsupported:
        raise ImportError(f"WSCORE_KERNEL: {unsupported}") from unsupported

BACKEND = "python" if _chosen.__name__.endswith(".pure") else "compiled"
"""``"compiled"`` or ``"python"``."""
KERNEL = _chosen.current_kernel()
"""The name of the kernel that masks and validates UTF-8, such as ``"avx2"``."""
CPU_FEATURES = _chosen.CPU_FEATURES
BaseConnection = _chosen.BaseConnection
Channel = _chosen.Channel
Dispatcher = _chosen.Dispatcher
Fanout = _chosen.Fanout
FrameWriter = _chosen.FrameWriter
Membership = _chosen.Membership
MessageQueue = _chosen.MessageQueue
MessageReader = _chosen.MessageReader
ReadBuffer = _chosen.ReadBuffer
SharedMessage = _chosen.SharedMessage
TLSRecords = _chosen.TLSRecords
Utf8Validator = _chosen.Utf8Validator
apply_mask = _chosen.apply_mask
apply_mask_inplace = _chosen.apply_mask_inplace
coroutine_method = _chosen.coroutine_method
decode_utf8 = _chosen.decode_utf8
encode_frame = _chosen.encode_frame
is_utf8 = _chosen.is_utf8
kernels = _chosen.kernels
parse_header = _chosen.parse_header
read_upgrade = _chosen.read_upgrade
# Only the compiled backend has a transport of its own, and only where there is epoll or kqueue.
HAS_REACTOR: bool = getattr(_chosen, "HAS_REACTOR", False)
Acceptor: Any = getattr(_chosen, "Acceptor", None)
Reactor: Any = getattr(_chosen, "Reactor", None)
SocketTransport: Any = getattr(_chosen, "SocketTransport", None)
