"""``python -m tests.soak --seconds 300``: an hour in fast time, then churn over real sockets."""

from __future__ import annotations

import argparse
import asyncio
import random

from .churn import churn
from .fast_hour import fast_hour


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="for the churn (300)")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    print(f"seed {options.seed}\n\nan hour in fast time")
    fast_hour(options.seed)
    print("\nchurn")
    asyncio.run(churn(options.seconds, options.seed))


main()
