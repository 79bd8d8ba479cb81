"""What ``wscore nginx`` prints, and what it does not take; tests/interop has it read by nginx."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wscore.cli import nginx
from wscore.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Printed:
    """The directives that were printed, each with the blocks around it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: dict[str, list[str]] = {}
        blocks: list[str] = []
        for line in text.splitlines():
            words = line.strip()
            if not words or words.startswith("#"):
                continue
            assert line == "    " * (len(blocks) - words.startswith("}")) + words
            if words == "}":
                blocks.pop()
            elif words.endswith(" {"):
                blocks.append(words[:-2])
            else:
                assert words.endswith(";")
                self.found.setdefault(" / ".join(blocks), []).append(words[:-1])
        assert not blocks

    def __getitem__(self, blocks: str) -> list[str]:
        return self.found[blocks]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., Printed]:
    def call(*arguments: str) -> Printed:
        assert main(["nginx", *arguments]) == 0
        return Printed(capsys.readouterr().out)

    return call


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*arguments: str) -> str:
        with pytest.raises(SystemExit) as caught:
            main(["nginx", *arguments])
        assert caught.value.code == 2
        said = capsys.readouterr()
        assert not said.out
        return said.err.splitlines()[-1]

    return call


NODE = ("--node", "127.0.0.1:8001")


def test_the_whole_of_it(printed: Callable[..., Printed]) -> None:
    found = printed(*NODE, "--node", "unix:/run/wscore/b.sock")
    assert found["events"]
    assert "pid nginx.pid" in found[""]
    assert found["http / upstream wscore"] == [
        "zone wscore 64k",
        "ip_hash",
        "server 127.0.0.1:8001 max_fails=1 fail_timeout=5s",
        "server unix:/run/wscore/b.sock max_fails=1 fail_timeout=5s",
    ]
    assert found["http / map $http_upgrade $wscore_connection"] == ["default upgrade", '"" close']
    server = found["http / server"]
    assert server[:2] == ["listen 80", "server_name _"]
    for line in (
        "proxy_http_version 1.1",
        "proxy_set_header Host $http_host",
        "proxy_set_header Upgrade $http_upgrade",
        "proxy_set_header Connection $wscore_connection",
        "proxy_set_header X-Forwarded-For $remote_addr",
        "proxy_set_header X-Forwarded-Proto $scheme",
        'proxy_set_header Forwarded ""',
        "proxy_read_timeout 90s",
        "proxy_buffering off",
    ):
        assert line in server
    assert found["http / server / location /"] == ["proxy_pass http://wscore"]
    assert not [blocks for blocks in found.found if blocks.startswith("stream")]


def test_a_snippet(printed: Callable[..., Printed]) -> None:
    found = printed(*NODE, "--snippet")
    assert set(found.found) == {
        "map $http_upgrade $wscore_connection", "upstream wscore", "server", "server / location /",
    }  # fmt: skip
    assert set(printed(*NODE, "--snippet", "--proxy-protocol").found) == {
        "upstream wscore",
        "server",
    }


def test_names_and_addresses(printed: Callable[..., Printed]) -> None:
    found = printed(
        *NODE, "--listen", "[::1]:8080", "--server-name", "a.example", "--server-name", "*.b.c",
        "--health", "/health", "--ping-interval", "100.5",
    )  # fmt: skip
    server = found["http / server"]
    assert server[:2] == ["listen [::1]:8080", "server_name a.example *.b.c"]
    assert "proxy_read_timeout 302s" in server
    assert "proxy_send_timeout 302s" in server
    assert found["http / server / location = /health"] == [
        "access_log off",
        "proxy_pass http://wscore",
    ]


@pytest.mark.parametrize(
    ("sticky", "method"),
    [
        ("ip_hash", "ip_hash"),
        ("none", "least_conn"),
        ("cookie:sid", "hash $wscore_key consistent"),
        ("arg:room_1", "hash $wscore_key consistent"),
    ],
)
def test_stickiness(printed: Callable[..., Printed], sticky: str, method: str) -> None:
    found = printed(*NODE, "--sticky", sticky)
    assert found["http / upstream wscore"][1] == method
    kind, _, name = sticky.partition(":")
    if name:
        variable = f"${kind}_{name}"
        assert found[f"http / map {variable} $wscore_key"] == [
            f"default {variable}",
            '"" $remote_addr',
        ]


def test_tls(
    printed: Callable[..., Printed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, block in (((), "http"), (("--proxy-protocol",), "stream")):
        server = printed(*NODE, "--tls", "a.pem", "/etc/b.pem", *arguments)[f"{block} / server"]
        assert server[:3] == [
            "listen 443 ssl",
            f"ssl_certificate {tmp_path}/a.pem",
            "ssl_certificate_key /etc/b.pem",
        ]


def test_the_proxy_protocol(
    printed: Callable[..., Printed], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = tmp_path / "module.so"
    module.touch()
    monkeypatch.setattr(nginx, "_STREAM_MODULE", str(module))
    found = printed(*NODE, "--proxy-protocol", "--ping-interval", "10")
    assert found[""][0] == f"load_module {module}"
    assert found["stream / upstream wscore"][1] == "hash $remote_addr consistent"
    assert found["stream / server"] == [
        "listen 80",
        "proxy_pass wscore",
        "proxy_protocol on",
        "proxy_connect_timeout 5s",
        "proxy_timeout 30s",
    ]
    monkeypatch.setattr(nginx, "_STREAM_MODULE", str(tmp_path / "none.so"))
    found = printed(*NODE, "--proxy-protocol", "--sticky", "none")
    assert "load_module" not in found.text
    assert found["stream / upstream wscore"][1] == "least_conn"


# Arguments ----------------------------------------------------------------------------------------

INJECTIONS = [
    "a;b", "a b", "a\nb", "a\tb", 'a"b', "a'b", "a{b", "a}b", "a#b", "a$b", "a\\b", "a\0b", "é", "",
    "$host", "a\rb", "a`b`", "a%b", "a&b",
]  # fmt: skip


@pytest.mark.parametrize("text", INJECTIONS)
def test_nothing_gets_into_the_syntax(refused: Callable[..., str], text: str) -> None:
    for arguments, option in (
        (("--node", f"{text}:80"), "--node"),
        (("--node", f"127.0.0.1:{text}"), "--node"),
        (("--node", f"127.0.0.1:80{text}"), "--node" * bool(text)),
        (("--node", f"unix:/{text}"), "--node" * bool(text)),
        ((*NODE, "--listen", text), "--listen"),
        ((*NODE, "--listen", f"{text}:80"), "--listen"),
        ((*NODE, "--server-name", text), "--server-name"),
        ((*NODE, "--server-name", f"*.{text}"), "--server-name"),
        ((*NODE, "--sticky", text), "--sticky"),
        ((*NODE, "--sticky", f"cookie:{text}"), "--sticky"),
        ((*NODE, "--sticky", f"arg:{text}"), "--sticky"),
        ((*NODE, "--health", f"/{text}"), "--health" * bool(text)),
        ((*NODE, "--health", text), "--health"),
        ((*NODE, "--tls", f"/{text}", "/a"), "--tls" * bool(text)),
        ((*NODE, "--tls", "/a", f"/{text}"), "--tls" * bool(text)),
        ((*NODE, "--ping-interval", text), "--ping-interval"),
    ):
        if option:
            assert f"argument {option}: " in refused(*arguments)


@pytest.mark.parametrize(
    "node",
    ["127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:٣", "::1:80", "[::1%eth0]:80",
     "[127.0.0.1]:80", ":80", "unix:", "unix:relative", "unix:/" + "a" * 107, "a..b:80",
     "http://a:80", "-a:80", "[]:80", "[:80"],
)  # fmt: skip
def test_what_is_no_node(refused: Callable[..., str], node: str) -> None:
    assert "argument --node: must be " in refused(f"--node={node}")


def test_other_wrong_arguments(refused: Callable[..., str]) -> None:
    assert "required: --node" in refused()
    assert "the same one twice" in refused(*NODE, *NODE)
    for interval in ("inf", "0.5", "nan", "-1", "1e300"):
        assert "--ping-interval: must be" in refused(*NODE, f"--ping-interval={interval}")
    assert "--health: " in refused(*NODE, "--health", "/" * 4096)
    for sticky in ("cookie", "arg:", "ip_hash:", "none:a", "ip", "cookie:a-b"):
        assert "--sticky: " in refused(*NODE, "--sticky", sticky)
    for arguments in (
        ("--sticky", "cookie:a"), ("--sticky", "arg:a"), ("--server-name", "a"), ("--health", "/"),
    ):  # fmt: skip
        assert "passes on TCP" in refused(*NODE, "--proxy-protocol", *arguments)


@given(st.text(max_size=30))
def test_whatever_is_accepted_is_one_word(text: str) -> None:
    parsers = (
        nginx.node, nginx.endpoint, nginx.server_name, nginx.sticky, nginx.url_path, nginx.file,
    )  # fmt: skip
    for parse in parsers:
        for start in ("", "unix:/", "a:80", "cookie:", "/", "*."):
            try:
                found = parse(start + text)
            except ArgumentTypeError:
                continue
            except ValueError:
                assert parse is nginx.file
                assert "\0" in text
                continue
            word = found.name if isinstance(found, nginx.Sticky) else found
            assert re.fullmatch(r"[A-Za-z0-9._~/@+=,:*\[\]-]*", word)
