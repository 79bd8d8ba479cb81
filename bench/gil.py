"""``python -m bench.gil``: find the size from which masking should release the GIL.

Two builds of the extension, one that always releases the GIL and one that never does, take turns
masking in place on one and on two threads. Releasing costs a single thread little. It pays from
the size where two threads become faster.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from .texts import KIB, MIB, size_name

ROOT = Path(__file__).resolve().parent.parent
BUILDS = {"held": 1 << 62, "released": 1}
SIZES = [4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB]
ROUNDS = 7
BYTES = 1 << 30  # masked in one sample

# Prints bytes per second. Arguments: size, number of threads, bytes in total.
SAMPLE = """
import sys, threading, time
from wscore._speedups import apply_mask_inplace
size, threads, total = map(int, sys.argv[1:])
def work():
    data = bytearray(size)
    for _ in range(total // size // threads):
        apply_mask_inplace(data, b"\\x37\\xfa\\x21\\x3d")
workers = [threading.Thread(target=work) for _ in range(threads)]
start = time.perf_counter()
for worker in workers: worker.start()
for worker in workers: worker.join()
print(total / (time.perf_counter() - start))
"""


def main() -> int:
    """Print a table; exit status 0."""
    with tempfile.TemporaryDirectory() as folder:
        copies = {name: build(Path(folder) / name, size) for name, size in BUILDS.items()}
        print("size     threads     held  released   ratio")
        for size in SIZES:
            for threads in (1, 2):
                rates = measure(copies, size, threads)
                held, released = (median(rates[name]) / 1e9 for name in ("held", "released"))
                ratio = median(map(float.__truediv__, rates["released"], rates["held"]))
                print(f"{size_name(size):8} {threads}  {held:8.1f} GB/s {released:7.1f} GB/s "
                      f"{ratio:6.2f}x")  # fmt: skip
    return 0


def build(copy: Path, release_from: int) -> Path:
    """Build a copy of the package that releases the GIL from *release_from* bytes on."""
    shutil.copytree(ROOT / "wscore", copy / "wscore",
                    ignore=shutil.ignore_patterns("*.so", "*.pyd", "_speedups.c"))  # fmt: skip
    (copy / "scripts").mkdir()
    for name in ("setup.py", "scripts/docstrings.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    flags = f"{os.environ.get('CFLAGS', '')} -DWSCORE_RELEASE_GIL_FROM={release_from}LL"
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=copy, check=True, stdout=subprocess.DEVNULL,
        env={**os.environ, "CFLAGS": flags, "WSCORE_BUILD": "require"},
    )  # fmt: skip
    return copy


def measure(copies: dict[str, Path], size: int, threads: int) -> dict[str, list[float]]:
    """Return bytes per second for each build, one sample per round."""
    rates: dict[str, list[float]] = {name: [] for name in copies}
    for _ in range(ROUNDS):
        for name, copy in copies.items():
            command = [sys.executable, "-c", SAMPLE, str(size), str(threads), str(BYTES)]
            done = subprocess.run(command, cwd=copy, check=True, capture_output=True, text=True)
            rates[name].append(float(done.stdout))
    return rates


if __name__ == "__main__":
    sys.exit(main())
