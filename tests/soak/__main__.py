"""``python -m tests.soak --seconds 300``: an hour in fast time, then churn over real sockets."""

from __future__ import annotations

import argparse
import asyncio
import random
from pathlib import Path
from tempfile import TemporaryDirectory

from ..support.certificates import make_certificate
from .churn import churn
from .fast_hour import fast_hour


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="for the churn (300)")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--tls", action="store_true", help="have the churn within TLS")
    parser.add_argument("--uvloop", action="store_true", help="have the churn on uvloop")
    options = parser.parse_args()
    print(f"seed {options.seed}\n\nan hour in fast time")
    fast_hour(options.seed)
    print("\nchurn")
    with TemporaryDirectory(prefix="soak-tls-") as folder:
        certificate = make_certificate(Path(folder)) if options.tls else None
        churning = churn(options.seconds, options.seed, certificate)
        if options.uvloop:
            import uvloop

            uvloop.run(churning)
        else:
            asyncio.run(churning)


main()
