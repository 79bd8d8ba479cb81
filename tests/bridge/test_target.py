"""Where a bridge connects to, and what its failures are called."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

import pytest

from wscore.bridge import Target
from wscore.bridge.target import failure_of, is_name


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("127.0.0.1:1883", Target(host="127.0.0.1", port=1883)),
        ("broker.example:61613", Target(host="broker.example", port=61613)),
        ("[::1]:1", Target(host="::1", port=1)),
        ("tls:mail.example:993", Target(host="mail.example", port=993, ssl=True)),
        ("tls:[::1]:993", Target(host="::1", port=993, ssl=True)),
        ("unix:/run/it.sock", Target(path="/run/it.sock")),
    ],
)
def test_targets_are_parsed(text: str, target: Target) -> None:
    assert Target.parse(text) == target
    assert str(target) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "1883", ":1883", "host", "host:", "host:0", "host:65536", "host:http", "unix:", "tls:",
        "::1:1883", "[::1]", "[::1:1883", "tls:host", "a\nb:1", "host:\uff11", "[host]:1",
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a target is"):
        Target.parse(text)


def test_contradictions_are_refused() -> None:
    context = ssl.create_default_context()
    for wrong in (
        {},
        {"host": "h"},
        {"port": 1},
        {"host": "h", "port": 1, "path": "/p"},
        {"host": "h", "port": 1, "server_hostname": "n"},
        {"path": "/p", "ssl": context},
    ):
        with pytest.raises(ValueError, match=r"target|exclude|TLS"):
            Target(**wrong)
    with pytest.raises(TypeError, match="ssl"):
        Target(host="h", port=1, ssl="yes")  # type: ignore[arg-type]


def test_names_are_what_nothing_encodes() -> None:
    assert all(map(is_name, ["mqtt", "a.b-c_d~1", "...", "A" * 128]))
    assert not any(
        map(is_name, ["", ".", "..", "a/b", "a%2fb", "a b", "é", "a?b", "a\0", "A" * 129, "a\n"])
    )


@pytest.mark.parametrize(
    ("error", "word", "code"),
    [
        (ConnectionRefusedError(), "refused", 1014),
        (FileNotFoundError(), "refused", 1014),
        (asyncio.TimeoutError(), "timeout", 1014),
        (TimeoutError(errno.ETIMEDOUT, "too late"), "timeout", 1014),
        (socket.gaierror(-2, "unknown"), "name", 1014),
        (UnicodeError("label too long"), "name", 1014),
        (ssl.SSLCertVerificationError("self-signed"), "tls", 1014),
        (ssl.SSLError("wrong version"), "tls", 1014),
        (ConnectionResetError(), "reset", 1014),
        (BrokenPipeError(), "reset", 1014),
        (OSError(errno.EHOSTUNREACH, "no route"), "unreachable", 1014),
        (OSError(errno.EMFILE, "too many"), "exhausted", 1011),
        (OSError(errno.ENFILE, "too many"), "exhausted", 1011),
        (RuntimeError("a bug"), "error", 1011),
    ],
)
def test_failures_have_a_code_and_a_reason(error: Exception, word: str, code: int) -> None:
    failure = failure_of(error)
    assert (failure.word, failure.code) == (word, code)
    assert 10 < len(failure.reason.encode()) <= 123
    assert not str(error) or str(error) not in failure.reason
