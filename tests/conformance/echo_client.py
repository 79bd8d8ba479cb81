"""The client under test: runs every case that a fuzzing server offers, echoing its messages.

Usage: python echo_client.py PORT
"""

from __future__ import annotations

import asyncio
import sys

import wscore

MAX_SIZE = 16 * 2**20  # bytes; case 9.1.6 sends as much
AGENT = "wscore"


def connect(port: int, resource: str) -> wscore.connect:
    # Cases 9.3.1 and 9.4.1 cut 4 MiB into 65,536 fragments.
    uri = f"ws://127.0.0.1:{port}/{resource}"
    return wscore.connect(uri, max_size=MAX_SIZE, max_fragments=None)


async def run_case(port: int, case: int) -> None:
    async with connect(port, f"runCase?case={case}&agent={AGENT}") as ws:
        # The suite judges how the connection ended; here every end is an end.
        try:
            async for message in ws:
                await ws.send(message)
        except wscore.ConnectionClosed:
            pass


async def main(port: int) -> None:
    async with connect(port, "getCaseCount") as ws:
        count = int(await ws.recv())
    for case in range(1, count + 1):
        await run_case(port, case)
    async with connect(port, f"updateReports?agent={AGENT}") as ws:
        await ws.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
