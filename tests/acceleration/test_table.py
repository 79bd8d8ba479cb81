"""accelerate, restore and survey, whatever the library."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import wsproto.frame_protocol
from support.drop_in import needs_compiled

import wscore
from wscore.acceleration import survey
from wscore.acceleration.base import Accelerator, Releases
from wscore.acceleration.wsproto import Wsproto

LIBRARIES = [
    *("websockets", "aiohttp", "wsproto", "tornado", "websocket-client", "autobahn"),
    *("gevent-websocket", "wsaccel"),
]


@pytest.fixture(autouse=True)
def nothing_stays_accelerated(accelerate: Callable[..., object]) -> None:
    """`accelerate` restores everything."""


def test_unknown_libraries() -> None:
    for function in (wscore.accelerate, wscore.restore):
        with pytest.raises(
            ValueError, match=r"^unknown: picows, ws; known are websockets, .*wsaccel$"
        ):
            function("picows", "wsproto", "ws")
    assert not survey()["wsproto"].lifted


def test_importing_wscore_accelerates_nothing(isolated: Callable[..., str]) -> None:
    isolated("""
        import sys, wscore, wscore.acceleration
        from wscore.acceleration import survey
        assert not any(outcome.lifted for outcome in survey().values())
        for name in ("websockets", "aiohttp", "wsproto", "tornado", "websocket", "autobahn",
                     "geventwebsocket", "wsaccel"):
            assert name not in sys.modules, name
    """)


def test_all_installed_libraries_at_once(isolated: Callable[..., str]) -> None:
    printed = isolated("""
        import wscore
        report = wscore.accelerate()
        print(*report)
        print(*(name for name in report if report[name].lifted))
        print(*wscore.restore())
        print(*wscore.restore())
    """)
    asked, accelerated, restored, again = printed.split("\n")[:4]
    assert asked.split() == LIBRARIES
    assert accelerated == restored
    assert again == ""
    if wscore.BACKEND == "compiled":
        assert accelerated.split() == LIBRARIES
    else:
        assert accelerated.split() == ["websocket-client", "autobahn", "gevent-websocket"]


@needs_compiled
def test_twice_changes_nothing() -> None:
    own = wsproto.frame_protocol.XorMaskerSimple
    first = wscore.accelerate("wsproto")["wsproto"]
    accelerated = wsproto.frame_protocol.XorMaskerSimple
    assert accelerated is not own
    assert wscore.accelerate("wsproto", "wsproto")["wsproto"] == first
    assert wsproto.frame_protocol.XorMaskerSimple is accelerated
    assert survey()["wsproto"] == first
    wscore.restore("wsproto")
    assert wsproto.frame_protocol.XorMaskerSimple is own


def test_restore_of_what_was_not_accelerated() -> None:
    outcome = wscore.restore("wsproto")["wsproto"]
    assert (outcome.lifted, outcome.detail) == (False, "was not accelerated")


@pytest.mark.parametrize(
    ("installed", "tested", "detail"),
    [
        ("9.0", Releases((16, 0), (17, 4)), "version 9.0 is outside 16.0 to 17.4"),
        ("17.5.1", Releases((17, 4), (17, 4)), "version 17.5.1 is outside 17.4"),
        ("unknown", Releases((17, 4), (17, 4)), "version unknown is outside 17.4"),
        (None, Releases((17, 4), (17, 4)), "not installed"),
    ],
)
def test_the_gate(
    monkeypatch: pytest.MonkeyPatch, installed: str | None, tested: Releases, detail: str
) -> None:
    monkeypatch.setattr(Wsproto, "installed", installed)
    monkeypatch.setattr(Wsproto, "tested", tested)
    own = wsproto.frame_protocol.XorMaskerSimple
    outcome = wscore.accelerate("wsproto")["wsproto"]
    assert (outcome.version, outcome.lifted, outcome.detail) == (installed, False, detail)
    assert survey()["wsproto"] == outcome
    assert wsproto.frame_protocol.XorMaskerSimple is own


@pytest.mark.parametrize(
    ("version", "covered"),
    [("15.9", False), ("16.0", True), ("16.12.1", True), ("17.4rc1", True), ("17.5", False)],
)
def test_a_range_has_both_ends(version: str, covered: bool) -> None:
    assert Releases((16, 0), (17, 4)).covers(version) is covered


def test_what_was_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Accelerator, "installed", None)
    assert len(wscore.accelerate()) == 0
    assert survey()["tornado"].detail == "not installed"


@needs_compiled
def test_a_failed_self_test_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "wscore.acceleration.wsproto.XorMaskerSimple.process", lambda self, data: data
    )
    own = wsproto.frame_protocol.XorMaskerSimple
    outcome = wscore.accelerate("wsproto")["wsproto"]
    assert not outcome.lifted
    assert outcome.detail.startswith("self-test failed, undone: ")
    assert wsproto.frame_protocol.XorMaskerSimple is own
    assert not wscore.restore()


@needs_compiled
def test_a_library_of_another_shape_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(wsproto.frame_protocol, "XorMaskerSimple")
    outcome = wscore.accelerate("wsproto")["wsproto"]
    assert outcome.detail.startswith("cannot be accelerated, undone: AttributeError: ")


@pytest.mark.parametrize("library", ["websockets", "tornado", "websocket-client"])
@needs_compiled
def test_every_self_test_sees_a_wrong_kernel(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    monkeypatch.setattr("wscore._backend.apply_mask", lambda data, mask: bytes(data))
    outcome = wscore.accelerate(library)[library]
    assert outcome.detail.startswith("self-test failed, undone: AssertionError: ")


@pytest.mark.parametrize("library", ["websocket-client", "autobahn"])
def test_every_self_test_sees_a_wrong_validator(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setattr("wscore._backend.is_utf8", lambda data: True)
    outcome = wscore.accelerate(library)[library]
    assert outcome.detail.startswith("self-test failed, undone: AssertionError: ")


@pytest.mark.skipif(wscore.BACKEND == "compiled", reason="what only the pure backend refuses")
@pytest.mark.parametrize("library", ["websockets", "aiohttp", "wsproto", "tornado", "wsaccel"])
def test_the_pure_backend_says_why_not(library: str) -> None:
    assert wscore.accelerate(library)[library].detail.startswith("pure backend: would be ")
