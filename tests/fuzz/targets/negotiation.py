"""Negotiation of permessage-deflate, both roles, against RFC 7692 7.1 written out slowly.

What a server answers to any offer has to be legal for one of the offers, in their order; what a
client takes has to be legal for what it offered; and then both can talk.
"""

from __future__ import annotations

from typing import Any

from wscore.errors import InvalidHeader, NegotiationError
from wscore.protocol.deflate import PerMessageDeflate
from wscore.protocol.extensions import Agreement, confirm, negotiate
from wscore.protocol.headers import parse_extension_list

from ..choices import Choices

NAME = "permessage-deflate"
_CLIENT_BITS = "client_max_window_bits"
TOKENS = tuple(
    token.encode()
    for token in (
        NAME, "; ", ", ", "=", '"', "server_no_context_takeover", "client_no_context_takeover",
        "server_max_window_bits", "client_max_window_bits", "=8", "=9", "=15",
        '="12"', "=16", "=08",
    )
)  # fmt: skip

_BITS = (None, *range(9, 16))
_MESSAGES = (b"", b"a", b"Hello" * 50, bytes(range(256)) * 3, b"Hello" * 50)


def test_one_input(data: bytes) -> None:
    choices = Choices(data)
    is_server = not choices.flag()
    extension = PerMessageDeflate(
        server_no_context_takeover=choices.flag(),
        client_no_context_takeover=choices.flag(),
        server_max_window_bits=choices.pick(_BITS),
        client_max_window_bits=choices.pick(_BITS),
        threshold=0,
    )
    try:
        elements = parse_extension_list(choices.rest().decode("latin-1"))
    except InvalidHeader:
        return
    if is_server:
        _serve(extension, elements)
    else:
        _connect(extension, elements)


def _serve(extension: PerMessageDeflate, offers: list[Any]) -> None:
    agreed = negotiate(offers, [extension])
    assert len(agreed.headers) <= 1
    legal = [params for name, params in offers if name == NAME and _is_legal_offer(params)]
    if not agreed.headers:
        # zlib cannot compress with a window of 8 bits, and a client that does not offer to bound
        # its window may be told to leave.
        assert all(
            "8" in dict(offer).values() or _CLIENT_BITS not in dict(offer) for offer in legal
        )
        return
    assert agreed.codec is not None
    name, answer = agreed.headers[0]
    assert name == NAME
    assert any(_is_legal_answer(dict(offer), answer) for offer in legal)


def _connect(extension: PerMessageDeflate, chosen: list[Any]) -> None:
    try:
        agreed = confirm(chosen, [extension])
    except NegotiationError:
        return
    if not agreed.headers:
        return
    name, answer = agreed.headers[0]
    assert len(agreed.headers) == 1
    assert name == NAME
    assert any(_is_legal_answer(dict(offer), answer) for offer in extension.offers())
    _talk(agreed, dict(answer))


def _talk(client: Agreement, answer: dict[str, str | None]) -> None:
    """A server that was told to offer exactly the answer reads what the client sends."""
    bits = answer.get("client_max_window_bits")
    server = PerMessageDeflate(
        server_no_context_takeover="server_no_context_takeover" in answer,
        client_no_context_takeover="client_no_context_takeover" in answer,
        client_max_window_bits=int(bits) if bits and int(bits) > 8 else None,
        threshold=0,
    )
    accepted = server.accept(list(answer.items()))
    if accepted is None or accepted[1] is None or client.codec is None:
        return
    for message in _MESSAGES:
        encoded = client.codec.encode(message)
        assert b"".join(accepted[1].decode(encoded, True, 1 << 20)) == message


def _is_bits(value: str | None) -> bool:
    return value in ("8", "9", "10", "11", "12", "13", "14", "15")


def _is_legal_offer(params: list[tuple[str, str | None]]) -> bool:
    """RFC 7692 7.1: known, once, and with a value where one belongs."""
    names = [name for name, _ in params]
    return len(set(names)) == len(names) and all(
        value is None
        if name in ("server_no_context_takeover", "client_no_context_takeover")
        else _is_bits(value)
        if name == "server_max_window_bits"
        else name == "client_max_window_bits" and (value is None or _is_bits(value))
        for name, value in params
    )


def _is_legal_answer(offer: dict[str, str | None], answer: list[tuple[str, str | None]]) -> bool:
    """RFC 7692 7.1.1 and 7.1.2: what was asked for is granted, and windows do not grow."""
    granted = dict(answer)
    if not _is_legal_offer(answer) or granted.get("client_max_window_bits", "8") is None:
        return False
    if "server_no_context_takeover" in offer and "server_no_context_takeover" not in granted:
        return False
    asked = offer.get("server_max_window_bits")
    if asked is not None and int(granted.get("server_max_window_bits") or 16) > int(asked):
        return False
    # How small a window the client would use is a hint that a server may ignore (7.1.2.2).
    return _CLIENT_BITS in offer or _CLIENT_BITS not in granted


def seeds() -> list[bytes]:
    values = (
        NAME,
        f"{NAME}; client_max_window_bits",
        f'{NAME}; server_max_window_bits="10"; client_max_window_bits=12',
        f"{NAME}; server_max_window_bits=8, {NAME}; server_no_context_takeover",
        f"{NAME}; a, x-other; b=c, {NAME}; client_no_context_takeover",
        f"{NAME}; server_max_window_bits=9; server_no_context_takeover; client_max_window_bits=15",
    )
    return [
        bytes((role, 0, flags, bits, 8 - bits)) + value.encode()
        for value in values
        for role, flags, bits in ((0, 0, 0), (1, 0, 0), (0, 1, 3), (1, 1, 5))
    ]
