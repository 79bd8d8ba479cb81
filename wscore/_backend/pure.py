"""The pure-Python twin of `_speedups`: same names, signatures and results, no compiler."""

from .awaitables import coroutine_method
from .channel import Channel
from .delivery import BaseConnection, MessageQueue
from .dispatcher import Dispatcher
from .fanout import Fanout
from .membership import Membership
from .primitives import (
    CPU_FEATURES,
    Utf8Validator,
    apply_mask,
    apply_mask_inplace,
    current_kernel,
    decode_utf8,
    encode_frame,
    is_utf8,
    kernels,
    parse_header,
    read_upgrade,
    use_kernel,
)
from .reader import MessageReader, ReadBuffer
from .shared import SharedMessage
from .tls_records import TLSRecords
from .writer import FrameWriter

__all__ = [
    "CPU_FEATURES",
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
    "current_kernel",
    "decode_utf8",
    "encode_frame",
    "is_utf8",
    "kernels",
    "parse_header",
    "read_upgrade",
    "use_kernel",
]
