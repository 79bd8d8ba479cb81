"""The lines of stdin: whole whatever the pieces, and read no faster than they are taken."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from wscore.cli.lines import MAX_LINE, InputError, lines, open_input

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.any_backend


class Pieces:
    """A file that gives one piece for each read, and counts the reads."""

    def __init__(self, *pieces: bytes) -> None:
        self.left = list(pieces)
        self.reads = 0

    def read(self, size: int, /) -> bytes:
        self.reads += 1
        return self.left.pop(0) if self.left else b""


async def taken(source: Any) -> list[str]:
    return [line async for line in lines(source)]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], []),
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"one\r\n\r\n\n"], ["one", "", ""]),
        ([b"no end"], ["no end"]),
        (["Grüße\n".encode()[:3], "Grüße\n".encode()[3:]], ["Grüße"]),
        ([b"a", b"\n", b"\n", b"b"], ["a", "", "b"]),
        ([b"\r"], [""]),
    ],
)
def test_lines(run: Callable[..., Any], pieces: list[bytes], expected: list[str]) -> None:
    assert run(taken(Pieces(*pieces))) == expected


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ([b"one\n\xff\n"], "line 2 is not UTF-8"),
        ([b"one\n", b"\xc3"], "line 2 is not UTF-8"),
        ([b"one\n", *[b"x" * 65536] * (MAX_LINE // 65536 + 1)], "line 2 is longer than 16 MiB"),
    ],
)
def test_what_cannot_be_a_message(
    run: Callable[..., Any], pieces: list[bytes], reason: str
) -> None:
    async def main() -> None:
        source = lines(Pieces(*pieces))
        assert await source.__anext__() == "one"
        with pytest.raises(InputError, match=f"^{reason}$"):
            await source.__anext__()

    run(main())


@pytest.mark.parametrize(
    "error", [OSError(5, "Input/output error"), ValueError("Input/output error")]
)
def test_a_file_that_cannot_be_read(run: Callable[..., Any], error: Exception) -> None:
    class Broken:
        def read(self, size: int, /) -> bytes:
            raise error

    with pytest.raises(InputError, match=r"^Input/output error$"):
        run(taken(Broken()))


def test_a_chunk_is_read_when_the_last_one_is_used_up(run: Callable[..., Any]) -> None:
    async def main() -> None:
        source = Pieces(b"one\ntwo\n", b"three\nfour\n")
        reads = []
        async for _ in lines(source):
            reads.append(source.reads)
        assert reads == [1, 1, 2, 2]

    run(main())


def test_the_thread_ends_with_who_takes(run: Callable[..., Any]) -> None:
    async def main() -> None:
        async with aclosing(lines(Pieces(b"one\ntwo\n", b"three\n"))) as source:
            async for _ in source:
                break
        for thread in threading.enumerate():
            if thread.name == "wscore-stdin":
                thread.join(20)
                assert not thread.is_alive()

    run(main())


def test_a_read_that_outlives_the_loop_is_forgotten(run: Callable[..., Any]) -> None:
    waiting, go_on = threading.Event(), threading.Event()

    class Slow:
        def read(self, size: int, /) -> bytes:
            waiting.set()
            go_on.wait(20)
            return b"late\n"

    async def main() -> None:
        taking = asyncio.create_task(taken(Slow()))
        while not waiting.is_set():
            await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait([taking])

    run(main())
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "wscore-stdin":
            thread.join(20)
            assert not thread.is_alive()


def test_input_that_was_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert open_input() is None
