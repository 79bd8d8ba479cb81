"""How many connections the limit of open files leaves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from wscore.demo import descriptors
from wscore.demo.descriptors import SPARE, room_for

INFINITY = -1


class FakeResource:
    """The limit of a process that has 10 files open."""

    RLIMIT_NOFILE = 7
    RLIM_INFINITY = INFINITY

    def __init__(self, soft: int, hard: int, *, raises: bool = False) -> None:
        self.limits = (soft, hard)
        self._raises = raises

    def getrlimit(self, which: int) -> tuple[int, int]:
        assert which == self.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, which: int, limits: tuple[int, int]) -> None:
        assert which == self.RLIMIT_NOFILE
        if self._raises:
            raise ValueError("not allowed to raise maximum limit")
        self.limits = limits


@pytest.fixture(autouse=True)
def _open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "os", SimpleNamespace(listdir=lambda _: range(10)))


@pytest.mark.parametrize(
    ("soft", "hard", "expected", "after"),
    [
        (5000, 5000, 1000, 5000),
        (1024, 5000, 1000, 1000 + 10 + SPARE),
        (256, INFINITY, 1000, 1000 + 10 + SPARE),
        (256, 512, 512 - 10 - SPARE, 512),
        (INFINITY, INFINITY, 1000, INFINITY),
        (32, 32, 0, 32),
    ],
)
def test_room_for(
    soft: int, hard: int, expected: int, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeResource(soft, hard)
    monkeypatch.setattr(descriptors, "resource", fake)
    assert room_for(1000) == expected
    assert fake.limits == (after, hard)


def test_a_limit_that_cannot_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "resource", FakeResource(256, 512, raises=True))
    assert room_for(1000) == 256 - 10 - SPARE


def test_a_system_without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "resource", None)
    assert room_for(1000) == 1000


def test_a_system_that_does_not_tell_what_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def listdir(_: str) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(descriptors, "os", SimpleNamespace(listdir=listdir))
    monkeypatch.setattr(descriptors, "resource", FakeResource(256, 256))
    assert room_for(1000) == 256 - SPARE
