"""websocket-client without wsaccel: pure Python, as most people run it.

It looks for wsaccel when it is imported, and other contenders need wsaccel: it is hidden for
the time of the import.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..contract import Call, Refused


@contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Let imports of *names* fail."""
    kept = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]  # None: not importable
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(kept)


with _hidden("wsaccel", "wsaccel.xormask", "wsaccel.utf8validator"):
    from websocket import _utils


def check() -> None:
    if not hasattr(_utils, "_UTF8D"):
        raise Refused("websocket-client was imported before and took wsaccel")


def hook() -> object:
    return _utils._validate_utf8


def is_utf8(data: bytes) -> Call:
    return Call("validate(data)", validate=_utils._validate_utf8, data=data)
