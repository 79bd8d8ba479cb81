"""Bytes on the wire, as the kernel counted them for each TCP connection.

`TCP_INFO` has, for both directions, the bytes of the stream and the segments that carried them,
those that only acknowledge included. To each segment belong an IPv4 and a TCP header.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["ETHERNET_MSS", "Wire", "of_port"]

# What fits in a frame of Ethernet beside both headers. A listening socket that is told so gets
# and sends segments of that size on the loopback interface as well.
ETHERNET_MSS = 1460
HEADERS, TIMESTAMPS = 20 + 20, 12
HAS_TIMESTAMPS = 1  # TCPI_OPT_TIMESTAMPS
# Offsets in struct tcp_info (linux/tcp.h).
OPTIONS, RECEIVED, SEGMENTS, SENT = 5, 128, 136, 200
SIZE = 208


class Wire(NamedTuple):
    """Sums over connections; ``total`` is what an IP network carried for them."""

    connections: int
    stream: int
    segments: int
    total: int


def of_port(port: int, without: int) -> Wire:
    """Sums over this process's connections to *port*, but for the one with peer port *without*."""
    sums = Wire(0, 0, 0, 0)
    for connection in _connections(port, without):
        sums = Wire(*map(sum, zip(sums, _counted(connection), strict=True)))
    return sums


def _counted(connection: socket.socket) -> Wire:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)
    if len(info) < SIZE:
        raise OSError("the kernel is too old: its TCP_INFO has no bytes_sent (Linux 4.19)")
    stream = struct.unpack_from("Q", info, RECEIVED)[0] + struct.unpack_from("Q", info, SENT)[0]
    segments = sum(struct.unpack_from("II", info, SEGMENTS))
    headers = HEADERS + (TIMESTAMPS if info[OPTIONS] & HAS_TIMESTAMPS else 0)
    return Wire(1, stream, segments, stream + headers * segments)


def _connections(port: int, without: int) -> Iterator[socket.socket]:
    for name in os.listdir("/proc/self/fd"):
        try:
            copy = socket.socket(fileno=os.dup(int(name)))
        except OSError:  # no socket, or the descriptor of the listing itself
            continue
        with copy:
            if copy.family != socket.AF_INET or copy.type != socket.SOCK_STREAM:
                continue
            try:
                peer = copy.getpeername()
            except OSError:  # the one that listens
                continue
            if copy.getsockname()[1] == port and peer[1] != without:
                yield copy
