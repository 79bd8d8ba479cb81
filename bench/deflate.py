"""``python -m bench.deflate``: time, size and memory of permessage-deflate by backend and level.

Messages are JSON, compressed with context takeover and windows of 12 bits, as by default. Prints
Markdown for docs/compression.md.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from wscore.protocol.deflate import DeflateCodec, PerMessageDeflate

from .texts import KIB, size_name

LEVELS = {"zlib": (1, 6, 9), "zlib-ng": (1, 2, 6), "isal": (0, 2, 3)}
SIZES = (1 * KIB, 4 * KIB, 64 * KIB)
ROUNDS = 9
MESSAGES = 30
CONNECTIONS = 500  # to average their memory


def messages(size: int) -> list[bytes]:
    """Return different JSON documents of *size* bytes."""
    rng = random.Random(size)

    def row() -> dict[str, object]:
        return {
            "id": rng.randrange(10**6),
            "symbol": rng.choice(["EURUSD", "GBPUSD", "USDJPY", "AUDCAD"]),
            "bid": round(rng.uniform(1, 2), 5),
            "ask": round(rng.uniform(1, 2), 5),
            "open": rng.random() < 0.5,
        }

    return [json.dumps([row() for _ in range(size // 60)])[:size].encode() for _ in range(MESSAGES)]


def codec(backend: str, level: int) -> DeflateCodec:
    return DeflateCodec(PerMessageDeflate(backend=backend, level=level), 12, False, 12, False)


def measure() -> dict[tuple[str, int, int], tuple[float, float, float]]:
    """By backend, level and size: seconds to compress, seconds to inflate, compressed share."""
    samples = {size: messages(size) for size in SIZES}
    taken: dict[tuple[str, int, int], list[tuple[float, float, float]]] = {}
    for _ in range(ROUNDS):
        for backend, levels in LEVELS.items():
            for level in levels:
                for size, sample in samples.items():
                    taken.setdefault((backend, level, size), []).append(
                        _sample(codec(backend, level), sample)
                    )
    return {key: (median(r[0] for r in rows), median(r[1] for r in rows), rows[0][2])
            for key, rows in taken.items()}  # fmt: skip


def _sample(both: DeflateCodec, sample: list[bytes]) -> tuple[float, float, float]:
    start = time.perf_counter()
    payloads = [both.encode(message) for message in sample]
    between = time.perf_counter()
    inflated = [b"".join(both.decode(payload, True, None)) for payload in payloads]
    end = time.perf_counter()
    assert inflated == sample
    count = len(sample)
    share = sum(map(len, payloads)) / sum(map(len, sample))
    return (between - start) / count, (end - between) / count, share


def memory(backend: str, level: int) -> float:
    """Return the bytes held by a connection after one message each way, in a separate process."""
    command = [sys.executable, "-m", "bench.deflate", backend, str(level)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _held(backend: str, level: int) -> float:
    [message, *_] = messages(4 * KIB)

    def talk() -> DeflateCodec:
        used = codec(backend, level)
        list(used.decode(used.encode(message), True, None))
        return used

    kept = [talk() for _ in range(20)]
    before = _resident()
    kept += [talk() for _ in range(CONNECTIONS)]
    return (_resident() - before) / CONNECTIONS


def _resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def table() -> Iterator[str]:
    heads = [f"{size_name(size)}: compress, inflate, left" for size in SIZES]
    yield " | ".join(["| backend, level", *heads, "memory after a message each way |"])
    yield "|---" * (len(heads) + 2) + "|"
    figures = measure()
    for backend, levels in LEVELS.items():
        for level in levels:
            cells = []
            for size in SIZES:
                out, back, share = figures[backend, level, size]
                cells.append(f"{out * 1e6:.0f} us, {back * 1e6:.0f} us, {share:.0%}")
            cells.append(f"{memory(backend, level) / KIB:.0f} KiB |")
            yield " | ".join([f"| {backend}, {level}", *cells])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(_held(sys.argv[1], int(sys.argv[2])))
    else:
        print("\n".join(table()))
