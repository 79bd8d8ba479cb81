"""A real nginx with the configuration that ``wscore nginx`` prints."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.processes import free_port, running, wait_until_listening
from support.programs import program
from wscore.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["checked", "configuration", "nginx"]

# Debian's package libnginx-mod-stream; elsewhere it is built in.
_STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")

# Of a test's folder and of sockets in it, only root can read.
_USER = " user root;" if os.geteuid() == 0 else ""


def configuration(*arguments: object) -> str:
    """What ``wscore nginx`` prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["nginx", *map(str, arguments)]) == 0
    return printed.getvalue()


def _need_streams() -> None:
    """Without that module tests are skipped, and fail in CI."""
    built = subprocess.run([program("nginx"), "-V"], capture_output=True, text=True, check=True)
    if not _STREAM.exists() and not re.search(r"--with-stream(?= |$)", built.stderr):
        missing = pytest.fail if os.environ.get("WSCORE_REQUIRE_PROXIES") else pytest.skip
        missing("nginx has no module for streams")


def _command(folder: Path, *options: str) -> list[str]:
    return [
        program("nginx"), "-p", str(folder), "-c", "nginx.conf", "-e", "error.log", *options,
    ]  # fmt: skip


def checked(folder: Path, text: str) -> str:
    """Have nginx check the configuration *text*, and return what it says of a good one."""
    if "stream {" in text:
        _need_streams()
    (folder / "nginx.conf").write_text(text)
    checking = subprocess.run(
        _command(folder, "-t"), capture_output=True, text=True, timeout=30, check=False
    )
    assert checking.returncode == 0, checking.stderr
    return checking.stderr


@contextmanager
def nginx(folder: Path, *arguments: object) -> Iterator[int]:
    """Run nginx with the configuration for these arguments; the port that it listens on."""
    port = free_port()
    checked(folder, configuration("--listen", f"127.0.0.1:{port}", *arguments))
    quiet = subprocess.DEVNULL
    command = _command(folder, "-g", f"daemon off;{_USER}")
    with running(subprocess.Popen(command, stdout=quiet, stderr=quiet)) as process:
        try:
            wait_until_listening(process, port)
            yield port
        finally:
            process.terminate()  # so that it ends its workers; a kill would leave them
            process.wait(20)
