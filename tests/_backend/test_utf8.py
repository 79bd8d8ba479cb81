"""UTF-8 on every kernel: validity by table 3-7, decoding as CPython's, and text in pieces."""

from __future__ import annotations

import random
import sys
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

# The first and the last byte of every range of table 3-7, and their neighbours outside.
EDGES = bytes.fromhex("00417f808f909fa0bfc0c1c2dfe0e1ecedeeeff0f1f3f4f5f8ff")
LEADS = bytes.fromhex("41c1c2dfe0e1ecedeef0f1f4f5")
FOLLOWERS = bytes.fromhex("7f808f909fa0bfc0")
POSITIONS = (15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256)
# What stands around a sequence: nothing, ASCII, and text without a byte of ASCII.
AFTER = (b"", b"z" * 300, "é".encode() * 150)

ONE_AND_TWO = [bytes([byte]) for byte in range(256)] + [
    bytes(pair) for pair in product(range(256), repeat=2)
]
THREE = [bytes(triple) for triple in product(EDGES, repeat=3)]
FOUR = [bytes(four) for four in product(EDGES, repeat=4)]
FOUR_FEW = [bytes([lead, *rest]) for lead in LEADS for rest in product(FOLLOWERS, repeat=3)]

PLANE_EDGES = [
    plane << 16 | low for plane in range(17) for low in (0, 1, 0x7F, 0x80, 0xFF, 0xFFFE, 0xFFFF)
] + [0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD]


@pytest.fixture(scope="module")
def verdicts() -> dict[bytes, bool]:
    """The oracle's answer to every short string."""
    return {text: oracles.is_utf8(text) for text in (*ONE_AND_TWO, *THREE, *FOUR, *FOUR_FEW)}


def texts(seed: int, count: int) -> Iterator[str]:
    """Random texts of every width and mixture, lengths 0 to 700."""
    rng = random.Random(seed)
    alphabets = ("abc xyz", "aé", "é\xff\x80", "aßж", "жя€", "a日本\uffff", "日本", "a😀")
    alphabets += ("😀\U0010ffff", "aéж日😀\0")
    for n in range(count):
        alphabet = alphabets[n % len(alphabets)]
        yield "".join(rng.choices(alphabet, k=rng.randrange(700)))


def assert_canonical(text: str, data: bytes) -> None:
    """*text* is the very object that CPython would have made of *data*."""
    truth = data.decode()
    assert text == truth
    assert hash(text) == hash(truth)
    assert text.isascii() == truth.isascii()
    if sys.implementation.name == "cpython":  # no other tells the size of one object
        assert sys.getsizeof(text) == sys.getsizeof(truth)
    assert type(text) is str


def test_the_oracle_agrees_with_cpython(verdicts: dict[bytes, bool]) -> None:
    for data, valid in verdicts.items():
        try:
            data.decode()
        except UnicodeDecodeError:
            assert not valid, data
        else:
            assert valid, data


def test_every_short_string(kernel: ModuleType, verdicts: dict[bytes, bool]) -> None:
    is_utf8 = kernel.is_utf8
    wrong = [data for data, valid in verdicts.items() if is_utf8(data) is not valid]
    assert not wrong


@pytest.mark.parametrize("position", POSITIONS)
def test_sequences_around_vector_edges(
    kernel: ModuleType, verdicts: dict[bytes, bool], position: int
) -> None:
    is_utf8 = kernel.is_utf8
    for size, sequences in ((3, THREE), (4, FOUR_FEW)):
        # Each of its bytes in turn is the last before the edge.
        before = b"a" * (position - position % size)
        wrong = [s for s in sequences if is_utf8(before + s) is not verdicts[s]]
        assert not wrong
    for sequences, after in product((THREE[::7], FOUR_FEW[::3]), AFTER):
        for before in (b"a" * position, "é".encode() * (position // 2) + b"a" * (position % 2)):
            wrong = [s for s in sequences if is_utf8(before + s + after) is not verdicts[s]]
            assert not wrong


def test_every_code_point_and_no_surrogate(kernel: ModuleType) -> None:
    every = [chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000]
    data = "".join(every).encode()
    assert kernel.is_utf8(data)
    assert_canonical(kernel.decode_utf8(data), data)
    for n in range(0xD800, 0xE000):
        assert not kernel.is_utf8(b"x" * 40 + chr(n).encode("utf-8", "surrogatepass") + b"x" * 40)


@pytest.mark.parametrize("base", ["a", "é", "€", "😀", "aé€😀"])
def test_one_bad_byte_at_every_position(kernel: ModuleType, base: str) -> None:
    data = bytearray((base * 300).encode()[: 300 // len(base.encode()) * len(base.encode())])
    assert kernel.is_utf8(data)
    for position in range(len(data)):
        good = data[position]
        for bad in (0xFF, 0xC0, 0xF5, 0x80 if good < 0x80 else 0x41):
            data[position] = bad
            assert not kernel.is_utf8(data), (position, bad)
            if bad >= 0xC0:  # wrong wherever it stands, so at the very end as well
                assert not kernel.is_utf8(memoryview(data)[: position + 1]), (position, bad)
            with pytest.raises(UnicodeDecodeError):
                kernel.decode_utf8(data)
        data[position] = good


def test_cut_off_at_every_length(kernel: ModuleType) -> None:
    for base in ("é", "€", "😀"):
        data = (base * 100).encode()
        for size in range(len(data)):
            for padded in (b"", b"a" * 13):
                cut = padded + data[:size]
                assert kernel.is_utf8(cut) is (size % len(base.encode()) == 0), (base, size)


def test_bytes_around_a_view_do_not_count(kernel: ModuleType) -> None:
    for around in (b"\xff", b"\xe2", b"\x80"):
        for start in range(64):
            for text in ("", "a", "é", "a" * 63 + "é", "€" * 43, "a" * 256):
                data = around * start + text.encode() + around * 70
                view = memoryview(data)[start : start + len(text.encode())]
                assert kernel.is_utf8(view), (start, text)
                assert kernel.decode_utf8(view) == text
                assert not kernel.is_utf8(memoryview(data)[start : len(data) - 69])


def test_decoding_the_edges_of_all_planes(kernel: ModuleType) -> None:
    for n in PLANE_EDGES:
        for length in (1, 2, 15, 16, 17, 33, 64, 65, 200):
            for text in (
                chr(n) * length,
                "a" * length + chr(n),
                chr(n) + "a" * length,
                "é" * length + chr(n),
                chr(n) + "€" * length,
            ):
                data = text.encode()
                assert_canonical(kernel.decode_utf8(data), data)


def test_decoding_random_text(kernel: ModuleType) -> None:
    for text in texts(3629, 400):
        data = text.encode()
        assert kernel.is_utf8(data)
        assert_canonical(kernel.decode_utf8(data), data)
        assert_canonical(kernel.decode_utf8(memoryview(b"\x80" + data + b"\x80")[1:-1]), data)


@pytest.mark.parametrize("data", [b"", b"a", b"\0", "é".encode(), "\ufeffa".encode()])
def test_decoding_the_shortest(kernel: ModuleType, data: bytes) -> None:
    assert_canonical(kernel.decode_utf8(data), data)


@pytest.mark.parametrize("base", ["a", "é", "€", "😀"])
@pytest.mark.parametrize("size", [(1 << 20) - 4, 1 << 20, (1 << 20) + 4])
def test_large_texts(kernel: ModuleType, base: str, size: int) -> None:
    width = len(base.encode())
    data = base.encode() * (size // width)
    assert kernel.is_utf8(data)
    assert_canonical(kernel.decode_utf8(data), data)
    assert not kernel.is_utf8(data + b"\xe2\x82")
    assert not kernel.is_utf8(b"\x80" + data)


@pytest.mark.parametrize("data", [b"abc\xff", b"a" * 200 + b"\xed\xa0\x80", b"\xf0\x9f", b"\xc3("])
def test_the_error_says_where_and_why(backend: ModuleType, data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError) as ours:
        backend.decode_utf8(data)
    with pytest.raises(UnicodeDecodeError) as theirs:
        data.decode()
    assert ours.value.args == theirs.value.args


@given(st.binary(max_size=400) | st.text(max_size=300).map(str.encode))
def test_any_bytes(backend: ModuleType, data: bytes) -> None:
    verdict = oracles.utf8(data)
    assert backend.is_utf8(data) is verdict.complete
    if verdict.complete:
        assert_canonical(backend.decode_utf8(data), data)
    else:
        with pytest.raises(UnicodeDecodeError):
            backend.decode_utf8(data)


WRONG = [
    (TypeError, "text"),
    (TypeError, None),
    (TypeError, 3),
    (BufferError, memoryview(b"abcdef")[::2]),
]


@pytest.mark.parametrize(("error", "data"), WRONG)
def test_wrong_arguments(backend: ModuleType, error: type[Exception], data: Any) -> None:
    validator = backend.Utf8Validator()
    for call in (backend.is_utf8, backend.decode_utf8, validator.feed):
        with pytest.raises(error):
            call(data)
    assert validator.complete
    assert validator.feed(b"a")


@pytest.mark.cpython
@pytest.mark.parametrize("size", [8, 1 << 20])
def test_nothing_is_held_afterwards(backend: ModuleType, size: int) -> None:
    for byte in (b"a", b"\xff"):
        data = bytearray(byte * size)
        backend.is_utf8(data)
        backend.Utf8Validator().feed(data)
        try:
            backend.decode_utf8(data)
        except UnicodeDecodeError:
            assert byte != b"a"
        data.append(0)  # BufferError while anything still holds it


# Texts with everything that can be wrong somewhere inside, for the validator.
PIECEWISE = [
    "aé€😀".encode() * 3,
    b"a" * 70 + "€".encode() + b"b" * 70,
    "😀".encode() * 20 + b"\xf4\x90\x80\x80" + b"tail",
    b"ok\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf", b"\xf5\x80\x80\x80",
    "é".encode() * 40 + b"\xc3", b"x" * 64 + b"\x80", b"\xe2\x82", b"\xf0\x9f\x98", b"\xe2(\xa1",
    b"\xf0\x9f\x98a", b"", b"\xff",
]  # fmt: skip


def assert_follows_the_oracle(validator: Any, data: bytes, sizes: list[int]) -> None:
    """Feed *data* in pieces; each answer is what the oracle says of all bytes so far."""
    first_bad = oracles.utf8(data).first_bad
    fed = 0
    for size in sizes:
        answer = validator.feed(data[fed : fed + size])
        fed += size
        assert answer is (first_bad is None or first_bad >= fed), (data, sizes, fed)
        assert validator.complete is oracles.is_utf8(data[:fed]), (data, sizes, fed)


@pytest.mark.parametrize("data", PIECEWISE)
def test_validator_split_at_every_point(kernel: ModuleType, data: bytes) -> None:
    for cut in range(len(data) + 1):
        assert_follows_the_oracle(kernel.Utf8Validator(), data, [cut, len(data) - cut])
        for second in range(cut, min(cut + 6, len(data)) + 1):
            sizes = [cut, second - cut, len(data) - second]
            assert_follows_the_oracle(kernel.Utf8Validator(), data, sizes)


def test_validator_fails_at_the_first_bad_byte(kernel: ModuleType) -> None:
    validator = kernel.Utf8Validator()
    for data in (*PIECEWISE, *THREE[::5], *FOUR_FEW):
        validator.reset()
        assert_follows_the_oracle(validator, data, [1] * len(data))


def test_validator_stays_failed_until_reset(kernel: ModuleType) -> None:
    validator = kernel.Utf8Validator()
    assert validator.complete
    assert not validator.feed(b"a\xff")
    assert not validator.complete
    assert not validator.feed(b"fine")
    assert not validator.feed(b"")
    assert not validator.complete
    validator.reset()
    assert validator.complete
    assert validator.feed(b"\xe2\x82")
    assert not validator.complete
    validator.reset()
    assert validator.complete
    assert not validator.feed(b"\xac"), "reset forgets an open code point"


@given(st.lists(st.binary(max_size=6) | st.text(max_size=40).map(str.encode), max_size=8),
       st.data())  # fmt: skip
def test_validator_on_any_pieces(backend: ModuleType, parts: list[bytes], data: Any) -> None:
    whole = b"".join(parts)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=6).map(sorted))
    sizes = [end - start for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert_follows_the_oracle(backend.Utf8Validator(), whole, sizes)
