"""permessage-deflate under websockets' names: wscore's own (`wscore.deflate`).

The factories are extensions of wscore as well, so its client and server take them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, cast

from ....errors import NegotiationError, ProtocolError
from ....protocol.deflate import DeflateCodec
from ....protocol.deflate import PerMessageDeflate as Deflate
from ....protocol.extensions import ExtensionParams, MessageCodec
from ..exceptions import DuplicateParameter, InvalidParameterName, InvalidParameterValue
from ..frames import CTRL_OPCODES, Frame, Opcode
from ..typing import ExtensionName, ExtensionParameter
from .base import ClientExtensionFactory, Extension, ServerExtensionFactory

__all__ = [
    "ClientPerMessageDeflateFactory",
    "PerMessageDeflate",
    "ServerPerMessageDeflateFactory",
    "enable_client_permessage_deflate",
    "enable_server_permessage_deflate",
]

_NAME = ExtensionName("permessage-deflate")
_PARAMETERS = (
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
)


class PerMessageDeflate(Extension):
    """permessage-deflate at work on one connection; ``codec`` is wscore's."""

    name = _NAME

    def __init__(
        self,
        remote_no_context_takeover: bool,
        local_no_context_takeover: bool,
        remote_max_window_bits: int,
        local_max_window_bits: int,
        compress_settings: dict[str, Any] | None = None,
        *,
        codec: MessageCodec | None = None,
    ) -> None:
        self.remote_no_context_takeover = remote_no_context_takeover
        self.local_no_context_takeover = local_no_context_takeover
        self.remote_max_window_bits = remote_max_window_bits
        self.local_max_window_bits = local_max_window_bits
        self.compress_settings = compress_settings or {}
        self.codec = codec or DeflateCodec(
            Deflate(**_settings(compress_settings)),
            local_max_window_bits,
            local_no_context_takeover,
            remote_max_window_bits,
            remote_no_context_takeover,
        )
        # Whether the message that is being decoded was encoded.
        self._decoding = False

    def __repr__(self) -> str:
        names = (
            "remote_no_context_takeover", "local_no_context_takeover",
            "remote_max_window_bits", "local_max_window_bits",
        )  # fmt: skip
        return f"PerMessageDeflate({', '.join(f'{n}={getattr(self, n)}' for n in names)})"

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Inflate a data frame of a compressed message. Raises PayloadTooBig, ProtocolError."""
        if frame.opcode in CTRL_OPCODES:
            return frame
        if frame.opcode is not Opcode.CONT:
            self._decoding = frame.rsv1
        elif frame.rsv1:
            raise ProtocolError("RSV1 set on a control or continuation frame")
        if not self._decoding:
            return frame
        pieces = self.codec.decode(bytes(frame.data), frame.fin, max_size)
        return replace(frame, data=b"".join(pieces), rsv1=False)

    def encode(self, frame: Frame) -> Frame:
        """Compress a data frame."""
        if frame.opcode in CTRL_OPCODES:
            return frame
        data = self.codec.encode(bytes(frame.data), frame.fin)
        return replace(frame, data=data, rsv1=frame.opcode is not Opcode.CONT)


def _settings(compress_settings: dict[str, Any] | None) -> dict[str, Any]:
    """The options of wscore for those of `zlib.compressobj`, whose default memLevel is 8.

    Raises ValueError for one that wscore does not have.
    """
    settings = dict(compress_settings or {})
    options = {"level": settings.pop("level", None), "mem_level": settings.pop("memLevel", 8)}
    if settings:
        known = "compress_settings may have level and memLevel"
        raise ValueError(f"{known}, not {', '.join(map(str, settings))}")
    return options


class _Factory(Deflate):
    """What both factories are: wscore's extension, with websockets' arguments."""

    def __init__(
        self,
        server_no_context_takeover: bool,
        client_no_context_takeover: bool,
        server_max_window_bits: int | None,
        client_max_window_bits: int | None,
        compress_settings: dict[str, Any] | None,
        least: tuple[int, int],
    ) -> None:
        windows: dict[str, Any] = {
            "server_max_window_bits": server_max_window_bits,
            "client_max_window_bits": client_max_window_bits,
        }
        for (name, bits), smallest in zip(windows.items(), least, strict=True):
            if bits is not None and not smallest <= bits <= 15:
                raise ValueError(f"{name} must be between {smallest} and 15")
        super().__init__(
            server_no_context_takeover=server_no_context_takeover,
            client_no_context_takeover=client_no_context_takeover,
            threshold=0,  # as websockets, which compresses every message
            **{name: bits and max(bits, 9) for name, bits in windows.items()},
            **_settings(compress_settings),
        )
        # A window of 8 bits may be asked of the peer, if not of zlib here.
        self.wanted = self.wanted._replace(**windows)
        self.compress_settings = compress_settings
        self.server_no_context_takeover = server_no_context_takeover
        self.client_no_context_takeover = client_no_context_takeover
        self.server_max_window_bits = server_max_window_bits
        self.client_max_window_bits: int | None = client_max_window_bits


class ClientPerMessageDeflateFactory(_Factory, ClientExtensionFactory):
    """permessage-deflate for clients; True for *client_max_window_bits* sets no limit."""

    name = _NAME

    def __init__(
        self,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int | None = None,
        client_max_window_bits: int | Literal[True] | None = True,
        compress_settings: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits,
            15 if client_max_window_bits is True else client_max_window_bits,
            compress_settings,
            (8, 9),
        )
        self.client_max_window_bits = client_max_window_bits

    def offers(self) -> list[ExtensionParams]:
        """One offer, as websockets makes it: the server's window is asked for, not wished."""
        return [list(self.get_request_params())]

    def get_request_params(self) -> Sequence[ExtensionParameter]:
        """Return the parameters of the offer."""
        return sorted(super().offers()[0], key=lambda param: _PARAMETERS.index(param[0]))

    def process_response_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> PerMessageDeflate:
        """Take the server's answer. Raises NegotiationError if it is not acceptable."""
        _check_new(accepted_extensions)
        _check_parameters(params, offer=False)
        return _at_work(self, self.confirm(list(params)))

    def confirm(self, answer: ExtensionParams) -> MessageCodec:
        """Take the server's answer, which must keep to the limits that were asked for."""
        codec = super().confirm(answer)
        given = dict(answer)
        for name, wanted in (
            ("server_max_window_bits", self.wanted.server_max_window_bits),
            ("client_max_window_bits", self.wanted.client_max_window_bits),
        ):
            bits = given.get(name)
            if bits is None and (name.startswith("client") or wanted is None):
                continue
            if bits is None or (wanted is not None and int(bits) > wanted):
                raise NegotiationError(f"unsupported {name}")
        return codec


class ServerPerMessageDeflateFactory(_Factory, ServerExtensionFactory):
    """permessage-deflate for servers.

    With *require_client_max_window_bits* offers of clients that cannot limit their window are
    declined.
    """

    name = _NAME

    def __init__(
        self,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int | None = None,
        client_max_window_bits: int | None = None,
        compress_settings: dict[str, Any] | None = None,
        require_client_max_window_bits: bool = False,
    ) -> None:
        if require_client_max_window_bits and client_max_window_bits is None:
            raise ValueError("require_client_max_window_bits needs client_max_window_bits")
        super().__init__(
            server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits,
            client_max_window_bits,
            compress_settings,
            (9, 8),
        )
        self.require_client_max_window_bits = require_client_max_window_bits

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        """Return the answer to an offer. Raises NegotiationError to decline it."""
        _check_new(accepted_extensions)
        _check_parameters(params, offer=True)
        accepted = self.accept(list(params))
        if accepted is None:
            raise NegotiationError("permessage-deflate: the offer is not acceptable")
        answer, codec = accepted
        return answer, _at_work(self, codec)

    def accept(self, offer: ExtensionParams) -> tuple[ExtensionParams, MessageCodec | None] | None:
        """Answer one offer; None declines it."""
        if self.require_client_max_window_bits and "client_max_window_bits" not in dict(offer):
            return None
        return super().accept(offer)


def _at_work(factory: _Factory, codec: MessageCodec | None) -> PerMessageDeflate:
    agreed = cast(DeflateCodec, codec)
    return PerMessageDeflate(*agreed.parameters, factory.compress_settings, codec=agreed)


def _check_new(accepted: Sequence[Extension]) -> None:
    if any(extension.name == _NAME for extension in accepted):
        raise NegotiationError(f"duplicate {_NAME}")


def _check_parameters(params: Sequence[ExtensionParameter], *, offer: bool) -> None:
    """Name what is wrong with parameters that wscore would refuse. Raises NegotiationError."""
    seen: set[str] = set()
    for name, value in params:
        if name not in _PARAMETERS:
            raise InvalidParameterName(name)
        if name in seen:
            raise DuplicateParameter(name)
        seen.add(name)
        if name.endswith("takeover") or (offer and name[0] == "c" and value is None):
            legal = value is None
        else:
            legal = value is not None and value in map(str, range(8, 16))
        if not legal:
            raise InvalidParameterValue(name, value)


def enable_client_permessage_deflate(
    extensions: Sequence[ClientExtensionFactory] | None,
) -> Sequence[ClientExtensionFactory]:
    """Return *extensions* with permessage-deflate, unless it is among them."""
    present = list(extensions or ())
    if any(extension.name == _NAME for extension in present):
        return present
    return [*present, ClientPerMessageDeflateFactory(compress_settings={"memLevel": 5})]


def enable_server_permessage_deflate(
    extensions: Sequence[ServerExtensionFactory] | None,
) -> Sequence[ServerExtensionFactory]:
    """Return *extensions* with permessage-deflate, unless it is among them."""
    present = list(extensions or ())
    if any(extension.name == _NAME for extension in present):
        return present
    default = ServerPerMessageDeflateFactory(
        server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5}
    )
    return [*present, default]
