"""The buffer that generators read from."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from wscore.compat.websockets.streams import StreamReader


def finished(generator: Generator[None, None, Any]) -> Any:
    """What *generator* returns; fails if it waits for more."""
    with pytest.raises(StopIteration) as done:
        next(generator)
    return done.value.value


@pytest.fixture
def reader() -> StreamReader:
    return StreamReader()


def test_lines_come_one_by_one(reader: StreamReader) -> None:
    reader.feed_data(b"one\ntwo\nrest")
    assert finished(reader.read_line(10)) == b"one\n"
    assert finished(reader.read_line(10)) == b"two\n"
    assert reader.buffer == b"rest"


def test_a_line_waits_for_its_end(reader: StreamReader) -> None:
    line = reader.read_line(10)
    for byte in b"line":
        reader.feed_data(bytes([byte]))
        next(line)
    reader.feed_data(b"\n")
    assert finished(line) == b"line\n"


@pytest.mark.parametrize("data", [b"four", b"four\n"])
def test_a_line_that_is_too_long_is_refused_before_its_end(
    reader: StreamReader, data: bytes
) -> None:
    reader.feed_data(data)
    with pytest.raises(RuntimeError, match=f"read {len(data)} bytes"):
        next(reader.read_line(3))
    with pytest.raises(OverflowError):
        next(reader.read_line(3, OverflowError))


def test_so_many_bytes(reader: StreamReader) -> None:
    four = reader.read_exact(4)
    reader.feed_data(b"abc")
    next(four)
    reader.feed_data(b"de")
    assert finished(four) == b"abcd"
    assert finished(reader.read_exact(0)) == b""


def test_all_there_is(reader: StreamReader) -> None:
    everything = reader.read_to_eof(5)
    reader.feed_data(b"five!")
    next(everything)
    reader.feed_eof()
    assert finished(everything) == b"five!"


def test_all_there_is_has_a_limit(reader: StreamReader) -> None:
    reader.feed_data(b"six...")
    with pytest.raises(OverflowError):
        next(reader.read_to_eof(5, OverflowError))


def test_the_end_where_more_is_needed(reader: StreamReader) -> None:
    reader.feed_data(b"ab")
    reader.feed_eof()
    with pytest.raises(EOFError, match="after 2 bytes"):
        next(reader.read_line(9))
    with pytest.raises(EOFError, match="expected 3"):
        next(reader.read_exact(3))


def test_whether_the_end_has_come_is_known_with_the_next_byte(reader: StreamReader) -> None:
    end = reader.at_eof()
    next(end)
    reader.feed_data(b"x")
    assert finished(end) is False
    reader.discard()
    reader.feed_eof()
    assert finished(reader.at_eof()) is True


def test_nothing_comes_after_the_end(reader: StreamReader) -> None:
    reader.feed_eof()
    with pytest.raises(EOFError):
        reader.feed_data(b"x")
    with pytest.raises(EOFError):
        reader.feed_eof()
