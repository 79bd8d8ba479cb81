"""``wscore bridge``: a process between clients and targets, and what it refuses."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.certificates import for_blocking_client
from support.processes import free_port, running
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect as sync_connect
from websockets.sync.client import unix_connect

from wscore.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Each starts an interpreter.
pytestmark = pytest.mark.timeout(240)
HERE = "127.0.0.1"
BRIDGE = [sys.executable, "-m", "wscore", "bridge"]
# Machines may be loaded: a slow handshake is not a failure.
connect = partial(sync_connect, open_timeout=60)


@contextmanager
def echoing(tls: ssl.SSLContext | None = None, path: str | None = None) -> Iterator[str]:
    """A target that echoes until the end of what it gets."""

    def serve(connection: socket.socket) -> None:
        try:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)
        except OSError:
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    if path is None:
        listening = socket.create_server((HERE, 0))
        name = f"{HERE}:{listening.getsockname()[1]}"
    else:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen()
        name = f"unix:{path}"
    thread = threading.Thread(target=accept, daemon=True)
    with listening:
        thread.start()
        yield name
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@contextmanager
def bridging(*words: str, **environment: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and where it says that it listens."""
    if "--listen" not in words and "--listen-tcp" not in words:
        words = ("--listen", f"{HERE}:0", *words)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [*BRIDGE, *words]
    with running(subprocess.Popen(command, **pipes, **environment)) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("listening on "), process.communicate()[1]
        yield process, said.removeprefix("listening on ").strip()


def log_of(process: subprocess.Popen[str], signum: int = signal.SIGTERM) -> str:
    process.send_signal(signum)
    log = process.communicate(timeout=30)[1]
    assert process.returncode == 0
    return log


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_bridges_until_a_signal(loop: str, signum: int) -> None:
    options = "--subprotocol", "mqtt", "--loop", loop, "--log-level", "info"
    with echoing() as target, bridging("--to", target, *options) as (process, uri):
        assert re.fullmatch(r"ws://127.0.0.1:\d+/", uri)
        with pytest.raises(InvalidStatus) as caught:
            connect(uri)
        assert caught.value.response.status_code == 400
        with connect(uri, subprotocols=["mqtt"]) as ws:
            ws.send(b"hello")
            assert ws.recv(timeout=5) == b"hello"
            log = log_of(process, signum)
            with pytest.raises(ConnectionClosedOK, match="1001"):
                ws.recv(timeout=5)
    assert "closing 1 connections" in log
    assert f"bridged to {target}" in log
    assert "Traceback" not in log


def test_targets_by_name() -> None:
    with echoing() as one, echoing() as two:
        words = "--target", f"one={one}", "--target", f"two={two}"
        with bridging(*words) as (_, uri):
            for name in ("one", "two"):
                with connect(uri + name) as ws:
                    ws.send(b"x")
                    assert ws.recv(timeout=5) == b"x"
            for name in ("", "three", "one/", "one%2f..%2ftwo", "../two", "ONE"):
                with pytest.raises(InvalidStatus) as caught:
                    connect(uri + name)
                assert caught.value.response.status_code == 404


def test_a_target_that_refuses_is_logged() -> None:
    with bridging("--to", f"{HERE}:{free_port()}") as (process, uri):
        with connect(uri) as ws, pytest.raises(ConnectionClosedError, match="1014"):
            ws.recv(timeout=10)
        log = log_of(process)
    assert re.search(r"WARNING \('127.0.0.1', \d+\) [0-9a-f-]{36} 127.0.0.1:\d+: the target", log)


def test_text() -> None:
    with echoing() as target, bridging("--to", target, "--text") as (_, uri), connect(uri) as ws:
        ws.send("é")
        assert ws.recv(timeout=5) == "é"


@pytest.mark.parametrize("source", ["file", "env", "pass"])
@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_authentication(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, kind: str
) -> None:
    secret = "ann:s3cret" if kind == "basic" else "s3cret"
    (tmp_path / "secrets").write_text(f"other:one\n{secret}\n")
    monkeypatch.setenv("BRIDGE_SECRET", secret)
    where = {"file": tmp_path / "secrets", "env": "BRIDGE_SECRET", "pass": secret}[source]
    header = "Basic YW5uOnMzY3JldA==" if kind == "basic" else "Bearer s3cret"
    with (
        echoing() as target,
        bridging("--to", target, f"--{kind}", f"{source}:{where}") as (process, uri),
    ):
        for wrong in ({}, {"Authorization": header[:-3] + "AAA"}):
            with pytest.raises(InvalidStatus) as caught:
                connect(uri, additional_headers=wrong)
            assert caught.value.response.status_code == 401
            assert kind in caught.value.response.headers["WWW-Authenticate"].lower()
        with connect(uri, additional_headers={"Authorization": header}) as ws:
            ws.send(b"x")
            assert ws.recv(timeout=5) == b"x"
        assert "s3cret" not in log_of(process)


def test_metrics() -> None:
    port = free_port()
    with (
        echoing() as target,
        bridging("--to", target, "--metrics", f"{HERE}:{port}") as (_, uri),
    ):
        with connect(uri) as ws:
            ws.send(b"12345")
            ws.recv(timeout=5)
            with urllib.request.urlopen(f"http://{HERE}:{port}/metrics") as answer:
                assert answer.headers["Content-Type"] == "text/plain; version=0.0.4"
                told = answer.read().decode()
        assert f'wscore_bridge_bytes_to_stream_total{{target="{target}"}} 5\n' in told
        assert "wscore_connections 1\n" in told
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://{HERE}:{port}/")
        caught.value.close()


@pytest.mark.parametrize("option", ["--listen", "--listen-tcp", "--metrics"])
@pytest.mark.parametrize("kind", ["file", "socket"])
def test_what_is_in_the_place_of_a_unix_socket_stays(
    tmp_path: Path, option: str, kind: str
) -> None:
    """A file, and the socket of a server that runs."""
    path = tmp_path / "taken"
    with socket.socket(socket.AF_UNIX) as other:
        if kind == "file":
            path.write_text("precious")
        else:
            other.bind(str(path))
            other.listen()
        inode = path.stat().st_ino
        to = "ws://127.0.0.1:1/" if option == "--listen-tcp" else f"{HERE}:1"
        words = ["--listen", f"{HERE}:0"] if option == "--metrics" else []
        done = subprocess.run(
            [*BRIDGE, *words, option, f"unix:{path}", "--to", to],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(rf"wscore: cannot listen on .*{path}.*\n", done.stderr)
    assert path.stat().st_ino == inode


def test_a_unix_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    here, metrics = str(tmp_path / "here"), str(tmp_path / "metrics")
    for path in (here, metrics):
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
    words = ("--listen", f"unix:{here}", "--metrics", f"unix:{metrics}")
    with echoing() as target, bridging(*words, "--to", target) as (process, _):
        with unix_connect(here) as ws:
            ws.send(b"x")
            assert ws.recv() == b"x"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert list(tmp_path.iterdir()) == []


def test_unix_sockets(tmp_path: Path) -> None:
    there, here = str(tmp_path / "there"), str(tmp_path / "here")
    with (
        echoing(path=there) as target,
        bridging("--listen", f"unix:{here}", "--to", target) as (process, name),
    ):
        assert name == here
        with unix_connect(here) as ws:
            ws.send(b"x")
            assert ws.recv(timeout=5) == b"x"
        log_of(process)
    assert not (tmp_path / "here").exists()


@pytest.fixture
def files(certificate: Path, tmp_path: Path) -> tuple[str, str]:
    """The certificate, and the same file for its key."""
    return str(certificate), str(certificate)


def test_tls_on_both_sides(
    files: tuple[str, str], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    for_blocking_client(client_tls)
    with echoing(server_tls) as target:
        words = "--to", f"tls:{target}", "--tls", *files
        good = "--ca", files[0], "--server-name", "localhost"
        with bridging(*words, *good) as (_, uri), connect(uri, ssl=client_tls) as ws:
            assert uri.startswith("wss://")
            ws.send(b"x")
            assert ws.recv(timeout=5) == b"x"
        for wrong in ([], ["--ca", files[0], "--server-name", "other.example"]):
            with (
                bridging(*words, *wrong) as (_, uri),
                connect(uri, ssl=client_tls) as ws,
                pytest.raises(ConnectionClosedError, match="1014"),
            ):
                ws.recv(timeout=10)
        with bridging(*words, "--insecure") as (_, uri), connect(uri, ssl=client_tls) as ws:
            ws.send(b"x")
            assert ws.recv(timeout=5) == b"x"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_other_direction(files: tuple[str, str], client_tls: ssl.SSLContext, loop: str) -> None:
    """TCP clients, through two bridges and TLS between them, with a token."""
    token = "--bearer", "pass:s3cret", "--subprotocol", "x"
    with echoing() as target, bridging("--to", target, "--tls", *files, *token) as (_, uri):
        words = "--listen-tcp", f"{HERE}:0", "--to", uri, "--ca", files[0], "--loop", loop, *token
        with bridging(*words) as (process, name):
            host, _, port = name.rpartition(":")
            with socket.create_connection((host, int(port)), 10) as client:
                client.sendall(b"hello")
                assert client.recv(5, socket.MSG_WAITALL) == b"hello"
                log_of(process)
                assert client.recv(1) == b""
        wrong = [*words[:-4], "--bearer", "pass:wrong"]
        with bridging(*wrong) as (process, name):
            with (
                socket.create_connection((host, int(name.rpartition(":")[2])), 10) as client,
                pytest.raises(ConnectionResetError),
            ):
                client.recv(1)
            log = log_of(process)
            assert "cannot connect" in log
            assert "401" in log


@pytest.mark.parametrize(
    "words",
    [
        ["--to"],
        ["--target"],
        ["--to", "mqtt"],
        ["--to", "h:1", "--target", "a=h:1"],
        ["--target", "a/b=h:1"],
        ["--target", "a=h"],
        ["--target", "a"],
        ["--target", "..=h:1"],
        ["--target", "a=h:1", "--target", "a=h:2"],
        ["--to", "h:1", "--basic", "s3cret"],
        ["--to", "h:1", "--basic", "pass:s3cret"],
        ["--to", "h:1", "--basic", "file:/no/such/file"],
        ["--to", "h:1", "--bearer", "env:NO_SUCH_VARIABLE"],
        ["--to", "h:1", "--bearer", "pass:"],
        ["--to", "h:1", "--bearer", "pass:s3cret "],
        ["--to", "h:1", "--bearer", "pass:s3cr\u20act"],
        ["--to", "h:1", "--basic", "pass:s3cret:"],
        ["--to", "h:1", "--basic", "pass:ann:s3cr\tet"],
        ["--to", "h:1", "--basic", "pass:ann:s3cr\udcffet"],
        ["--to", "h:1", "--bearer", "pass:x", "--basic", "pass:x:y"],
        ["--to", "h:1", "--ca", "/no/such"],
        ["--to", "h:1", "--server-name", "n"],
        ["--to", "h:1", "--insecure"],
        ["--to", "h:1", "--header", "A: b"],
        ["--to", "h:1", "--subprotocol", "a b"],
        ["--to", "h:1", "--connect-timeout", "-1"],
        ["--to", "h:1", "--ping-interval", "0"],
        ["--to", "h:1", "--metrics", "9090"],
        ["--listen", "8083"],
        ["--listen", "::1:80"],
        ["--listen-tcp", "h:1"],
    ],
)
def test_wrong_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    listening = [] if words[0] == "--listen" else ["--listen", f"{HERE}:0"]
    with pytest.raises(SystemExit) as leaving:
        main(["bridge", *listening, *words])
    assert leaving.value.code == 2
    told = capsys.readouterr().err
    assert "argument" in told
    assert "error: " in told
    assert "s3cr" not in told.rpartition("error: ")[2]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--to", "h:1"],
        ["--to", "ws://["],
        ["--to", "ws://h/", "--target", "a=h:1"],
        ["--to", "ws://h/", "--trusted-proxy", "10.0.0.0/8"],
        ["--to", "ws://h/", "--proxy-protocol"],
        ["--to", "ws://h/", "--backlog", "5"],
        ["--to", "ws://h/", "--connect-timeout", "5"],
        ["--to", "ws://h/", "--connect-timeout", "inf"],
        ["--to", "ws://h/", "--max-connections-per-ip", "5"],
        ["--to", "ws://h/", "--ca", "f"],
        ["--to", "ws://h/", "--basic", "pass:x"],
        ["--to", "ws://h/", "--basic", "pass:ann:s3cr\x01et"],
        ["--to", "ws://h/", "--bearer", "pass:s3cr\u20act"],
        ["--to", "ws://h/", "--origin", "https://a", "--origin", "https://b"],
    ],
)
def test_wrong_words_for_tcp_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["bridge", "--listen-tcp", f"{HERE}:0", *words])
    assert leaving.value.code == 2
    told = capsys.readouterr().err.rpartition("error: ")[2]
    assert told
    assert "s3cr" not in told


def test_it_tells_why_it_cannot_listen(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((HERE, 0)) as taken:
        where = f"{HERE}:{taken.getsockname()[1]}"
        assert main(["bridge", "--listen", where, "--to", "h:1"]) == 1
        assert f"wscore: cannot listen on {where}: " in capsys.readouterr().err
        assert main(["bridge", "--listen-tcp", where, "--to", "ws://h/"]) == 1
        assert f"wscore: cannot listen on {where}: " in capsys.readouterr().err
    words = ["bridge", "--listen", f"{HERE}:0", "--to", "h:1", "--tls", "/no/such", "/no/such"]
    assert main(words) == 1
    assert "cannot bridge: cannot load certificate and key" in capsys.readouterr().err
