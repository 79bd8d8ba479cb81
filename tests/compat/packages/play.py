"""One side of a program: ``play.py serve NAME FOLDER``, or ``play.py run NAME URL [--compat]``.

The service is always served by websockets itself. The program runs on websockets, or with
``--compat`` on wscore under the name of websockets.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import ssl
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["AUTHORITY"]

# The file in the service's folder with the certificate authority that its clients are to trust.
AUTHORITY = "authority.pem"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("side", choices=("serve", "run"))
    parser.add_argument("name")
    parser.add_argument("where", help="the service's URL, or its folder for a certificate")
    parser.add_argument("--compat", action="store_true")
    options = parser.parse_args()
    logging.disable()
    if options.compat:
        from wscore import compat

        compat.install("websockets")
    program = import_module(f"programs.{options.name}")
    if options.side == "serve":
        asyncio.run(_serve(program, Path(options.where)))
    else:
        asyncio.run(program.program(options.where))


async def _serve(program: Any, folder: Path) -> None:
    from websockets.asyncio.server import serve

    context = _certified(folder) if getattr(program, "TLS", False) else None
    async with serve(program.service, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"{'wss' if context else 'ws'}://127.0.0.1:{port}", flush=True)
        await server.serve_forever()


def _certified(folder: Path) -> ssl.SSLContext:
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / AUTHORITY))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


if __name__ == "__main__":
    main()
