"""permessage-deflate under websockets' names."""

from __future__ import annotations

from typing import Any

import pytest

import wscore
from wscore import NegotiationError, Opcode, PayloadTooBig, ProtocolError
from wscore.compat.websockets.exceptions import (
    DuplicateParameter,
    InvalidParameterName,
    InvalidParameterValue,
)
from wscore.compat.websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
    enable_client_permessage_deflate,
    enable_server_permessage_deflate,
)
from wscore.compat.websockets.frames import Frame
from wscore.extensions import Extension

TEXT = b"some text, some text, some text"


def pair(**settings: Any) -> tuple[PerMessageDeflate, PerMessageDeflate]:
    """Both ends of one connection, the client's first."""
    client, server = ClientPerMessageDeflateFactory(), ServerPerMessageDeflateFactory(**settings)
    answer, accepted = server.process_request_params(client.get_request_params(), [])
    return client.process_response_params(answer, []), accepted


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"server_max_window_bits": 9, "client_max_window_bits": 9},
        {"server_no_context_takeover": True, "client_no_context_takeover": True},
        {"compress_settings": {"level": 0, "memLevel": 1}},
    ],
)
def test_messages_there_and_back(settings: dict[str, Any]) -> None:
    for sender, receiver in (pair(**settings), pair(**settings)[::-1]):
        for _ in range(3):
            frame = Frame(Opcode.TEXT, TEXT)
            encoded = sender.encode(frame)
            assert encoded.rsv1
            assert receiver.decode(encoded) == frame


def test_both_ends_agree_on_what_was_negotiated() -> None:
    client, server = pair(
        server_max_window_bits=10, client_max_window_bits=11, server_no_context_takeover=True
    )
    assert repr(client) == (
        "PerMessageDeflate(remote_no_context_takeover=True, local_no_context_takeover=False, "
        "remote_max_window_bits=10, local_max_window_bits=11)"
    )
    assert (server.local_max_window_bits, server.remote_max_window_bits) == (10, 11)
    assert (server.local_no_context_takeover, server.remote_no_context_takeover) == (True, False)


def test_fragments() -> None:
    client, server = pair()
    frames = [
        Frame(Opcode.TEXT, TEXT, fin=False),
        Frame(Opcode.CONT, b"", fin=False),
        Frame(Opcode.CONT, TEXT),
    ]
    encoded = [client.encode(frame) for frame in frames]
    assert [frame.rsv1 for frame in encoded] == [True, False, False]
    assert [server.decode(frame) for frame in encoded] == frames


def test_what_is_not_compressed_passes() -> None:
    _, server = pair()
    for frame in (
        Frame(Opcode.PING, b"x"),
        Frame(Opcode.TEXT, b"x", fin=False),
        Frame(Opcode.CONT, b"y"),
    ):
        assert server.decode(frame) is frame
    assert server.encode(Frame(Opcode.CLOSE, b"")) == Frame(Opcode.CLOSE, b"")


def test_what_inflates_to_too_much() -> None:
    client, server = pair()
    bomb = client.encode(Frame(Opcode.BINARY, bytes(10**6)))
    with pytest.raises(PayloadTooBig):
        server.decode(bomb, max_size=10**6 - 1)


def test_what_cannot_be_inflated() -> None:
    _, server = pair()
    with pytest.raises(ProtocolError):
        server.decode(Frame(Opcode.BINARY, b"\xff\xff\xff", rsv1=True))


def test_rsv1_inside_a_message() -> None:
    client, server = pair()
    server.decode(client.encode(Frame(Opcode.BINARY, b"x", fin=False)))
    with pytest.raises(ProtocolError):
        server.decode(Frame(Opcode.CONT, b"x", rsv1=True))


def test_one_can_be_made_directly() -> None:
    one, other = PerMessageDeflate(False, True, 12, 13), PerMessageDeflate(True, False, 13, 12)
    assert other.decode(one.encode(Frame(Opcode.TEXT, TEXT))).data == TEXT


@pytest.mark.parametrize(
    ("factory", "offer"),
    [
        (ClientPerMessageDeflateFactory(), [("client_max_window_bits", None)]),
        (ClientPerMessageDeflateFactory(client_max_window_bits=None), []),
        (
            ClientPerMessageDeflateFactory(True, True, 12, 11),
            [
                ("server_no_context_takeover", None),
                ("client_no_context_takeover", None),
                ("server_max_window_bits", "12"),
                ("client_max_window_bits", "11"),
            ],
        ),
        (ClientPerMessageDeflateFactory(server_max_window_bits=8, client_max_window_bits=None),
         [("server_max_window_bits", "8")]),
    ],
)  # fmt: skip
def test_offers(factory: ClientPerMessageDeflateFactory, offer: list[Any]) -> None:
    assert factory.get_request_params() == offer
    assert factory.offers() == [offer]


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        ({"server_no_context_takeover": True}, []),
        ({"server_max_window_bits": 10}, []),
        ({"server_max_window_bits": 10}, [("server_max_window_bits", "11")]),
        ({"client_max_window_bits": 10}, [("client_max_window_bits", "11")]),
        ({"client_max_window_bits": None}, [("client_max_window_bits", "11")]),
        ({}, [("client_max_window_bits", "8")]),
        ({}, [("client_max_window_bits", None)]),
    ],
)
def test_answers_that_a_client_refuses(settings: Any, answer: list[Any]) -> None:
    factory = ClientPerMessageDeflateFactory(**settings)
    with pytest.raises(NegotiationError):
        factory.process_response_params(answer, [])


@pytest.mark.parametrize(
    ("settings", "offer", "answer"),
    [
        ({}, [], []),
        ({"server_max_window_bits": 10}, [], [("server_max_window_bits", "10")]),
        ({"client_max_window_bits": 10}, [], []),
        ({"client_max_window_bits": 8}, [("client_max_window_bits", None)],
         [("client_max_window_bits", "8")]),
    ],
)  # fmt: skip
def test_answers_of_a_server(settings: Any, offer: list[Any], answer: list[Any]) -> None:
    factory = ServerPerMessageDeflateFactory(**settings)
    assert factory.process_request_params(offer, [])[0] == answer


@pytest.mark.parametrize(
    ("settings", "offer"),
    [
        ({}, [("server_max_window_bits", "8")]),
        ({"client_max_window_bits": 10, "require_client_max_window_bits": True}, []),
    ],
)
def test_offers_that_a_server_declines(settings: Any, offer: list[Any]) -> None:
    factory = ServerPerMessageDeflateFactory(**settings)
    with pytest.raises(NegotiationError):
        factory.process_request_params(offer, [])
    assert factory.accept(offer) is None


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ([("unknown", None)], InvalidParameterName),
        ([("server_no_context_takeover", None)] * 2, DuplicateParameter),
        ([("server_no_context_takeover", "1")], InvalidParameterValue),
        ([("server_max_window_bits", "16")], InvalidParameterValue),
        ([("server_max_window_bits", None)], InvalidParameterValue),
    ],
)
def test_parameters_that_are_none(params: list[Any], kind: type[NegotiationError]) -> None:
    with pytest.raises(kind):
        ServerPerMessageDeflateFactory().process_request_params(params, [])
    with pytest.raises(kind):
        ClientPerMessageDeflateFactory().process_response_params(params, [])


def test_it_is_used_once() -> None:
    client, _ = pair()
    with pytest.raises(NegotiationError):
        ServerPerMessageDeflateFactory().process_request_params([], [client])
    with pytest.raises(NegotiationError):
        ClientPerMessageDeflateFactory().process_response_params([], [client])


@pytest.mark.parametrize(
    ("factory", "settings"),
    [
        (ClientPerMessageDeflateFactory, {"client_max_window_bits": 8}),
        (ServerPerMessageDeflateFactory, {"server_max_window_bits": 8}),
        (ServerPerMessageDeflateFactory, {"client_max_window_bits": 7}),
        (ServerPerMessageDeflateFactory, {"require_client_max_window_bits": True}),
        (ClientPerMessageDeflateFactory, {"compress_settings": {"wbits": 9}}),
        (ServerPerMessageDeflateFactory, {"compress_settings": {"strategy": 1}}),
    ],
)
def test_settings_that_are_refused(factory: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"window_bits|compress_settings"):
        factory(**settings)


@pytest.mark.parametrize(
    ("enable", "factory"),
    [
        (enable_client_permessage_deflate, ClientPerMessageDeflateFactory),
        (enable_server_permessage_deflate, ServerPerMessageDeflateFactory),
    ],
)
def test_enabling(enable: Any, factory: Any) -> None:
    [added] = enable(None)
    assert isinstance(added, factory)
    assert enable([added]) == [added]


def test_the_engine_takes_the_factories() -> None:
    client: Extension = ClientPerMessageDeflateFactory()
    server: Extension = ServerPerMessageDeflateFactory(server_max_window_bits=11)
    protocol = wscore.ServerProtocol(extensions=[server])
    asking = wscore.ClientProtocol("ws://h/", extensions=[client])
    asking.send_request(asking.connect())
    protocol.receive_data(b"".join(asking.data_to_send()))
    [request] = protocol.events()
    assert isinstance(request, wscore.Request)
    protocol.send_response(protocol.accept(request))
    asking.receive_data(b"".join(protocol.data_to_send()))
    asking.send("x")
    assert protocol.extensions == asking.extensions == [
        ("permessage-deflate", [("server_max_window_bits", "11")])
    ]  # fmt: skip
    [frame] = asking.data_to_send()
    assert frame[0] == 0xC1  # compressed, however short
    protocol.receive_data(frame)
    assert protocol.events() == ["x"]
