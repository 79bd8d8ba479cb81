"""Mutations of inputs, for the engine that needs Python alone: the same seed, the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

MAX_SIZE = 1 << 16

# Numbers at which lengths, sizes and code points change their meaning.
_EDGES = tuple(
    value.to_bytes(size, "big")
    for size, values in {
        1: (0, 1, 0x0A, 0x0D, 0x20, 0x22, 0x2C, 0x3B, 0x7D, 0x7E, 0x7F, 0x80, 0xBF, 0xC0, 0xFF),
        2: (0, 125, 126, 127, 1000, 1005, 1006, 1015, 2999, 3000, 4999, 5000, 0xFFFF, 0xEDA0),
        4: (0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xF0908080, 0xF4908080),
        8: (0, 125, 126, 65535, 65536, 1 << 20, (1 << 63) - 1, 1 << 63, (1 << 64) - 1),
    }.items()
    for value in values
)


def mutate(
    data: bytes, generator: random.Random, pool: Sequence[bytes], tokens: Sequence[bytes]
) -> bytes:
    """Change *data* in one to four places; *pool* lends parts of other inputs."""
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 2, 4))):
        generator.choice(_MUTATIONS)(changed, generator, pool, tokens)
    return bytes(changed[:MAX_SIZE])


def _flip_bit(data: bytearray, generator: random.Random, *_: object) -> None:
    if data:
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)


def _set_byte(data: bytearray, generator: random.Random, *_: object) -> None:
    if data:
        data[generator.randrange(len(data))] = generator.randrange(256)


def _write_edge(data: bytearray, generator: random.Random, *_: object) -> None:
    start, edge = generator.randrange(len(data) + 1), generator.choice(_EDGES)
    data[start : start + generator.choice((0, len(edge)))] = edge


def _write_token(
    data: bytearray,
    generator: random.Random,
    pool: Sequence[bytes],
    tokens: Sequence[bytes],
) -> None:
    if tokens:
        start, token = generator.randrange(len(data) + 1), generator.choice(tokens)
        data[start : start + generator.choice((0, len(token)))] = token


def _remove(data: bytearray, generator: random.Random, *_: object) -> None:
    start, end = _span(data, generator)
    del data[start:end]


def _repeat(data: bytearray, generator: random.Random, *_: object) -> None:
    start, end = _span(data, generator)
    data[end:end] = data[start:end] * generator.choice((1, 1, 2, 7, 100))


def _move(data: bytearray, generator: random.Random, *_: object) -> None:
    start, end = _span(data, generator)
    part = data[start:end]
    del data[start:end]
    at = generator.randrange(len(data) + 1)
    data[at:at] = part


def _splice(data: bytearray, generator: random.Random, pool: Sequence[bytes], *_: object) -> None:
    other = bytearray(generator.choice(pool))
    start, end = _span(other, generator)
    at = generator.randrange(len(data) + 1)
    data[at : at + generator.choice((0, end - start))] = other[start:end]


def _span(data: bytearray, generator: random.Random) -> tuple[int, int]:
    """Part of *data*; short ones are as likely as all long ones together."""
    start = generator.randrange(len(data) + 1)
    most = len(data) - start
    return start, start + generator.randint(0, generator.choice((min(most, 8), most)))


_MUTATIONS = (
    _flip_bit, _set_byte, _write_edge, _write_token, _remove, _repeat, _move, _splice,
)  # fmt: skip
