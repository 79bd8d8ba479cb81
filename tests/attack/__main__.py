"""Attack servers and compare them: ``make attack ARGS="--server websockets"``."""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

from bench.report import write_readme

from .comparison import SERVERS, Result, compare
from .report import tables
from .target import NotRunning, Target


def main() -> None:
    options = _options()
    results = []
    for name in options.server or SERVERS:
        print(f"attacking {name} ...", file=sys.stderr, flush=True)
        try:
            results.append(_attacked(name, options))
        except (NotRunning, OSError) as error:
            if options.server:
                raise SystemExit(str(error)) from None
            print(f"{error}: left out", file=sys.stderr)
        else:
            print(f"{len(results[-1].failures)} fail", file=sys.stderr, flush=True)
    about = f"{platform.python_implementation()} {platform.python_version()}, {platform.system()}"
    content = tables(results, about)
    if options.write is None:
        print(content)
    else:
        write_readme(options.write, content)


def _attacked(name: str, options: argparse.Namespace) -> Result:
    if options.port is None:
        return compare(name, None, *["--tls"] * options.tls)
    target = Target(options.port, host=options.host, pid=options.pid, tls=options.tls)
    return compare(name, target)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="attack",
        description="Run the attack suite against servers that echo messages of up to 1 MiB.",
    )
    parser.add_argument("--server", action="append", metavar="NAME",
                        help=f"one of {', '.join(SERVERS)}; with --port any name")  # fmt: skip
    parser.add_argument("--port", type=int, help="of a server that is running, echoing on /")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--pid", type=int, help="of that server, to watch its memory")
    parser.add_argument("--tls", action="store_true",
                        help="within TLS: wscore, or with --port any server")  # fmt: skip
    parser.add_argument("--write", type=Path, metavar="FILE",
                        help="put the tables between the markers of FILE")  # fmt: skip
    options = parser.parse_args()
    unknown = set(options.server or ()) - set(SERVERS)
    if options.port is None and unknown:
        parser.error(f"unknown server without --port: {', '.join(sorted(unknown))}")
    if options.port is None and options.tls and options.server != ["wscore"]:
        parser.error("--tls without --port needs --server wscore")
    if options.port is not None and len(options.server or ()) != 1:
        parser.error("--port needs one --server NAME")
    return options


if __name__ == "__main__":
    main()
