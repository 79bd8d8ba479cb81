"""What the clients in Python have in common: they do as they are told.

Each is a script that reads lines of JSON, [number, what, arguments], and prints answers, [number,
"done"|"failed", value], and what happens, [0, name, value]. Those in JavaScript do the same.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from typing import Any

__all__ = ["obey", "shown", "tell"]

_printing = threading.Lock()


def tell(*line: Any) -> None:
    """Print an answer, or what happens, from any thread."""
    with _printing:
        print(json.dumps(line), flush=True)


def shown(payload: bytes) -> str:
    """A text of a payload, or the hash of a long one."""
    return payload.decode() if len(payload) < 1000 else hashlib.sha256(payload).hexdigest()


def obey(client: Any) -> None:
    """Call the methods of *client* until the input ends."""
    for line in sys.stdin:
        number, what, args = json.loads(line)
        try:
            tell(number, "done", getattr(client, what)(*args))
        except Exception as error:
            tell(number, "failed", [repr(error)])
