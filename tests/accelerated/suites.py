"""The libraries' own suites: what of them concerns WebSocket, and what they need to run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SUITES", "Suite"]


@dataclass(frozen=True)
class Suite:
    """One suite at one release.

    ``tests`` are paths below ``tests/`` of the source distribution ``sdist``, or, where ``sdist``
    is empty, names of packages that the wheel brings along. ``short`` is the selection for
    ``--short``. ``requires`` is for pip. ``options`` are for pytest.
    """

    library: str
    version: str
    tests: tuple[str, ...]
    short: tuple[str, ...]
    sdist: str = ""
    requires: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    note: str = ""

    @property
    def name(self) -> str:
        return f"{self.library}-{self.version}"


# websockets 17 ships no tests. Those of 16.1 come without their helpers, of which
# helpers/websockets/ has what these modules use.
_WEBSOCKETS = ("test_frames.py", "test_utils.py", "test_streams.py")

# What aiohttp's conftest.py wants.
_AIOHTTP_NEEDS = (
    *("blockbuster", "freezegun", "isal", "proxy.py>=2.4.4rc5", "pytest-codspeed"),
    *(
        "pytest-cov",
        "pytest-mock",
        "pytest-timeout",
        "pytest-xdist",
        "trustme",
        "uvloop",
        "zlib-ng",
    ),
)

SUITES = (
    Suite(
        "websockets",
        "17.4",
        tests=_WEBSOCKETS,
        short=_WEBSOCKETS,
        sdist="websockets==16.1.1",
        note="tests of 16.1.1, the last release that ships any; 17 renamed what most of them use",
    ),
    Suite(
        "websockets",
        "16.1.1",
        tests=(*_WEBSOCKETS, "test_protocol.py"),
        short=(*_WEBSOCKETS, "test_protocol.py"),
        sdist="websockets==16.1.1",
    ),
    Suite(
        "aiohttp",
        "3.14.5",
        tests=(
            *(
                "test_websocket_parser.py",
                "test_websocket_writer.py",
                "test_websocket_handshake.py",
            ),
            *("test_websocket_data_queue.py", "test_web_websocket.py", "test_client_ws.py"),
            *("test_web_websocket_functional.py", "test_client_ws_functional.py"),
        ),
        short=("test_websocket_parser.py", "test_web_websocket_functional.py"),
        sdist="aiohttp==3.14.5",
        requires=_AIOHTTP_NEEDS,
        # Without coverage and parallel workers, which its settings ask for.
        options=("-o", "addopts=", "-m", "not dev_mode and not autobahn and not internal"),
    ),
    Suite("wsproto", "1.3.2", tests=("",), short=("",), sdist="wsproto==1.3.2"),
    Suite(
        "tornado",
        "6.6.1",
        tests=("tornado.test.websocket_test", "tornado.test.web_test"),
        short=("tornado.test.websocket_test",),
        # As in its own runner; its tests fail when something is logged.
        options=("--log-disable=tornado.access",),
    ),
    Suite(
        "websocket-client",
        "1.9.2",
        tests=("websocket.tests",),
        short=("websocket.tests.test_abnf", "websocket.tests.test_websocket"),
        requires=("python-socks",),
    ),
    Suite(
        "autobahn",
        "26.10.2",
        tests=("autobahn.websocket.test", "autobahn.nvx.test"),
        short=("autobahn.websocket.test",),
        requires=("twisted",),
    ),
    Suite("wsaccel", "0.6.7", tests=("",), short=("",), sdist="wsaccel==0.6.7"),
)

WITHOUT_TESTS = {"gevent-websocket": "its source distribution ships no tests"}
