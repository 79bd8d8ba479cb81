"""Streams of UTF-8, cut between characters; and which messages are refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.bridging import bridged, code_of, peer_rest
from support.oracles import WireFrame
from support.rawpeer import BINARY, CLOSE, TEXT, close_payload, until

from wscore.bridge.text import TextCutter

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


@given(st.text(), st.lists(st.integers(0, 40)))
def test_every_piece_is_text_and_nothing_is_lost(text: str, sizes: list[int]) -> None:
    data, cutter, pieces = text.encode(), TextCutter(), []
    for size in [*sizes, len(data)]:
        pieces.append(cutter.cut(memoryview(data)[:size]).decode())
        data = data[size:]
    assert "".join(pieces) == text
    assert cutter.is_complete


@given(st.binary())
def test_it_agrees_with_python(data: bytes) -> None:
    """Byte by byte: what is not UTF-8 is refused, and what may become UTF-8 is kept."""
    try:
        data.decode()
        valid = True
    except UnicodeDecodeError:
        valid = False
    cutter, whole = TextCutter(), b""
    try:
        for byte in data:
            whole += cutter.cut(bytes([byte]))
    except ValueError:
        assert not valid
        return
    assert valid is cutter.is_complete
    assert data.startswith(whole)
    assert len(data) - len(whole) <= 3


@pytest.mark.parametrize("data", [b"\xff", b"a\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf0\x28a"])
def test_what_cannot_become_text_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        TextCutter().cut(data)


@pytest.mark.parametrize("character", ["é", "€", "😀"])
def test_a_character_that_has_begun_waits(character: str) -> None:
    cutter = TextCutter()
    *first, last = character.encode()
    assert cutter.cut(b"a" + bytes(first)) == b"a"
    assert not cutter.is_complete
    assert cutter.cut(bytes([last])) == character.encode()
    assert cutter.is_complete


# Connections -------------------------------------------------------------------------------------


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), st.lists(st.integers(1, 9), min_size=1))
def test_text_goes_out_as_text(run: Run, text: str, sizes: list[int]) -> None:
    async def main() -> None:
        async with bridged(text=True, read_size=8) as (_, peer, far):
            data = text.encode()
            while data:
                for size in sizes:
                    far.writer.write(data[:size])
                    data = data[size:]
                    await asyncio.sleep(0)
            await far.finish()
            *frames, close = await peer_rest(peer)
            assert {frame.opcode for frame in frames} <= {TEXT}
            assert "".join(frame.payload.decode() for frame in frames) == text
            assert code_of(close)[0] == 1001

    run(main())


def test_text_and_binary_come_in_as_bytes(run: Run) -> None:
    async def main() -> None:
        async with bridged(text=True) as (_, peer, far):
            peer.send(WireFrame(TEXT, "é".encode()), WireFrame(BINARY, b"\xff\0"))
            assert await far.reader.readexactly(4) == b"\xc3\xa9\xff\0"

    run(main())


@pytest.mark.parametrize("sent", [b"\xff", b"fine, then \xc3", b"\xe2\x82"])
def test_what_is_not_text_is_1011(warned: Run, sent: bytes) -> None:
    async def main() -> None:
        async with bridged(text=True) as (running, peer, far):
            far.writer.write(sent)
            far.end()
            *_, close = await peer_rest(peer)
            assert code_of(close) == (1011, "the target sent what is not UTF-8")
            with pytest.raises(ConnectionResetError):
                await far.rest()
            assert running.stats.failures == {"not_utf8": 1}

    warned(main())


def test_text_is_refused_where_bytes_are_expected(warned: Run) -> None:
    async def main() -> None:
        async with bridged() as (running, peer, far):
            peer.send(WireFrame(BINARY, b"bytes"), WireFrame(TEXT, b"text"))
            close = await peer.frame()
            assert code_of(close) == (1003, "this bridge takes binary frames only")
            assert await far.reader.readexactly(5) == b"bytes"
            peer.send(close)
            await peer.finish()
            with pytest.raises(ConnectionResetError):
                await far.rest()
            assert running.stats.failures == {"text": 1}

    warned(main())


def test_nothing_follows_what_was_refused(warned: Run) -> None:
    """A stream with a hole is no stream, whatever the client says of its end."""

    async def main() -> None:
        async with bridged() as (running, peer, far):
            sent = [WireFrame(BINARY, b"1"), WireFrame(TEXT, b"2"), WireFrame(BINARY, b"3")]
            peer.send(*sent)
            assert code_of(await peer.frame())[0] == 1003
            peer.send(WireFrame(BINARY, b"4"), WireFrame(CLOSE, close_payload(1000)))
            await peer.finish()
            assert await far.reader.read(1) == b"1"
            with pytest.raises(ConnectionResetError):
                await far.reader.read(1)
            await until(lambda: not running.pipes)

    warned(main())


def test_the_end_of_a_failure_is_not_for_the_client_to_name(warned: Run) -> None:
    async def main() -> None:
        async with bridged(text=True) as (_, peer, far):
            far.writer.write(b"\xff")
            assert code_of(await peer.frame())[0] == 1011
            peer.send(WireFrame(CLOSE, close_payload(1000)))
            await peer.finish()
            with pytest.raises(ConnectionResetError):
                await far.rest()

    warned(main())
