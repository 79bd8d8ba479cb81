"""UTF-8: whole and in pieces, every kernel, against the Unicode Standard's table and CPython."""

from __future__ import annotations

from support import oracles

from ..backends import BACKENDS
from ..choices import Choices, pieces
from ..seeds import TEXT

TOKENS = tuple(
    bytes.fromhex(token)
    for token in (
        "c2",
        "e0a0",
        "ed9f",
        "ee80",
        "f090",
        "f48f",
        "eda080",
        "f0908080",
        "f48fbfbf",
        "f4908080",
        "c080",
        "efbfbf",
    )
)


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    size, offset, repeats = choices.number(), choices.number() % 64, choices.pick((1, 1, 2, 9))
    # Kernels read in blocks: what is wrong has to be seen at each place of a block.
    text = b"a" * offset + choices.rest() * repeats
    verdict = oracles.utf8(text[:2048])
    text = text[:2048]
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        decoded = None
    assert verdict.complete is (decoded is not None)
    for backend in BACKENDS:
        chosen = backend.current_kernel()
        for kernel in backend.kernels():
            backend.use_kernel(kernel)
            try:
                _check_whole(backend, text, decoded)
                _check_pieces(backend, text, size, verdict)
            finally:
                backend.use_kernel(chosen)


def _check_whole(backend: object, text: bytes, decoded: str | None) -> None:
    assert backend.is_utf8(text) is (decoded is not None)
    try:
        result = backend.decode_utf8(text)
    except UnicodeDecodeError:
        result = None
    assert result == decoded


def _check_pieces(backend: object, text: bytes, size: int, verdict: oracles.Utf8Verdict) -> None:
    """A validator says no with the piece that has the first byte that nothing can save."""
    validator = backend.Utf8Validator()
    position = 0
    for piece in pieces(text, size):
        position += len(piece)
        good = verdict.first_bad is None or position <= verdict.first_bad
        assert validator.feed(piece) is good
    assert validator.complete is verdict.complete


def seeds() -> list[bytes]:
    texts = [TEXT, TEXT * 9, b"a" * 200 + "€".encode(), "é".encode() * 70, b"\xed\xa0\x80", b""]
    return [bytes((size, offset, 0)) + text for text in texts for size, offset in ((0, 0), (3, 61))]
