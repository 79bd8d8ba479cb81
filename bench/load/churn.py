"""Connections that come, and go: the load for handshakes."""

from __future__ import annotations

from dataclasses import dataclass

from .programs import run

__all__ = ["Churn", "ChurnFigures", "churn"]

PATIENCE = 60  # seconds


@dataclass(frozen=True)
class Churn:
    """*count* connections, *at_once* at the same time.

    With *closing* a closing handshake ends each as soon as it is open; else all of them stay.
    """

    at_once: int
    count: int
    closing: bool


@dataclass(frozen=True)
class ChurnFigures:
    """Seconds for a connection on the clock and of the server's CPU.

    ``load`` is the part of a core that the load used.
    """

    seconds: float
    cpu: float
    load: float


def churn(load: Churn, port: int, server: int) -> ChurnFigures:
    """Open connections to the server with process id *server*.

    Raises Refused when a handshake of either kind fails, Missing without a C compiler.
    """
    how = "closing" if load.closing else "keeping"
    found = run("churn_load", port, load.at_once, load.count, how, server, timeout=PATIENCE)
    return ChurnFigures(1 / found["per_second"], found["cpu"], found["load"])
