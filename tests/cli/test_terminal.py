"""`python -m wscore connect` in a pipe: lines out, messages in, and what the exit status says."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from websockets.sync.server import ServerConnection, serve

from wscore.cli.terminal import _line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def running(handler: Callable[[ServerConnection], None], **options: Any) -> Iterator[str]:
    with serve(handler, "127.0.0.1", 0, **options) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        finally:
            server.shutdown()
            thread.join()


def wscore_connect(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wscore", "connect", *arguments]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=20, encoding="utf-8"
    )


def echo(ws: ServerConnection) -> None:
    for message in ws:
        ws.send(message)


def test_lines_become_messages_and_messages_lines() -> None:
    with running(echo) as uri:
        done = wscore_connect(uri, stdin="Hello\nGrüße 🎉\n\nlast, without its end")
    assert done.stdout == "Hello\nGrüße 🎉\n\nlast, without its end\n"
    assert done.stderr == f"connected to {uri}\n"
    assert done.returncode == 0


def test_binary_is_shown_as_hex() -> None:
    with running(lambda ws: ws.send(b"\x00\xff")) as uri:
        done = wscore_connect(uri)
    assert done.stdout == "(binary) 00ff\n"


def test_subprotocols_are_offered() -> None:
    offered = []

    def note_offer(ws: ServerConnection) -> None:
        assert ws.request is not None
        offered.extend(ws.request.headers.get_all("Sec-WebSocket-Protocol"))

    with running(note_offer) as uri:
        wscore_connect(uri, "--subprotocol", "chat", "--subprotocol", "v2")
    assert offered == ["chat, v2"]


def test_status_1_when_the_server_closes_with_an_error() -> None:
    with running(lambda ws: ws.close(1011, "broken")) as uri:
        done = wscore_connect(uri)
    assert done.returncode == 1
    assert "1011 (internal error) broken" in done.stderr


def test_status_3_when_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        done = wscore_connect(f"ws://127.0.0.1:{unused.getsockname()[1]}/")
    assert done.returncode == 3
    assert done.stderr.startswith("cannot connect: ")


def test_status_3_in_time_when_the_server_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = wscore_connect(f"ws://127.0.0.1:{silent.getsockname()[1]}/", "--timeout", "0.2")
    assert done.returncode == 3
    assert done.stderr == "cannot connect: the opening handshake took too long\n"


@pytest.mark.parametrize("uri", ["http://127.0.0.1/", "ws://", "ws://127.0.0.1/#fragment"])
def test_status_3_for_what_is_no_uri(uri: str) -> None:
    assert wscore_connect(uri).returncode == 3


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (["--subprotocol", "not a token"], "not a token"),
        (["--timeout", "0"], "took too long"),
    ],
)
def test_status_3_and_a_line_for_what_cannot_be_asked(option: list[str], told: str) -> None:
    with running(echo) as uri:
        done = wscore_connect(uri, *option)
    assert done.returncode == 3
    assert done.stderr.startswith("cannot connect: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_status_of_a_refusal_is_told() -> None:
    with running(echo, process_request=lambda ws, _: ws.respond(503, "full\n")) as uri:
        done = wscore_connect(uri)
    assert done.returncode == 3
    assert "503" in done.stderr


def test_a_peer_does_not_command_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(lambda ws: ws.close(4000, "\x1b[2Jgone\rby")) as uri:
        done = wscore_connect(uri)
    assert "\\x1b[2Jgone\\rby" in done.stderr
    assert "\x1b" not in done.stderr
    monkeypatch.setattr("sys.stdout", Screen())
    assert _line("\x1b[2Jred\tand\nblue\x9b €") == "\\x1b[2Jred\tand\nblue\\x9b €"


class Screen:
    def isatty(self) -> bool:
        return True


def test_in_a_pipe_messages_stay_as_they_are() -> None:
    with running(lambda ws: ws.send("\x1b[2Jred")) as uri:
        assert wscore_connect(uri).stdout == "\x1b[2Jred\n"


def test_status_2_for_wrong_usage() -> None:
    assert wscore_connect().returncode == 2
