"""Run websockets' own examples on websockets and on wscore: they have to behave alike.

    python run.py SOURCES [PATH ...]

SOURCES is a checkout of websockets' repository. To be run by an interpreter that has websockets
and wscore; the other side of each conversation is always websockets itself.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import conversations as talk
import django_examples as django
from process import SECONDS, Example, Running

Conversation = Callable[[Running], Awaitable[list[str]]]

_PORT = {"PORT": "8765"}
EXAMPLES: tuple[tuple[Example, Conversation], ...] = (
    (Example("asyncio/client.py", asks=8765, typed="Ann\n"), talk.greeted),
    (Example("asyncio/echo.py", listens=8765), talk.echoed),
    (Example("asyncio/hello.py", asks=8765), talk.greeted),
    (Example("asyncio/server.py", listens=8765), talk.said),
    (Example("deployment/fly/app.py", listens=8080), talk.checked),
    (
        Example(
            "deployment/haproxy/app.py",
            listens=8001,
            environment={"SUPERVISOR_PROCESS_NAME": "websockets_01"},
        ),
        talk.echoed,
    ),
    (Example("deployment/heroku/app.py", listens=8765, environment=_PORT), talk.echoed),
    (Example("deployment/koyeb/app.py", listens=8765, environment=_PORT), talk.checked),
    # Port 80, for which one has to be root.
    (Example("deployment/kubernetes/app.py", listens=80), talk.checked),
    (Example("deployment/kubernetes/benchmark.py", asks=32080, arguments=("1", "5")), talk.greeted),
    (
        Example(
            "deployment/nginx/app.py",
            listens="websockets.sock",
            environment={"SUPERVISOR_PROCESS_NAME": "websockets"},
        ),
        talk.echoed,
    ),
    (Example("deployment/render/app.py", listens=8080), talk.checked),
    (Example("deployment/supervisor/app.py", listens=8080), talk.echoed),
    (django.AUTHENTICATION, django.authenticated),
    (django.NOTIFICATIONS, django.notified),
    (Example("faq/health_check_server.py", listens=8765), talk.checked),
    (Example("faq/shutdown_client.py", asks=8765), talk.closed_by_signal),
    (Example("faq/shutdown_server.py", listens=8765), talk.closed_by_server),
    (Example("legacy/basic_auth_client.py", asks=8765), talk.authenticated),
    (Example("legacy/basic_auth_server.py", listens=8765), talk.with_password),
    (Example("legacy/unix_client.py", asks="socket", typed="Ann\n"), talk.greeted),
    (Example("legacy/unix_server.py", listens="socket"), talk.said),
    (Example("quick/counter.py", listens=6789), talk.counted),
    (Example("quick/server.py", listens=8765), talk.said),
    (Example("quick/show_time.py", listens=5678), talk.told_time),
    (Example("quick/sync_time.py", listens=5678), talk.told_time),
    (Example("tls/server.py", listens=8765), talk.said),
    (Example("tutorial/step1/app.py", listens=8001), talk.played),
    (Example("tutorial/step2/app.py", listens=8001), talk.played_by_two),
    (Example("tutorial/step3/app.py", listens=8001), talk.played_by_two),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", type=lambda path: Path(path).resolve())
    parser.add_argument("paths", nargs="*")
    options = parser.parse_args()
    chosen = [row for row in EXAMPLES if not options.paths or row[0].path in options.paths]
    with django.redis_server():
        alike = [asyncio.run(_compared(options.sources, *row)) for row in chosen]
    print(f"{sum(alike)} of {len(alike)} of websockets' examples behave as on websockets")
    return 0 if alike and all(alike) else 1


async def _compared(sources: Path, example: Example, conversation: Conversation) -> bool:
    """Have one conversation on each; print what differs."""
    theirs = await _transcript(sources, example, conversation, compat=False)
    ours = await _transcript(sources, example, conversation, compat=True)
    # Both may fail alike, where what an example needs is missing; that proves nothing.
    good = theirs == ours and not theirs[-1].startswith("FAILED")
    print(f"{example.path}: {'alike' if good else 'DIFFERENT'}, {len(theirs)} lines", flush=True)
    if not good:
        print("\n".join(difflib.ndiff(theirs, ours)))
    return good


async def _transcript(
    sources: Path, example: Example, conversation: Conversation, compat: bool
) -> list[str]:
    async with Running(sources, example, compat) as running:
        try:
            await running.listening()
            return await asyncio.wait_for(conversation(running), SECONDS)
        except Exception as problem:
            running.kill()
            ended = await running.ended()
            failed = f"FAILED {type(problem).__name__}: {problem}"
            return [*ended, *running.logged.splitlines(), failed]


if __name__ == "__main__":
    sys.exit(main())
