"""What the words of a command line stand for."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest

from wscore.cli import arguments

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (arguments.port, "0", 0),
        (arguments.port, "65535", 65535),
        (arguments.number(int, 1), "1", 1),
        (arguments.number(float, 0), "0.5", 0.5),
        (arguments.number(float, 0), "inf", inf),
        (arguments.time_limit, "0.5", 0.5),
        (arguments.time_limit, "inf", None),
        (arguments.header, "X-Token: a: b ", ("X-Token", "a: b")),
        (arguments.header, "X-Empty:", ("X-Empty", "")),
        (arguments.header, "X: ü", ("X", "\xc3\xbc")),  # UTF-8 on the wire
        (arguments.header, "X: \udcff", ("X", "\xff")),  # a byte that is no UTF-8
        (arguments.token, "graphql-transport-ws", "graphql-transport-ws"),
        (arguments.message, "Grüße", "Grüße"),
        (arguments.credentials, "ann:se:cret", ("ann", "se:cret")),
        (arguments.credentials, "ann:", ("ann", "")),
        (arguments.credentials, "ann", ("ann", None)),
        (arguments.trusted_proxy, "10.0.0.0/8", "10.0.0.0/8"),
        (arguments.trusted_proxy, "::1", "::1"),
        (arguments.trusted_proxy, "unix:", "unix:"),
    ],
)
def test_values(parse: Callable[[str], Any], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "told"),
    [
        (arguments.port, "abc", "must be a number from 0 to 65535, not 'abc'"),
        (arguments.port, "65536", "must be a number from 0 to 65535, not '65536'"),
        (arguments.port, "-1", "must be a number from 0 to 65535, not '-1'"),
        (arguments.port, "٣", "must be a number from 0 to 65535, not '٣'"),
        (arguments.number(int, 1), "0", "must be a whole number of at least 1, not '0'"),
        (arguments.number(int, 1), "1.5", "must be a whole number of at least 1, not '1.5'"),
        (arguments.number(float, 0), "nan", "must be a number of at least 0, not 'nan'"),
        (arguments.time_limit, "-1", "must be a number of at least 0, not '-1'"),
        (arguments.header, "no colon", "must be 'Name: value', not 'no colon'"),
        (arguments.header, ": value", "must be 'Name: value', not ': value'"),
        (arguments.header, "a b: value", "must be 'Name: value', not 'a b: value'"),
        (arguments.header, "X: a\r\nY: b", "the value of X has control characters"),
        (arguments.token, "a b", "must be a name without spaces and separators, not 'a b'"),
        (arguments.message, "\udcff", "is not UTF-8"),
        (
            arguments.trusted_proxy,
            "10.0.0.1/8",
            "must be an address, a network such as 10.0.0.0/8, or unix:, not '10.0.0.1/8'",
        ),
    ],
)
def test_mistakes(parse: Callable[[str], Any], text: str, told: str) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        parse(text)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("content", "secrets"),
    [
        (b"ann:one\nbob:two", ["ann:one", "bob:two"]),
        (b"ann:one\r\n\r\n \r\nbob:two\r\n", ["ann:one", "bob:two"]),
        (b"\xef\xbb\xbfann:one\n", ["ann:one"]),
        # A password may have spaces at its ends, and what Unicode takes for the end of a line.
        (b"ann: o e \n", ["ann: o e "]),
        ("ann:o\x85n\u2028e\n".encode(), ["ann:o\x85n\u2028e"]),
    ],
)
def test_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, secrets: list[str]
) -> None:
    (tmp_path / "secrets").write_bytes(content)
    assert arguments.secret(f"file:{tmp_path / 'secrets'}") == secrets
    text = content.decode("utf-8-sig")
    monkeypatch.setenv("BRIDGE_SECRETS", text)
    assert arguments.secret("env:BRIDGE_SECRETS") == secrets
    assert arguments.secret(f"pass:{text}") == secrets


def test_what_has_no_secrets_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"\r\n \n")
    (tmp_path / "latin").write_bytes(b"ann:\xfc\n")
    for name, told in (("empty", "nothing in it"), ("latin", "codec"), ("no", "cannot read it")):
        with pytest.raises(ArgumentTypeError, match=told):
            arguments.secret(f"file:{tmp_path / name}")
