"""Both event loops, each test in a fresh one, with a deadline and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

DEADLINE = 20.0

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if sys.platform != "win32":
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop


def _run(new_loop: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[Any, Any, Any]) -> Any:
    loop = new_loop()
    try:
        result = loop.run_until_complete(asyncio.wait_for(main, DEADLINE))
        for _ in range(3):
            # The last callbacks of tasks and transports that are through.
            loop.run_until_complete(asyncio.sleep(0))
        left = asyncio.all_tasks(loop)
        assert not left, "tasks outlive the test"
        return result
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        # Tells of exceptions never retrieved and transports never closed.
        gc.collect(1)


@pytest.fixture(params=LOOPS)
def run(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Run a coroutine to its end; what asyncio or wscore warn of in their logs is a failure.

    A test that expects an entry in the log calls ``caplog.clear()`` after it has looked.
    """
    # In this order: the last call decides what caplog sees.
    caplog.set_level(logging.INFO, "wscore.traffic")
    caplog.set_level(logging.DEBUG, "wscore")
    new_loop = LOOPS[request.param]
    yield lambda main: _run(new_loop, main)
    assert not [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.levelno >= logging.WARNING and record.name in ("asyncio", "wscore")
    ]


@pytest.fixture
def run_asyncio() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """As `run`, on the loop that a FakeClock can be put on; the log is not looked at."""
    return lambda main: _run(LOOPS["asyncio"], main)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost and its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    made, key, both = folder / "cert.pem", folder / "key.pem", folder / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(made)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    both.write_text(made.read_text() + key.read_text())
    return both


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_tls(certificate: Path) -> ssl.SSLContext:
    """Trusts the certificate of `server_tls` and no other."""
    return ssl.create_default_context(cafile=str(certificate))
