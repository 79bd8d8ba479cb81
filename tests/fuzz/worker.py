"""Runs one target in a process of its own: `campaign` starts it, and looks after it.

A finding is written where the campaign looks for it, before its exception ends the process. What
no exception tells of, a crash or an endless loop, is in the file `Current`.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import random
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from .mutations import MAX_SIZE, mutate
from .targets import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

FOUND = 77
# The packages whose code leads atheris; the compiled backend says nothing unless it is built to.
_GUIDES = ["wscore", "wsproto", "websockets", "h11"]


class Current:
    """The input that is being tried, and how many were, in a file that outlives the process."""

    _COUNT, _SIZE = slice(0, 8), slice(8, 16)

    def __init__(self, path: Path, *, create: bool) -> None:
        if create:
            path.write_bytes(bytes(16 + MAX_SIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def begin(self, data: bytes) -> None:
        self._map[self._SIZE] = len(data).to_bytes(8, "little")
        self._map[16 : 16 + len(data)] = data
        self._map[self._COUNT] = (self.count + 1).to_bytes(8, "little")

    @property
    def count(self) -> int:
        return int.from_bytes(self._map[self._COUNT], "little")

    @property
    def data(self) -> bytes:
        size = int.from_bytes(self._map[self._SIZE], "little")
        return self._map[16 : 16 + size]


def save(directory: Path, kind: str, data: bytes) -> Path:
    """Write a reproducer, named as libFuzzer names its own."""
    path = directory / f"{kind}-{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"
    path.write_bytes(data)
    return path


def inputs(
    seeds: Sequence[bytes], tokens: Sequence[bytes], generator: random.Random
) -> Iterator[bytes]:
    """All *seeds*, then mutations of them, and of mutations, without an end."""
    yield from seeds
    pool = list(seeds) or [b""]
    while True:
        data = mutate(generator.choice(pool), generator, pool, tokens)
        yield data
        # Some stay for a while, so that what takes several steps can be reached.
        if generator.random() < 0.05:
            if len(pool) < 2 * len(seeds) + 64:
                pool.append(data)
            else:
                pool[generator.randrange(len(seeds), len(pool))] = data


def fuzz_at_random(target: ModuleType, directory: Path, seconds: float, seed: int) -> None:
    """Try mutations of the seeds for *seconds*."""
    current = Current(directory / "current", create=False)
    end = time.monotonic() + seconds
    tokens = getattr(target, "TOKENS", ())
    for data in inputs(target.seeds(), tokens, random.Random(seed)):
        current.begin(data)
        try:
            target.test_one_input(data)
        except BaseException:
            traceback.print_exc()
            print("Test unit written to", save(directory, "crash", data), file=sys.stderr)
            sys.exit(FOUND)
        if time.monotonic() >= end:
            return


def fuzz_with_atheris(
    name: str, directory: Path, seconds: float, seed: int, timeout: float
) -> None:
    """Let atheris, which is libFuzzer, look for inputs that reach new code."""
    import atheris

    with atheris.instrument_imports(include=_GUIDES):
        target = load(name)
    _write_corpus(directory / "corpus", target.seeds())
    options = {
        "max_total_time": max(round(seconds), 1),
        "timeout": max(round(timeout), 1),
        "seed": seed,
        # Longer ones cost more executions than they find.
        "max_len": MAX_SIZE >> 2,
        "artifact_prefix": f"{directory}/",
        "print_final_stats": 1,
        "rss_limit_mb": 2048,
        **_dictionary(directory, getattr(target, "TOKENS", ())),
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([name, *arguments, str(directory / "corpus")], _without_result(target))
    atheris.Fuzz()


def _without_result(target: ModuleType) -> Callable[[bytes], None]:
    def test_one_input(data: bytes) -> None:
        target.test_one_input(data)

    return test_one_input


def _write_corpus(directory: Path, seeds: Sequence[bytes]) -> None:
    directory.mkdir(exist_ok=True)
    for seed in seeds:
        save(directory, "seed", seed)


def _dictionary(directory: Path, tokens: Sequence[bytes]) -> dict[str, Path]:
    """The option that names the *tokens*; libFuzzer takes no dictionary without any."""
    if not tokens:
        return {}
    path = directory / "dictionary"
    with path.open("w") as file:
        for token in tokens:
            file.write('"{}"\n'.format("".join(f"\\x{byte:02x}" for byte in token)))
    return {"dict": path}


def main() -> None:
    """Do what the campaign asks for in a JSON object, the only argument."""
    asked = json.loads(sys.argv[1])
    directory, seconds, seed = Path(asked["directory"]), asked["seconds"], asked["seed"]
    if asked["engine"] == "atheris":
        fuzz_with_atheris(asked["target"], directory, seconds, seed, asked["timeout"])
    elif asked["engine"] == "random":
        fuzz_at_random(load(asked["target"]), directory, seconds, seed)
    else:
        load(asked["target"]).test_one_input(Path(asked["input"]).read_bytes())
