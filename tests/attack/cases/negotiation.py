"""Extensions and sub-protocols that clients ask for (RFC 6455 9.1, 11.3.4, RFC 7692 7.1)."""

from __future__ import annotations

from collections.abc import Iterator

from ..vocabulary import DEFLATE, Case, accepts, head, refuses

__all__ = ["CASES"]

_EXTENSIONS, _PROTOCOL = "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"


def _declined() -> Iterator[Case]:
    none: dict[str, str | None] = {_EXTENSIONS.lower(): None}
    for name, value in {
        "another extension": "x-webkit-deflate-frame",
        "a name that ends like it": "x-permessage-deflate",
        "a name that begins like it": "permessage-deflate2",
        "the name as a parameter": "foo; permessage-deflate",
        "the name as a quoted value": 'foo; a="permessage-deflate"',
        "an unknown parameter": f"{DEFLATE}; unknown",
        "a parameter twice": f"{DEFLATE}; client_no_context_takeover; client_no_context_takeover",
        "server bits twice": f"{DEFLATE}; server_max_window_bits=10; server_max_window_bits=11",
        "server bits without a value": f"{DEFLATE}; server_max_window_bits",
        "takeover with a value": f"{DEFLATE}; server_no_context_takeover=1",
        "client takeover with a value": f"{DEFLATE}; client_no_context_takeover=true",
        "server bits of 7": f"{DEFLATE}; server_max_window_bits=7",
        "server bits of 16": f"{DEFLATE}; server_max_window_bits=16",
        "server bits of 0": f"{DEFLATE}; server_max_window_bits=0",
        "server bits with a zero": f"{DEFLATE}; server_max_window_bits=08",
        "server bits with a sign": f"{DEFLATE}; server_max_window_bits=+10",
        "server bits in hexadecimal": f"{DEFLATE}; server_max_window_bits=0xA",
        "huge server bits": f"{DEFLATE}; server_max_window_bits={'9' * 4000}",
        "client bits of 7": f"{DEFLATE}; client_max_window_bits=7",
        "client bits of 16": f"{DEFLATE}; client_max_window_bits=16",
        "client bits that are no number": f"{DEFLATE}; client_max_window_bits=x",
        "parameters in capitals": f"{DEFLATE}; SERVER_MAX_WINDOW_BITS=10",
    }.items():
        # Who fails the handshake instead is stricter than the RFC, and no less safe.
        yield accepts(f"declined: {name}", "RFC 7692 7.1", head((_EXTENSIONS, value)),
                      headers=none, statuses=(400,))  # fmt: skip


def _malformed() -> Iterator[Case]:
    for name, value in {
        "nothing": "",
        "only commas": ", ,",
        "no name": "; server_no_context_takeover",
        "no parameter": f"{DEFLATE};",
        "no value": f"{DEFLATE}; server_max_window_bits=",
        "two names": f"{DEFLATE} {DEFLATE}",
        "no separator": f"{DEFLATE}; a b",
        "an open quotation": f'{DEFLATE}; server_max_window_bits="10',
        "a quotation within": f'{DEFLATE}; server_max_window_bits=1"0"',
        "an empty quotation": f'{DEFLATE}; server_max_window_bits=""',
        "a quoted space": f'{DEFLATE}; a="b c"',
        "a quoted name": f'"{DEFLATE}"',
        "an equals sign": f"{DEFLATE}=1",
        "two equals signs": f"{DEFLATE}; a==1",
        "a bracket": f"{DEFLATE}; (a)",
    }.items():
        yield refuses(f"malformed extensions: {name}", "RFC 6455 9.1", 400,
                      head((_EXTENSIONS, value)), ours=True)  # fmt: skip


def _slow() -> Iterator[Case]:
    """Values that make a backtracking parser take seconds; here they are refused or declined."""
    redos = "CVE-2020-7662, CVE-2020-7663"
    escaped = f'{DEFLATE}; a="' + "\\a" * 4000
    yield refuses("an open quotation of escapes", redos, 400, head((_EXTENSIONS, escaped)),
                  ours=True)  # fmt: skip
    spaces = DEFLATE + " " * 8000 + "x"
    yield refuses("8000 spaces in extensions", redos, 400, head((_EXTENSIONS, spaces)), ours=True)
    parameters = DEFLATE + "; a" * 2600
    yield accepts("2600 parameters", redos, head((_EXTENSIONS, parameters)), ours=True)
    offers = ", ".join([f"{DEFLATE}; a"] * 330)
    yield accepts("330 offers", redos, head((_EXTENSIONS, offers)), ours=True)
    lines = [(_EXTENSIONS, ", ".join(["a"] * 2600))] * 4
    yield accepts("10,400 extensions", redos, head(*lines), ours=True)
    commas = "," * 8000 + "a"
    yield accepts("8000 commas in extensions", redos, head((_EXTENSIONS, commas)), ours=True)
    spaces = "b" + " " * 8000 + "x"
    yield refuses("8000 spaces in sub-protocols", "CVE-2021-32640", 400,
                  head((_PROTOCOL, spaces)), ours=True)  # fmt: skip
    spaces = "b" + " ," * 4000 + "x"
    yield accepts("4000 empty sub-protocols", "CVE-2021-32640", head((_PROTOCOL, spaces)),
                  ours=True)  # fmt: skip
    names = ", ".join(f"p{number}" for number in range(1100))
    yield accepts("1100 sub-protocols", "CVE-2021-32640", head((_PROTOCOL, names)), ours=True)
    for name in ("Connection", "Upgrade"):
        value = ", ".join(["a"] * 2600 + ["Upgrade" if name == "Connection" else "websocket"])
        yield accepts(f"2600 tokens in {name}", redos, head((name, None), (name, value)),
                      ours=True)  # fmt: skip


def _agreed() -> Iterator[Case]:
    key = _EXTENSIONS.lower()
    rule = "RFC 7692 5.1, 7.1"
    for name, value, answer in (
        ("the plain offer", DEFLATE, DEFLATE),
        ("the second offer", f"{DEFLATE}; unknown, {DEFLATE}", DEFLATE),
        ("after others", f"foo, bar; baz=1, {DEFLATE}", DEFLATE),
        ("after a quoted comma", f'foo; a="b", {DEFLATE}', DEFLATE),
        ("no takeover by the server", f"{DEFLATE}; server_no_context_takeover",
         f"{DEFLATE}; server_no_context_takeover"),
    ):  # fmt: skip
        yield accepts(f"agreed: {name}", rule, head((_EXTENSIONS, value)),
                      headers={key: answer}, ours=True)  # fmt: skip


def _subprotocols() -> Iterator[Case]:
    """The server knows chat and superchat."""
    key, rule = _PROTOCOL.lower(), "RFC 6455 4.2.2, 11.3.4"
    for name, value, chosen in (
        ("a known one", "chat", "chat"),
        ("the server's preference", "superchat, chat", "chat"),
        ("an unknown one", "unknown", None),
        ("another case", "CHAT", None),
        ("a longer name", "chat2", None),
    ):
        yield accepts(f"sub-protocol: {name}", rule, head((_PROTOCOL, value)),
                      headers={key: chosen}, ours=True)  # fmt: skip
    for name, values in {
        "empty": ("",), "not a token": ("ch(at",), "a space": ("chat super",),
        "twice": ("chat, chat",), "twice, in two lines": ("chat", "chat"), "quoted": ('"chat"',),
        "NUL": ("ch\0at",), "bytes over 127": ("ch\xe4t",),
    }.items():  # fmt: skip
        changes = [(_PROTOCOL, value) for value in values]
        yield refuses(f"sub-protocol: {name}", rule, 400, head(*changes), ours=True)


CASES = [
    case for table in (_declined, _malformed, _slow, _agreed, _subprotocols) for case in table()
]
