"""Start the demo server and talk to it: what `make demo CHECK=1` runs.

Another library does, if there is one: the demonstration also runs where nothing can be installed.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import urllib.request

try:
    import websockets as library
except ImportError:
    import wscore as library


async def talk(uri: str) -> None:
    async with library.connect(uri) as ws:
        for message in ("Hello", "Grüße, 世界 🎉", b"\x00\xff" * 50_000):
            await ws.send(message)
            assert await ws.recv() == message, "the echo is not what was sent"
        await ws.close(1000, "goodbye")
    assert (ws.close_code, ws.close_reason) == (1000, "goodbye")


def check(address: str) -> None:
    with urllib.request.urlopen(f"http://{address}/", timeout=5) as page:
        assert page.status == 200
        assert b"wscore" in page.read()
    asyncio.run(asyncio.wait_for(talk(f"ws://{address}/"), 10))


def main() -> None:
    command = [sys.executable, "-m", "wscore", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            found = re.search(r"http://([\w.:\[\]]+)/", line)
            assert found is not None, f"no address in {line!r}"
            check(found[1])
        finally:
            server.terminate()
    assert server.returncode == 0, f"the server exited with {server.returncode}"
    print(f"{library.__name__} {library.__version__} talked to wscore at {found[1]}: ok")


if __name__ == "__main__":
    main()
