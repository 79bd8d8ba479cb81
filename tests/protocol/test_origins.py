"""Which origins a list of them lets in."""

from __future__ import annotations

import re
from typing import Any

import pytest

from wscore.protocol.origins import Origins

SUBDOMAINS = re.compile(r"https://[a-z]+\.example\.com")


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        (["https://example.com"], "https://example.com", True),
        (["https://example.com"], "https://example.com:443", True),
        (["https://example.com:443"], "https://example.com", True),
        (["https://example.com"], "HTTPS://EXAMPLE.com", True),
        (["https://example.com"], "http://example.com", False),
        (["https://example.com"], "https://example.com:8443", False),
        (["https://example.com"], "https://example.com.evil.org", False),
        (["https://example.com"], "https://evil-example.com", False),
        (["https://example.com"], "https://sub.example.com", False),
        (["https://example.com"], "https://example.com/", False),
        (["https://example.com"], "https://user@example.com", False),
        (["https://example.com"], "https://example.com:", False),
        (["https://example.com"], "*", False),
        (["https://example.com"], "null", False),
        (["https://example.com"], "", False),
        (["https://example.com"], None, False),
        (["http://[::1]:8080"], "http://[::1]:8080", True),
        (["chrome-extension://abc"], "chrome-extension://abc", True),
        ([None], None, True),
        ([None], "https://example.com", False),
        (["*"], "https://anything.example", True),
        (["*"], "file://", True),
        (["*"], None, False),
        (["*", None], None, True),
        (["null"], "null", True),
        ([], "https://example.com", False),
        ([], None, False),
        (["file://"], "file://", True),
        (["file://"], "FILE://", True),
        (["file://"], "file:///", False),
        (["file://"], "file://a", False),
        (["file://"], "null", False),
        (["app://."], "app://.", True),
        ([SUBDOMAINS], "https://a.example.com", True),
        ([SUBDOMAINS], "https://a.example.com.evil.org", False),
        ([SUBDOMAINS], "x https://a.example.com", False),
        ([SUBDOMAINS], "https://example.com", False),
        ([SUBDOMAINS, "https://example.com"], "https://example.com", True),
        ([re.compile(".*")], "no origin at all", True),
        ([re.compile(".*")], None, False),
        ([re.compile(".*"), None], None, True),
    ],
)
def test_origins(allowed: list[Any], origin: str | None, expected: bool) -> None:
    assert (origin in Origins(allowed)) is expected


@pytest.mark.parametrize(
    "origin",
    ["example.com", "https://example.com/", "", "https://*.a.com/", "http://", "wss://", "://",
     "file:", "file:///"],
)  # fmt: skip
def test_what_is_no_origin_is_refused_when_configured(origin: str) -> None:
    with pytest.raises(ValueError, match="not an origin"):
        Origins([origin])


@pytest.mark.parametrize("origins", ["https://example.com", b"null", SUBDOMAINS])
def test_origins_are_a_list(origins: Any) -> None:
    with pytest.raises(TypeError, match="list"):
        Origins(origins)


@pytest.mark.parametrize("origin", [1, b"null", re.compile(b"null")])
def test_an_origin_is_a_str_or_a_pattern_of_one(origin: Any) -> None:
    with pytest.raises(TypeError, match="origin"):
        Origins([origin])
