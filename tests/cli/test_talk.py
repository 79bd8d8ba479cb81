"""`python -m wscore connect` in a pipe: lines out, messages in, and what the exit status says."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
from support.echoing import echo, serving
from support.loops import CHOOSE_UVLOOP
from support.processes import running

from wscore import ServerProtocol
from wscore.cli.talk import _signals

if TYPE_CHECKING:
    from websockets.sync.server import ServerConnection

ON_UVLOOP = f"{CHOOSE_UVLOOP}\nimport sys; from wscore.cli import main; sys.exit(main())"
COMMANDS = {"asyncio": ["-m", "wscore"]}
if sys.platform != "win32":
    COMMANDS["uvloop"] = ["-c", ON_UVLOOP]
COMMAND = [sys.executable, "-m", "wscore", "connect"]


@pytest.fixture(autouse=True, params=COMMANDS)
def _loop(request: pytest.FixtureRequest) -> None:
    """Run the command on each loop."""
    COMMAND[1:] = [*COMMANDS[request.param], "connect"]


def wscore_connect(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], input=stdin, capture_output=True, timeout=40, encoding="utf-8"
    )


def test_lines_become_messages_and_messages_lines() -> None:
    with serving(echo) as uri:
        done = wscore_connect(uri, stdin="Hello\nGrüße 🎉\n\nlast, without its end")
    assert done.stdout == "Hello\nGrüße 🎉\n\nlast, without its end\n"
    assert done.stderr == f"connected to {uri}\n"
    assert done.returncode == 0


def test_passwords_are_not_shown() -> None:
    with serving(echo) as uri:
        done = wscore_connect(uri.replace("//", "//ann:se%40cret@"))
    assert done.stderr == f"connected to {uri}\n"


def test_binary_is_shown_as_hex() -> None:
    with serving(lambda ws: ws.send(b"\x00\xff")) as uri:
        done = wscore_connect(uri)
    assert done.stdout == "(binary) 00ff\n"


def test_subprotocols_are_offered() -> None:
    offered = []

    def note_offer(ws: ServerConnection) -> None:
        assert ws.request is not None
        offered.extend(ws.request.headers.get_all("Sec-WebSocket-Protocol"))

    with serving(note_offer) as uri:
        wscore_connect(uri, "--subprotocol", "chat", "--subprotocol", "v2")
    assert offered == ["chat, v2"]


def test_status_1_when_the_server_closes_with_an_error() -> None:
    with serving(lambda ws: ws.close(1011, "broken")) as uri:
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
        (["--timeout", "0"], "took too long"),
        (["--proxy", "ftp://127.0.0.1/"], "proxy"),
        (["--header", "Upgrade: h2c"], "--header: header is written by wscore: upgrade"),
        (["--origin", "a\nb"], "--origin: "),
        (["--user-agent", "a\nb"], "--user-agent: "),
        (["--subprotocol", "a", "--subprotocol", "a"], "--subprotocol: "),
        (["--subprotocol", "a", "--require-subprotocol"], "none of the subprotocols"),
        (["--auth", "name"], "--auth needs USER:PASSWORD"),
        (["--ca", "nowhere.pem"], "nowhere.pem"),
        (["--ca", __file__], "no certificates in"),
        (["--cert", __file__], "no certificate and key in"),
        (["--key", "key.pem"], "--key needs --cert"),
    ],
)
def test_status_3_and_a_line_for_what_cannot_be_asked(option: list[str], told: str) -> None:
    with serving(echo) as uri:
        done = wscore_connect(uri, *option)
    assert done.returncode == 3
    assert done.stderr.startswith("cannot connect: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_status_of_a_refusal_is_told() -> None:
    with serving(echo, process_request=lambda ws, _: ws.respond(503, "full\n")) as uri:
        done = wscore_connect(uri)
    assert done.returncode == 3
    assert "503" in done.stderr


def test_a_peer_does_not_command_the_terminal() -> None:
    with serving(lambda ws: ws.close(4000, "\x1b[2Jgone\rby\nand by")) as uri:
        done = wscore_connect(uri)
    assert "\\x1b[2Jgone\\rby\\nand by\n" in done.stderr
    assert "\x1b" not in done.stderr


def test_in_a_pipe_messages_stay_as_they_are() -> None:
    with serving(lambda ws: ws.send("\x1b[2Jred")) as uri:
        assert wscore_connect(uri).stdout == "\x1b[2Jred\n"


def test_status_2_for_wrong_usage() -> None:
    assert wscore_connect().returncode == 2


# What goes ---------------------------------------------------------------------------------------


def test_messages_of_the_command_line_are_sent_in_place_of_stdin() -> None:
    with serving(echo) as uri:
        done = wscore_connect("-x", "one", uri, "-x", "two", stdin="three\n")
    assert done.stdout == "one\ntwo\n"
    assert done.returncode == 0


def test_waiting_for_the_server_to_close() -> None:
    def slow(ws: ServerConnection) -> None:
        ws.recv()
        ws.send("answer")

    with serving(slow) as uri:
        done = wscore_connect(uri, "-w", "inf", "-x", "question")
    assert (done.returncode, done.stdout) == (0, "answer\n")


def test_lines_may_end_as_on_windows() -> None:
    with serving(echo) as uri:
        assert wscore_connect(uri, stdin="a\r\n\r\nb").stdout == "a\n\nb\n"


def test_commands_in_a_pipe() -> None:
    with serving(echo) as uri:
        done = wscore_connect(uri, "--slash", stdin="/ping x\nhello\n/pong\n")
        assert (done.returncode, done.stdout) == (0, "hello\n")
        done = wscore_connect(uri, "--slash", stdin="/close 4000 no more\nnot sent\n")
        assert (done.returncode, done.stdout) == (1, "")
        assert "4000 (private use) no more" in done.stderr


def test_pings_and_pongs_are_shown_on_request() -> None:
    def pinging(ws: ServerConnection) -> None:
        ws.ping("are you there?").wait(10)
        ws.pong("I am")

    with serving(pinging) as uri:
        told = wscore_connect(uri, "-P", "-w", "inf").stderr
        assert told.splitlines()[1:] == ["ping b'are you there?'", "pong b'I am'"]
        assert wscore_connect(uri, "-w", "inf").stderr.count("\n") == 1


# What fails --------------------------------------------------------------------------------------


def test_the_handshake_and_the_end_are_shown_on_request() -> None:
    with serving(echo) as uri:
        done = wscore_connect(uri, "-v", "--auth", "ann:secret", "-x", "hello")
    request, answer = (
        [line for line in done.stderr.splitlines() if line.startswith(mark)] for mark in "><"
    )
    assert request[0] == "> GET / HTTP/1.1"
    assert "> Authorization: (not shown)" in request
    assert answer[0] == "< HTTP/1.1 101 Switching Protocols"
    assert any(line.startswith("< Sec-WebSocket-Accept: ") for line in answer)
    last = "closed: sent 1000 (normal closure); then received 1000 (normal closure)"
    assert done.stderr.splitlines()[-1] == last
    assert (done.stdout, done.returncode) == ("hello\n", 0)


def test_a_refusal_is_shown_on_request() -> None:
    with serving(echo, process_request=lambda ws, _: ws.respond(403, "no")) as uri:
        done = wscore_connect(uri, "--verbose")
    assert done.stderr.startswith("< HTTP/1.1 403 Forbidden\n< ")
    assert done.returncode == 3


def test_input_that_is_not_utf8_ends_it_after_the_answers() -> None:
    with serving(echo) as uri:
        done = subprocess.run(
            [*COMMAND, uri], input=b"first\n\xff\nlast\n", capture_output=True, timeout=40
        )
    assert done.stdout == b"first\n"
    assert done.stderr.endswith(b"cannot read the input: line 2 is not UTF-8\n")
    assert done.stderr.count(b"\n") == 2
    assert done.returncode == 1


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    with serving(echo) as uri, open("/dev/zero", "rb") as zeros:
        done = subprocess.run([*COMMAND, uri], stdin=zeros, capture_output=True, timeout=40)
    assert b"cannot read the input: line 1 is longer than 16 MiB\n" in done.stderr
    assert done.returncode == 1


def in_shell(redirections: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = f'exec "$@" {redirections}'
    return subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND, *arguments], capture_output=True, text=True, timeout=40
    )


def test_closed_input_is_empty_input() -> None:
    with serving(lambda ws: ws.send("hello")) as uri:
        done = in_shell("<&-", uri)
    assert (done.returncode, done.stdout) == (0, "hello\n")


@pytest.mark.parametrize(
    ("redirections", "reason"),
    [(">&-", "it is closed"), (">/dev/full", os.strerror(errno.ENOSPC))],
)
def test_output_that_cannot_be_written(redirections: str, reason: str) -> None:
    with serving(echo) as uri:
        done = in_shell(redirections, uri, "-x", "hello", "-w", "inf")
    assert done.stderr == f"connected to {uri}\ncannot write to stdout: {reason}\n"
    assert done.returncode == 1


@pytest.mark.parametrize("redirections", ["2>&-", "2>/dev/full"])
def test_notes_that_nobody_can_read(redirections: str) -> None:
    with serving(echo) as uri:
        done = in_shell(redirections, uri, "-x", "hello")
    assert (done.returncode, done.stdout) == (0, "hello\n")


def test_a_closed_pipe_ends_it() -> None:
    def flooding(ws: ServerConnection) -> None:
        for _ in ws:
            ws.send("again")

    with (
        serving(flooding) as uri,
        running(subprocess.Popen([*COMMAND, uri], **PIPES)) as client,
    ):
        client.stdin.write(b"x\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"again\n"
        client.stdout.close()
        client.stdin.write(b"x\n")
        client.stdin.flush()
        assert client.wait(20) == 1
        reason = os.strerror(errno.EPIPE)
        assert client.stderr.read().decode() == (
            f"connected to {uri}\ncannot write to stdout: {reason}\n"
        )


PIPES: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)


def accept(listening: socket.socket) -> socket.socket:
    protocol = ServerProtocol()
    sock, _ = listening.accept()
    while not (events := protocol.events()):
        protocol.receive_data(sock.recv(65536))
    protocol.send_response(protocol.accept(events[0]))
    for data in protocol.data_to_send():
        sock.sendall(data)
    return sock


def swallowed(client: subprocess.Popen[bytes], most: int) -> int:
    """How many bytes of endless lines *client* reads before it takes no more, or *most*."""
    descriptor = client.stdin.fileno()
    os.set_blocking(descriptor, False)
    taken = 0
    while taken < most and select.select([], [descriptor], [], 2)[1]:
        taken += os.write(descriptor, b"0123456789abcde\n" * 256)
    return taken


def test_stdin_is_not_read_while_the_server_does_not_read() -> None:
    most = 64 << 20
    with socket.create_server(("127.0.0.1", 0)) as listening:
        uri = f"ws://127.0.0.1:{listening.getsockname()[1]}/"
        with running(subprocess.Popen([*COMMAND, uri], **PIPES)) as client:
            with accept(listening):
                assert swallowed(client, most) < most / 2  # the system's buffers, and little more
                assert client.poll() is None
            # The server is killed.
            assert client.wait(20) == 1
            told = client.stderr.read().decode().splitlines()
    assert told[0] == f"connected to {uri}"
    assert len(told) == 2
    assert told[1].startswith("closed: no close frame received")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_also_when_the_server_does_not_read(signum: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        uri = f"ws://127.0.0.1:{listening.getsockname()[1]}/"
        with running(subprocess.Popen([*COMMAND, uri], **PIPES)) as client, accept(listening):
            assert client.stderr.readline() == f"connected to {uri}\n".encode()
            swallowed(client, 32 << 20)
            client.send_signal(signum)
            assert client.wait(20) == 128 + signum
            assert client.stderr.read() == b""


@pytest.mark.timeout(30)
def test_a_signal_to_another_thread_wakes_the_loop() -> None:
    """As one does that comes between the last instruction and the beginning of the wait."""
    stops: list[int] = []

    async def wait() -> None:
        stopped = asyncio.Event()

        class Conversation:
            def stop(self, status: int) -> None:
                stops.append(status)
                stopped.set()

        def interrupt() -> None:
            time.sleep(0.2)  # the loop waits by then; where it does not, the signal comes earlier
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)

        with _signals(cast("Any", Conversation())):
            thread = threading.Thread(target=interrupt)
            thread.start()
            await stopped.wait()
            thread.join()

    if ON_UVLOOP in COMMAND:
        import uvloop

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(wait())
    finally:
        loop.close()
    assert stops == [128 + signal.SIGINT]
    assert signal.set_wakeup_fd(-1) == -1


def test_a_signal_ends_it_while_it_connects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"ws://127.0.0.1:{silent.getsockname()[1]}/"
        with running(subprocess.Popen([*COMMAND, uri], **PIPES)) as client:
            with silent.accept()[0]:
                client.send_signal(signal.SIGINT)
                assert client.wait(20) == 128 + signal.SIGINT
            assert client.stderr.read() == b""


def test_a_signal_ends_it_while_stdout_blocks() -> None:
    """The first one is noted when the loop runs again, the next one ends the process."""

    def flooding(ws: ServerConnection) -> None:
        while True:
            ws.send("x" * 65536)

    with serving(flooding) as uri, running(subprocess.Popen([*COMMAND, uri], **PIPES)) as client:
        assert client.stderr.readline() == f"connected to {uri}\n".encode()
        assert client.stdout.read(1) == b"x"
        while client.poll() is None:
            client.send_signal(signal.SIGTERM)
            try:
                client.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        assert client.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)
