"""What `bench.asgi` measures: one ASGI application on each WebSocket class of uvicorn.

Goals are against the best of uvicorn's own classes, so there is one against each of them. Without
a ratio they are told: they are about another loop, or another way to measure.
"""

from __future__ import annotations

from . import Echo
from .cases import Case, Goal, Handshakes
from .churn import Churn
from .fan import Fan

__all__ = ["ASGI_CASES", "OTHERS", "OWN"]

OWN = ("websockets", "websockets-sansio", "wsproto")
OTHERS = ("granian", "hypercorn", "daphne")
ON_ASYNCIO = ", asyncio"


def _names(app: str, servers: tuple[str, ...], suffix: str = "") -> tuple[str, ...]:
    return tuple(f"{server}, {app}{suffix}" for server in servers)


def _goals(
    app: str, ratio: float | None = None, measure: str = "seconds", suffix: str = "",
    rivals: str = "",
) -> tuple[Goal, ...]:  # fmt: skip
    subject = f"wscore, {app}{suffix}"
    return tuple(Goal(subject, f"{own}, {rivals or app}{suffix}", ratio, measure) for own in OWN)


def _echo(app: str, in_flight: int, ratio: float) -> Case:
    contenders = (
        *_names(app, ("wscore", *OWN)),
        *_names(app, ("wscore", *OWN), ON_ASYNCIO),
        *_names(app, OTHERS),
    )
    return Case(
        f"asgi-{app}-{in_flight}",
        contenders,
        (*_goals(app, ratio), *_goals(app, suffix=ON_ASYNCIO)),
        load=Echo(16, in_flight, 64, "text"),
    )


def _idle(app: str, connections: int, ratio: float | None) -> Case:
    return Case(
        f"asgi-{app}-idle",
        _names(app, ("wscore", *OWN, *OTHERS)),
        _goals(app, ratio, "bytes"),
        load=Handshakes(count=connections),
        most_rounds=1 if connections > 2000 else 2,  # memory is the same each time
    )


def _churn(app: str, closing: bool, ratio: float | None) -> Case:
    return Case(
        f"asgi-{app}-handshakes" + "-closing" * closing,
        _names(app, ("wscore", *OWN, *OTHERS)),
        _goals(app, ratio),
        load=Churn(16, 1000, closing),
    )


def _broadcast(name: str, load: Fan, ratio: float | None) -> Case:
    return Case(
        name,
        ("wscore, hub", *_names("manager", ("wscore", *OWN))),
        _goals("hub", ratio, rivals="manager"),
        load=load,
    )


ASGI_CASES = (
    _echo("raw", 1, 2.0),
    _echo("raw", 32, 6.0),
    _echo("fastapi", 1, 1.5),
    _echo("fastapi", 32, 3.0),
    _idle("raw", 2000, 2.5),
    _idle("fastapi", 5000, None),
    _churn("raw", closing=False, ratio=1.3),
    _churn("raw", closing=True, ratio=1.3),
    _churn("fastapi", closing=True, ratio=None),
    _broadcast("asgi-broadcast-all", Fan(100, 64, everybody=True, text=True), 10.0),
    _broadcast("asgi-broadcast-one", Fan(100, 64, in_flight=10, text=True), None),
)
