"""What nodes tell each other: a binary envelope, in one piece or not at all.

::

    0       4      5       6      22       30     32       34    36     40       44
    | WSC 1 | kind | flags | node | number | room | sender | id  | info | message | room sender ...
                                           |------ lengths of the parts --------|

All numbers are big-endian. The last byte of the magic is the version: a node drops what it does not
know, so that nodes of two versions can run side by side. In rooms with history the broker puts a
`Stamp` in front, when it knows the position.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, NamedTuple

from ..._backend import is_utf8
from ...codes import Opcode
from ..broker import Encoded
from ..publication import Position, Publication

if TYPE_CHECKING:
    from ..publication import Kind

__all__ = ["KINDS", "Packet", "PacketError", "UnknownVersionError", "decode", "encode",
           "encode_message", "message_in", "packet_of", "publication_of", "unstamp"]  # fmt: skip

_MAGIC, _VERSION = b"WSC", 1
_HEAD = struct.Struct(">3sBBB16sQHHHII")
# The same for a message without sender: what it lacks is one number, which is 0.
_MESSAGE_HEAD = struct.Struct(">3sBBB16sQHQI")
_STAMP = b"WSP"
_EPOCH, _OFFSET = 16, 20
_STAMPED = len(_STAMP) + _EPOCH + _OFFSET

KINDS = ("message", "join", "leave", "ask", "answer")
"""What a packet is: publications, and the questions of nodes and their answers."""

_PUBLICATIONS: dict[str, Kind] = {"message": "message", "join": "join", "leave": "leave"}

_TEXT, _HAS_SENDER, _HAS_ID, _HAS_INFO = 1, 2, 4, 8
_MESSAGE = KINDS.index("message")
_OPCODES = int(Opcode.BINARY), int(Opcode.TEXT)


class PacketError(ValueError):
    """Bytes that are no packet."""


class UnknownVersionError(PacketError):
    """A packet of a newer version."""


class Packet(NamedTuple):
    """Something that a node tells the others."""

    kind: str
    node: bytes
    """16 bytes, which no other node has."""
    number: int
    """What *node* calls this packet, and no other one."""
    room: str
    message: str | bytes = b""
    sender: str | None = None
    id: str | None = None
    """Who has come or gone."""
    info: str | None = None
    """JSON."""


def encode(packet: Packet) -> bytes:
    """Return the bytes of *packet*. Raises ValueError if a part of it is too long."""
    message, is_text = packet.message, isinstance(packet.message, str)
    payload = message.encode() if isinstance(message, str) else message
    flags = _TEXT * is_text
    parts = [packet.room.encode()]
    for flag, part in (
        (_HAS_SENDER, packet.sender),
        (_HAS_ID, packet.id),
        (_HAS_INFO, packet.info),
    ):
        flags |= flag * (part is not None)
        parts.append(b"" if part is None else part.encode())
    kind, sizes = KINDS.index(packet.kind), [len(part) for part in (*parts, payload)]
    try:
        head = _HEAD.pack(_MAGIC, _VERSION, kind, flags, packet.node, packet.number, *sizes)
    except struct.error:
        raise ValueError(
            f"other nodes get at most 65,535 bytes of a sender, and 4 GiB of a message; "
            f"these are {sizes[1]} and {sizes[-1]} bytes"
        ) from None
    return b"".join([head, *parts, payload])


def decode(data: bytes) -> Packet:
    """Return the packet that *data* is. Raises PacketError for anything else."""
    if len(data) < _HEAD.size:
        raise PacketError(f"{len(data)} bytes are too few for a packet")
    # Without loops: each publication of other nodes comes through here.
    (magic, version, kind, flags, node, number,
     room, sender, id, info, message) = _HEAD.unpack_from(data)  # fmt: skip
    if magic != _MAGIC:
        raise PacketError("not a packet of wscore")
    if version != _VERSION:
        raise UnknownVersionError(f"a packet of version {version}")
    if kind >= len(KINDS):
        raise UnknownVersionError(f"a packet of an unknown kind, {kind}")
    sender_at = _HEAD.size + room
    id_at = sender_at + sender
    info_at = id_at + id
    message_at = info_at + info
    if message_at + message != len(data):
        raise PacketError("the lengths in a packet do not add up")
    try:
        return Packet(
            KINDS[kind],
            node,
            number,
            data[_HEAD.size : sender_at].decode(),
            data[message_at:].decode() if flags & _TEXT else data[message_at:],
            data[sender_at:id_at].decode() if flags & _HAS_SENDER else None,
            data[id_at:info_at].decode() if flags & _HAS_ID else None,
            data[info_at:message_at].decode() if flags & _HAS_INFO else None,
        )
    except UnicodeDecodeError as error:
        raise PacketError(f"a packet with text that is not UTF-8: {error.reason}") from None


# Most packets are messages of applications that say nothing of a sender. As long as nobody encodes
# them anew they go from sockets to sockets: this is the short way.


def encode_message(node: bytes, number: int, room: str, encoded: Encoded) -> bytes:
    """As `encode`, of a message without sender, from what goes to sockets.

    Raises ValueError if it is too long.
    """
    opcode, payload = encoded
    name, is_text = room.encode(), opcode == Opcode.TEXT
    try:
        head = _MESSAGE_HEAD.pack(
            _MAGIC, _VERSION, _MESSAGE, is_text, node, number, len(name), 0, len(payload)
        )
    except struct.error:
        raise ValueError(
            f"other nodes get at most 4 GiB of a message; this has {len(payload)} bytes"
        ) from None
    return b"".join((head, name, payload))


def message_in(data: bytes, room: bytes) -> tuple[bytes, tuple[int, bytes]] | None:
    """The node, and what goes to sockets, of a message in *room* without sender.

    None for all else, which is for `decode` to look at.
    """
    if len(data) < _MESSAGE_HEAD.size:
        return None
    magic, version, kind, flags, node, _, name, others, size = _MESSAGE_HEAD.unpack_from(data)
    payload_at = _MESSAGE_HEAD.size + name
    if (
        kind != _MESSAGE
        or version != _VERSION
        or magic != _MAGIC
        or flags > _TEXT
        or others
        or payload_at + size != len(data)
        or data[_MESSAGE_HEAD.size : payload_at] != room
    ):
        return None
    payload = data[payload_at:]
    return None if flags and not is_utf8(payload) else (node, (_OPCODES[flags], payload))


def unstamp(data: bytes) -> tuple[Position | None, bytes]:
    """The position that the broker has put in front of a packet, None without one, and the rest.

    Raises PacketError for a position that is none.
    """
    if not data.startswith(_STAMP):
        return None, data
    epoch = data[len(_STAMP) : len(_STAMP) + _EPOCH]
    offset = data[len(_STAMP) + _EPOCH : _STAMPED]
    if len(data) < _STAMPED or not (epoch.isalnum() and offset.isdigit()):
        raise PacketError("a position that is none")
    return Position(epoch.decode("ascii"), int(offset)), data[_STAMPED:]


def packet_of(publication: Publication, node: bytes, number: int) -> Packet:
    """What tells other nodes of *publication*."""
    info = publication.info
    return Packet(
        publication.kind,
        node,
        number,
        publication.room,
        publication.message,
        publication.sender,
        publication.id,
        None if info is None else json.dumps(info, ensure_ascii=False),
    )


def publication_of(packet: Packet, position: Position | None) -> Publication:
    """What *packet* tells. Raises PacketError for what is no publication."""
    kind = _PUBLICATIONS.get(packet.kind)
    if kind is None:
        raise PacketError(f"{packet.kind!r} is no publication")
    try:
        info = None if packet.info is None else json.loads(packet.info)
    except (ValueError, RecursionError) as error:
        raise PacketError(f"a packet with info that is no JSON: {error}") from None
    return Publication(
        packet.room,
        packet.message,
        position,
        packet.node.hex(),
        packet.sender,
        kind,
        info,
        packet.id,
    )
