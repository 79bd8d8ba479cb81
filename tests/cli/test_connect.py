"""The options of `wscore connect`: what reaches the server, and whom it trusts."""

from __future__ import annotations

import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.echoing import echo, serving

from wscore.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from websockets.datastructures import Headers
    from websockets.sync.server import ServerConnection


def wscore(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wscore", *arguments],
        input="", capture_output=True, timeout=40, encoding="utf-8", env=environment or None,
    )  # fmt: skip


def requested(*options: str) -> Headers:
    """The headers of the request that these options make."""
    seen: list[Headers] = []

    def look(ws: ServerConnection) -> None:
        assert ws.request is not None
        seen.append(ws.request.headers)

    with serving(look) as uri:
        done = wscore(uri, *options, "-w", "inf")
        assert done.returncode == 0, done.stderr
    return seen[0]


def test_the_request() -> None:
    headers = requested(
        "-H", "X-Token: one", "--header", "X-Token:two", "-o", "https://example.com",
        "-s", "chat", "--subprotocol", "v2", "--auth", "ann:secret", "--user-agent", "curl",
    )  # fmt: skip
    assert headers.get_all("X-Token") == ["one", "two"]
    assert headers["Origin"] == "https://example.com"
    assert headers["Sec-WebSocket-Protocol"] == "chat, v2"
    assert headers["Authorization"] == "Basic YW5uOnNlY3JldA=="
    assert headers["User-Agent"] == "curl"
    assert "permessage-deflate" in headers["Sec-WebSocket-Extensions"]


def test_what_is_left_out() -> None:
    headers = requested("--user-agent", "", "--no-compression")
    assert "User-Agent" not in headers
    assert "Sec-WebSocket-Extensions" not in headers
    assert "Origin" not in headers


@pytest.fixture
def secure(server_tls: ssl.SSLContext) -> Any:
    with serving(echo, ssl=server_tls) as uri:
        yield uri


def test_certificates(secure: str, certificate: Path) -> None:
    assert "CERTIFICATE_VERIFY_FAILED" in wscore(secure).stderr
    for options in (["--ca", str(certificate)], ["-n"], ["--insecure"]):
        done = wscore(secure, *options, "-x", "hello")
        assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


def test_a_certificate_of_ones_own(server_tls: ssl.SSLContext, certificate: Path) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server_tls.load_verify_locations(certificate)
    with serving(echo, ssl=server_tls) as uri:
        own = ["--ca", str(certificate), "--cert", str(certificate)]
        assert wscore(uri, *own, "-x", "hello").stdout == "hello\n"
        assert wscore(uri, "--ca", str(certificate), "-x", "hello").returncode != 0


def test_options_for_tls_do_no_harm_without_it() -> None:
    with serving(echo) as uri:
        assert wscore(uri, "--no-check", "-x", "hello").stdout == "hello\n"


def test_proxies() -> None:
    with serving(echo) as uri:
        elsewhere = {"ws_proxy": "http://127.0.0.1:1"}
        assert wscore(uri, "-x", "hello", **elsewhere).returncode == 3
        assert wscore(uri, "-x", "hello", "--no-proxy", **elsewhere).stdout == "hello\n"
        assert wscore(uri, "-x", "hello", "--proxy", "http://127.0.0.1:1").returncode == 3


def test_a_uri_alone_means_connect() -> None:
    with serving(echo) as uri:
        for words in (
            [uri, "-x", "serve"],
            ["-x", "serve", uri],
            ["connect", "-x", "serve", uri],
            [f"WS{uri[2:]}", "-x", "serve"],
        ):
            assert wscore(*words).stdout == "serve\n"


def test_messages_beyond_a_limit() -> None:
    with serving(echo) as uri:
        done = wscore(uri, "--max-size", "4", "-x", "hello")
    assert done.returncode == 1
    assert "1009" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["-H", "nonsense"],
        ["-s", "not a token"],
        ["--timeout", "soon"],
        ["--wait", "-1"],
        ["--max-size", "big"],
        ["--proxy", "http://127.0.0.1", "--no-proxy"],
        ["--require-subprotocol"],
    ],
)
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["ws://127.0.0.1/", *words])
    assert leaving.value.code == 2
    told = capsys.readouterr().err
    assert "usage: wscore connect" in told
    assert words[-1 if words[-1] == "--no-proxy" else 0] in told
