"""permessage-deflate's parameters in both roles (RFC 7692 7.1)."""

from __future__ import annotations

from typing import Any

import pytest

from wscore import NegotiationError
from wscore.protocol.deflate import PerMessageDeflate
from wscore.protocol.extensions import negotiate
from wscore.protocol.headers import build_extensions, parse_extension_list

NAME = "permessage-deflate"
# No wishes of our own.
OPEN = {"server_max_window_bits": None, "client_max_window_bits": None}


def params(text: str) -> list[tuple[str, str | None]]:
    [(_, parsed)] = parse_extension_list(f"{NAME}; {text}" if text else NAME)
    return parsed


def text(parsed: list[tuple[str, str | None]]) -> str:
    return build_extensions([(NAME, parsed)])[len(NAME) :].lstrip("; ")


def settings(codec: Any) -> tuple[int, bool, int, bool]:
    """Window and forgetting: ours, then the peer's."""
    peer_forgets, forgets, peer_bits, bits = codec.parameters
    return bits, forgets, peer_bits, peer_forgets


@pytest.mark.parametrize(
    ("options", "offer", "answer", "agreed"),
    [
        (OPEN, "", "", (15, False, 15, False)),
        (OPEN, "client_max_window_bits", "", (15, False, 15, False)),
        (OPEN, "client_max_window_bits=10", "client_max_window_bits=10", (15, False, 10, False)),
        (OPEN, "client_max_window_bits=8", "client_max_window_bits=8", (15, False, 8, False)),
        (OPEN, "client_max_window_bits=15", "", (15, False, 15, False)),
        (OPEN, "server_max_window_bits=9", "server_max_window_bits=9", (9, False, 15, False)),
        (OPEN, "server_max_window_bits=15", "server_max_window_bits=15", (15, False, 15, False)),
        (OPEN, "server_no_context_takeover", "server_no_context_takeover", (15, True, 15, False)),
        (OPEN, "client_no_context_takeover", "client_no_context_takeover", (15, False, 15, True)),
        ({}, "", "server_max_window_bits=12", (12, False, 15, False)),
        (
            {},
            "client_max_window_bits",
            "server_max_window_bits=12; client_max_window_bits=12",
            (12, False, 12, False),
        ),
        (
            {},
            "server_max_window_bits=10; client_max_window_bits=9",
            "server_max_window_bits=10; client_max_window_bits=9",
            (10, False, 9, False),
        ),
        (
            {"server_no_context_takeover": True, "client_no_context_takeover": True},
            "client_max_window_bits=15; server_max_window_bits=15",
            "server_no_context_takeover; client_no_context_takeover; "
            "server_max_window_bits=12; client_max_window_bits=12",
            (12, True, 12, True),
        ),
    ],
)
def test_a_server_answers_an_offer(options: Any, offer: str, answer: str, agreed: Any) -> None:
    accepted = PerMessageDeflate(**options).accept(params(offer))
    assert accepted is not None
    assert (text(accepted[0]), settings(accepted[1])) == (answer, agreed)


MALFORMED = [
    "unknown", "unknown=1", "server_no_context_takeover=1", "client_no_context_takeover=true",
    "server_max_window_bits", "server_max_window_bits=7", "server_max_window_bits=16",
    "server_max_window_bits=08", "server_max_window_bits=09", "server_max_window_bits=1e1",
    "server_max_window_bits=-9", "server_max_window_bits=+9", "client_max_window_bits=7",
    "client_max_window_bits=16", "client_max_window_bits=012", "client_max_window_bits=x",
    "server_max_window_bits=10; server_max_window_bits=10",
    "client_max_window_bits; client_max_window_bits=10",
    "server_no_context_takeover; server_no_context_takeover",
    "Server_no_context_takeover",
]  # fmt: skip


@pytest.mark.parametrize("offer", [*MALFORMED, "server_max_window_bits=8"])
def test_a_server_declines_what_it_cannot_do(offer: str) -> None:
    assert PerMessageDeflate().accept(params(offer)) is None


def test_the_next_offer_is_tried() -> None:
    offers = parse_extension_list(
        f"{NAME}; server_max_window_bits=8, x-other, {NAME}; server_max_window_bits=16, "
        f'{NAME}; client_max_window_bits="11", {NAME}'
    )
    agreed = negotiate(offers, [PerMessageDeflate()])
    assert build_extensions(agreed.headers) == (
        f"{NAME}; server_max_window_bits=12; client_max_window_bits=11"
    )


@pytest.mark.parametrize(
    ("options", "offers"),
    [
        (OPEN, [""]),
        (
            {},
            ["client_max_window_bits=12; server_max_window_bits=12", "client_max_window_bits=12"],
        ),
        ({**OPEN, "client_max_window_bits": 15}, ["client_max_window_bits"]),
        (
            {**OPEN, "server_no_context_takeover": True, "client_no_context_takeover": True},
            ["server_no_context_takeover; client_no_context_takeover"],
        ),
    ],
)
def test_what_a_client_offers(options: Any, offers: list[str]) -> None:
    assert [text(offer) for offer in PerMessageDeflate(**options).offers()] == offers


@pytest.mark.parametrize(
    ("options", "answer", "agreed"),
    [
        ({}, "", (12, False, 15, False)),
        ({}, "client_max_window_bits=10; server_max_window_bits=11", (10, False, 11, False)),
        ({}, "client_max_window_bits=15", (12, False, 15, False)),
        ({}, "server_max_window_bits=15", (12, False, 15, False)),
        ({}, "server_max_window_bits=8", (12, False, 8, False)),
        ({}, "server_no_context_takeover", (12, False, 15, True)),
        ({}, "client_no_context_takeover", (12, True, 15, False)),
        (OPEN, "", (15, False, 15, False)),
        ({"client_no_context_takeover": True}, "", (12, True, 15, False)),
    ],
)
def test_a_client_takes_the_answer(options: Any, answer: str, agreed: Any) -> None:
    assert settings(PerMessageDeflate(**options).confirm(params(answer))) == agreed


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        *(({}, answer) for answer in MALFORMED),
        ({}, "client_max_window_bits"),
        ({}, "client_max_window_bits=8"),
        (OPEN, "client_max_window_bits=12"),
        ({"server_no_context_takeover": True}, ""),
    ],
)
def test_a_client_refuses_an_answer_that_is_not_legal(options: Any, answer: str) -> None:
    with pytest.raises(NegotiationError, match="permessage-deflate"):
        PerMessageDeflate(**options).confirm(params(answer))


@pytest.mark.parametrize(
    "options",
    [
        {"server_max_window_bits": 8},
        {"client_max_window_bits": 16},
        {"level": 10},
        {"level": -2},
        {"mem_level": 0},
        {"mem_level": 10},
        {"threshold": -1},
        {"chunk_size": 0},
        {"concurrency": 0},
        {"backend": "gzip"},
        {"backend": "isal", "level": 4},
    ],
)
def test_options_that_make_no_sense(options: Any) -> None:
    with pytest.raises(ValueError, match=r" (?:is|are) "):
        PerMessageDeflate(**options)


def test_a_backend_that_is_missing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "isal.isal_zlib", None)
    with pytest.raises(ImportError, match=r"pip install 'wscore-engine\[isal\]'"):
        PerMessageDeflate(backend="isal")
