"""Count what one operation costs: the Python calls within wscore, and the modules they enter.

Usage: calls.py [--json]

Each operation runs on asyncio's loop over a real socket; its peer is a plain socket on another
thread. Only the thread of wscore is profiled, from the begin of the operation to its end. Counted
are the functions of wscore that are called, the coroutines of wscore that are entered again when
they go on, and the methods of the compiled backend that Python code calls. Calls from compiled to
compiled code are not seen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from calls_operations import OPERATIONS
from calls_peers import Orders

import wscore

WARM_UP, ROUNDS = 3, 9
# An operation that hangs is an error.
SECONDS = 30


class Count(NamedTuple):
    """What one operation entered, in order: `module:function`, or the name of a method."""

    calls: tuple[str, ...]
    resumed: tuple[str, ...]
    compiled: tuple[str, ...]

    @property
    def modules(self) -> list[str]:
        return sorted({name.partition(":")[0] for name in self.calls + self.resumed})


class Rounds:
    """Repeat one operation: give the peer an order, and count until the round ends."""

    def __init__(self) -> None:
        self.orders: Orders = Orders()
        self.left = WARM_UP + ROUNDS
        self._seen: list[Count] = []
        self._entered: tuple[list[str], list[str], list[str]] | None = None

    def next(self, order: bytes = b"") -> bool:
        """End this round and begin another, for which the peer gets *order*; False at the end."""
        self.stop()
        if self.left:
            self.orders.put(order)
            self.begin()
        return self._entered is not None

    def begin(self) -> None:
        self.left -= 1
        self._entered = ([], [], [])
        sys.setprofile(self._see)

    def stop(self) -> None:
        sys.setprofile(None)
        if self._entered is not None:
            self._seen.append(Count(*map(tuple, self._entered)))
            self._entered = None

    def usual(self) -> Count:
        return Counter(self._seen[WARM_UP:]).most_common(1)[0][0]

    def _see(self, frame: Any, event: str, argument: Any) -> None:
        assert self._entered is not None
        calls, resumed, compiled = self._entered
        module, code = frame.f_globals.get("__name__", ""), frame.f_code
        if event == "call" and module.startswith("wscore."):
            name = f"{module[7:]}:{getattr(code, 'co_qualname', code.co_name)}"
            (resumed if goes_on(frame) else calls).append(name)
        elif event == "c_call":
            owners = getattr(type(getattr(argument, "__self__", None)), "__mro__", ())
            if any("_speedups" in str(owner.__module__) for owner in (argument, *owners)):
                compiled.append(argument.__qualname__)


def goes_on(frame: Any) -> bool:
    """Whether a frame is entered again after an `await` or a `yield`."""
    if sys.version_info < (3, 11):
        return bool(frame.f_lasti >= 0)
    return bool(frame.f_code.co_code[frame.f_lasti + 1])  # RESUME has 0 for the begin


def count(operation: Callable[[Rounds], Awaitable[None]]) -> Count:
    """What most rounds of *operation* entered, on a loop of its own."""
    rounds = Rounds()
    asyncio.run(asyncio.wait_for(operation(rounds), SECONDS))
    return rounds.usual()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="write the names of all, as JSON")
    as_json = parser.parse_args().json
    found = {name: count(operation) for name, operation in OPERATIONS.items()}
    about = f"wscore {wscore.__version__}, {wscore.BACKEND}, CPython {platform.python_version()}"
    if as_json:
        print(json.dumps({"about": about} | {k: v._asdict() for k, v in found.items()}, indent=1))
        return
    print(f"{about}\n\n| operation | calls | resumed | compiled calls | modules | |")
    print("|---|---|---|---|---|---|")
    for name, seen in found.items():
        sizes = " | ".join(str(len(part)) for part in (*seen, seen.modules))
        print(f"| {name} | {sizes} | {', '.join(seen.modules)} |")


if __name__ == "__main__":
    main()
