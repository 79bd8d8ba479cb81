"""What a URL says, and what is wrong with it."""

from __future__ import annotations

import pytest
from support.isolated import start

from wscore.hub.redis.target import RedisTarget


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://localhost", {"hosts": (("localhost", 6379),), "db": 0, "tls": False}),
        ("redis://[::1]:7000/3", {"hosts": (("::1", 7000),), "db": 3}),
        ("valkey://h/?db=4", {"hosts": (("h", 6379),), "db": 4}),
        ("rediss://h", {"tls": True, "insecure": False}),
        ("valkeys://h?insecure=1", {"tls": True, "insecure": True}),
        ("REDIS://H", {"hosts": (("h", 6379),)}),
        ("unix:///run/r%20s.sock?db=2", {"path": "/run/r s.sock", "db": 2, "hosts": ()}),
        ("unix://me:pw@/run/r.sock", {"path": "/run/r.sock", "username": "me", "password": "pw"}),
        ("redis://:p%40%2F%3A@h", {"username": None, "password": "p@/:"}),
        ("redis://m%C3%A9:p:q@h", {"username": "mé", "password": "p:q"}),
        ("redis://me@h", {"username": "me", "password": None}),
        (
            "redis+sentinel://a,b:1/main/5?sentinel_user=s&sentinel_password=t",
            {
                "kind": "sentinel", "hosts": (("a", 26379), ("b", 1)), "service": "main", "db": 5,
                "sentinel_username": "s", "sentinel_password": "t",
            },
        ),
        (
            "rediss+cluster://u:p@[::1],b:7000/?partitions=4",
            {
                "kind": "cluster", "hosts": (("::1", 6379), ("b", 7000)), "partitions": 4,
                "tls": True, "username": "u", "password": "p",
            },
        ),
        ("valkey+cluster://a", {"kind": "cluster", "partitions": 16}),
        ("valkeys+sentinel://a/m", {"kind": "sentinel", "tls": True}),
    ],
)  # fmt: skip
def test_what_a_url_says(url: str, expected: dict[str, object]) -> None:
    target = RedisTarget.parse(url)
    assert {name: getattr(target, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("", "begin with one of"),
        ("http://h", "begin with one of .*redis://"),
        ("localhost:6379", "begin with one of"),
        ("redis://", "lacks a host"),
        ("redis://:secret@", "lacks a host"),
        ("redis://h:port", "not host:port"),
        ("redis://h:70000", "not host:port"),
        ("redis://[::1", "is not host:port"),
        ("redis://h/x", "database in the URL of Redis is not a number"),
        ("redis://h/-1", "database in the URL of Redis is not a number"),
        ("redis://h/1/2", "path in the URL of Redis is too long"),
        ("redis://h/1?db=2", "database twice"),
        ("redis://h?db=1&db=1", "'db' stands twice"),
        ("redis://h?ca=/x", "unknown option 'ca'.*there are db"),
        ("rediss://h?ca=/nowhere/ca.pem", "ca in the URL of Redis names no file"),
        (f"rediss://h?key={__file__}", "a key but no cert"),
        ("rediss://h?insecure=yes", "neither 0 nor 1"),
        ("redis://a,b", "several hosts"),
        ("redis://:p#q@h", "write / . # @ as %2F"),
        ("redis+sentinel://a", "lacks the name of the master"),
        ("redis+sentinel://a/m/1/2", "too long"),
        ("redis+cluster://a/1", "too long"),
        ("redis+cluster://a?partitions=0", "partitions in the URL of Redis is 0"),
        ("redis+cluster://a?partitions=2000", "not a number up to 1024"),
        ("unix://run/redis.sock", "unix:///path"),
        ("unix:///", "unix:///path"),
    ],
)
def test_what_is_wrong_with_a_url(url: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        RedisTarget.parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:hush@", "redis://me:hush@h:port", "redis://me:hush@[::1", "redis://hush@h/x",
        "redis://me:hu/sh@h", "redis://me:1/hush@h", "redis://me:hu?sh@h", "redis://me:1?hush@h",
        "redis://me:1#hush@h", "redis://me:1?hush=1@h", "unix://me:hush@h/path",
        "redis+sentinel://h?sentinel_password=hush", "http://:hush@h",
    ],
)  # fmt: skip
def test_errors_have_no_part_of_a_password(url: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        RedisTarget.parse(url)
    error: BaseException | None = caught.value
    while error is not None:
        assert "hu" not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_neither_repr_nor_str_has_passwords() -> None:
    url = "redis+sentinel://me:hush@h/m?sentinel_user=s&sentinel_password=hush"
    target = RedisTarget.parse(url)
    assert "hush" not in repr(target)
    assert str(target) == "redis+sentinel://h:26379/m"
    assert str(RedisTarget.parse("rediss://me:hush@[::1]/2")) == "rediss://[::1]:6379"
    assert str(RedisTarget.parse("unix:///run/r.sock")) == "unix:///run/r.sock"


def test_a_url_is_a_str() -> None:
    with pytest.raises(TypeError, match="not a str but bytes"):
        RedisTarget.parse(b"redis://h")  # type: ignore[arg-type]


def test_without_the_extra() -> None:
    """wscore works, and a URL says what to install."""
    script = """
import sys
sys.modules["redis"] = sys.modules["hiredis"] = None
import wscore
hub = wscore.Hub()
from wscore.hub.redis.target import RedisTarget
try:
    RedisTarget.parse("redis://localhost")
except ImportError as error:
    print(error)
"""
    done = start(script)
    assert done.stdout == (
        "a hub with a URL needs redis and hiredis: pip install 'wscore-engine[redis]'\n"
    ), done.stderr
