"""WAMP: a router for publish and subscribe, and for calls, in JSON and in MessagePack.

$ python examples/wamp_router.py --port 8080

It needs `msgpack`. It is a broker, whose topics are rooms of a hub, and a dealer, by the basic
profile of https://wamp-proto.org. Everybody may enter, so it listens on 127.0.0.1 only.
"""

import argparse
import asyncio
import json
import random
import re
import signal
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from functools import partial
from typing import Any, NoReturn

import msgpack

import wscore
from wscore.subprotocols import WAMP_2_JSON, WAMP_2_MSGPACK, client_preference


class Code(IntEnum):
    HELLO, WELCOME, ABORT, GOODBYE, ERROR = 1, 2, 3, 6, 8
    PUBLISH, PUBLISHED, CALL, RESULT, YIELD = 16, 17, 48, 50, 70
    SUBSCRIBE, SUBSCRIBED, UNSUBSCRIBE, UNSUBSCRIBED, EVENT = range(32, 37)
    REGISTER, REGISTERED, UNREGISTER, UNREGISTERED, INVOCATION = range(64, 69)


class Abort(Exception):
    """Ends a session, whose client has broken a rule: that one."""


class Failure(Exception):
    """The answer to a request: an error of that name."""


def revived(value: Any) -> Any:
    """*value*, in which strings that begin with NUL stand for bytes."""
    if isinstance(value, str) and value.startswith("\0"):
        return b64decode(value[1:], validate=True)
    if isinstance(value, list):
        return [revived(item) for item in value]
    return {k: revived(v) for k, v in value.items()} if isinstance(value, dict) else value


def unknown(*value: Any) -> NoReturn:
    raise ValueError("NaN in JSON and extensions of MessagePack are no values of WAMP")


def load_json(message: str) -> Any:
    value = json.loads(message, parse_constant=unknown)
    return revived(value) if "\\u0000" in message else value  # TypeError for a binary message


def dump_json(value: Any) -> str:  # ValueError for NaN, and for half a surrogate pair
    written = partial(json.dumps, default=lambda b: f"\0{b64encode(b).decode()}")
    return written(value, allow_nan=False, ensure_ascii=False).encode().decode()


# For each subprotocol: how to read and write its messages.
WIRES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    WAMP_2_JSON: (load_json, dump_json),
    WAMP_2_MSGPACK: (partial(msgpack.unpackb, ext_hook=unknown), msgpack.packb),
}
UNFIT = ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException


def dump(wire: str, message: tuple[Any, ...]) -> Any:
    """What a client has sent may be too much for the serialisation of others."""
    with suppress(*UNFIT):
        return WIRES[wire][1](message)
    raise Abort("a value cannot be written in every serialisation")


URI = re.compile(r"(?!.{1001})[^\s.#]+(\.[^\s.#]+)*")  # of 1,000 characters at most
FREE = re.compile(rf"(?!wamp\.){URI.pattern}")  # not for clients to publish to, or to register
URIS = {Code.PUBLISH: FREE, Code.REGISTER: FREE, Code.SUBSCRIBE: URI, Code.CALL: URI}
CHECKS: dict[str, Callable[[Any], bool]] = {
    "i": lambda value: type(value) is int and 0 < value <= 1 << 53,
    "u": lambda value: isinstance(value, str),  # what else a URI needs is seen later
    "d": lambda value: isinstance(value, dict) and all(isinstance(key, str) for key in value),
    "l": lambda value: isinstance(value, list),
}
# The fields of each message: ids, URIs, dicts, lists. A payload, "ld", may be left out.
FIELDS: dict[int, str] = {
    Code.HELLO: "ud", Code.GOODBYE: "du", Code.ABORT: "duld", Code.SUBSCRIBE: "idu",
    Code.UNSUBSCRIBE: "ii", Code.PUBLISH: "iduld", Code.REGISTER: "idu",
    Code.UNREGISTER: "ii", Code.CALL: "iduld", Code.YIELD: "idld", Code.ERROR: "iiduld",
}  # fmt: skip


def checked(wire: str, message: str | bytes) -> tuple[Code, list[Any]]:
    """The code of *message*, and its fields."""
    read: Any = None
    with suppress(*UNFIT):
        read = WIRES[wire][0](message)
    code, *fields = read if isinstance(read, list) and read else [None]
    if type(code) is not int or code not in FIELDS:
        raise Abort(f"a message is no list in {wire} that begins with a code of clients")
    least = len((kinds := FIELDS[code]).removesuffix("ld"))
    fitting = [CHECKS[kind](value) for kind, value in zip(kinds, fields, strict=False)]
    if not (least <= len(fields) <= len(kinds) and all(fitting)):
        raise Abort(f"{Code(code).name} with wrong fields")
    return Code(code), fields


realms: set[str] = set()
sessions: set["Session"] = set()
# By realm and URI: clients see nobody of another realm.
topics: dict[tuple[str, str], int] = {}
procedures: dict[tuple[str, str], tuple[int, "Session"]] = {}
# A room for each topic and serialisation, so that an event is encoded once for each of them.
hub = wscore.Hub()
room = "{}/{}".format  # of a subscription and a subprotocol
router_ids = iter(range(1, 1 << 53))  # of subscriptions and registrations
global_id = partial(random.randint, 1, 1 << 53)  # of sessions and publications
MOST = 1000  # subscriptions and registrations of a client, and calls that it waits for
PATIENCE = 10.0  # seconds until HELLO
WAITING = 1 << 20  # bytes that a callee has not taken, beyond which it gets no calls


class Session(wscore.Listener[wscore.ServerConnection]):
    """One client. Whatever it sends, nobody suffers but itself."""

    def on_open(self, ws: wscore.ServerConnection) -> None:
        self.ws, self.wire, self.realm = ws, ws.subprotocol or "", ""
        self.subscriptions: dict[int, tuple[str, str]] = {}
        self.registrations: dict[int, tuple[str, str]] = {}
        self.invocations = 0
        self.pending: dict[int, tuple[Session, int]] = {}  # by invocation: the caller, its request
        self.calls: set[tuple[Session, int]] = set()  # the callees and their invocations
        self.hurry = asyncio.get_running_loop().call_later(PATIENCE, self.abort, "no HELLO")

    def on_message(self, ws: wscore.ServerConnection, message: str | bytes) -> None:
        try:
            code, fields = checked(self.wire, message)
            if code is not Code.ABORT and (code is Code.HELLO) is bool(self.realm):
                raise Abort(f"{code.name} at a wrong time")
            try:
                if code in URIS and not URIS[code].fullmatch(fields[2]):
                    raise Failure("invalid_uri")
                getattr(self, f"on_{code.name.lower()}")(*fields)
            except Failure as failure:
                if code is not Code.PUBLISH or fields[1].get("acknowledge") is True:
                    self.send(Code.ERROR, code, fields[0], {}, f"wamp.error.{failure}")
        except Abort as abort:
            self.abort(str(abort))

    def abort(self, why: str, reason: str = "protocol_violation", code: int = 1002) -> None:
        self.on_close()
        self.send(Code.ABORT, {"message": why}, f"wamp.error.{reason}")
        self.ws.start_close(code)

    def send(self, *message: Any) -> None:
        encoded = dump(self.wire, message)
        with suppress(wscore.ConnectionClosed):  # who has left does not get it
            self.ws.write(encoded)

    def on_hello(self, name: str, details: dict[str, Any]) -> None:
        roles = details.get("roles")
        if not (isinstance(roles, dict) and roles and all(map(CHECKS["d"], roles.values()))):
            raise Abort("HELLO without roles")
        if name not in realms:
            self.abort("there is no such realm", "no_such_realm", 1000)
            return
        self.hurry.cancel()
        self.realm = name
        sessions.add(self)
        offered = {"broker": {"features": {"publisher_exclusion": True}}, "dealer": {}}
        self.send(Code.WELCOME, global_id(), {"realm": name, "roles": offered})

    def on_abort(self, details: dict[str, Any], reason: str, *payload: Any) -> None:
        self.on_close()
        self.ws.start_close()

    def on_goodbye(self, details: dict[str, Any], reason: str) -> None:
        self.send(Code.GOODBYE, {}, "wamp.close.goodbye_and_out")
        self.on_abort(details, reason)

    def on_close(self, *closed: Any, **more: Any) -> None:
        """Nobody hears from this client, or waits for it, any more."""
        self.hurry.cancel()
        self.realm = ""
        sessions.discard(self)
        for subscription, topic in self.subscriptions.items():
            self.leave(subscription, topic)
        for procedure in self.registrations.values():
            del procedures[procedure]
        for callee, invocation in self.calls:
            del callee.pending[invocation]
        for invocation, (caller, request) in self.pending.items():
            caller.calls.discard((self, invocation))
            caller.send(Code.ERROR, Code.CALL, request, {}, "wamp.error.canceled")
        self.subscriptions, self.registrations, self.pending, self.calls = {}, {}, {}, set()

    def on_subscribe(self, request: int, options: dict[str, Any], uri: str) -> None:
        subscription = topics.get(topic := (self.realm, uri)) or next(router_ids)
        if subscription not in self.subscriptions and len(self.subscriptions) >= MOST:
            raise Failure("unavailable")
        hub.join(self.ws, room(subscription, self.wire))
        topics[topic] = subscription
        self.subscriptions[subscription] = topic
        self.send(Code.SUBSCRIBED, request, subscription)

    def on_unsubscribe(self, request: int, subscription: int) -> None:
        if (topic := self.subscriptions.pop(subscription, None)) is None:
            raise Failure("no_such_subscription")
        self.leave(subscription, topic)
        self.send(Code.UNSUBSCRIBED, request)

    def leave(self, subscription: int, topic: tuple[str, str]) -> None:
        hub.leave(self.ws, room(subscription, self.wire))
        empty = not any(hub.members(room(subscription, wire)) for wire in WIRES)
        if empty and topics.get(topic) == subscription:
            del topics[topic]

    def on_publish(self, request: int, options: dict[str, Any], uri: str, *payload: Any) -> None:
        publication = global_id()
        if (subscription := topics.get((self.realm, uri))) is not None:
            event = (Code.EVENT, subscription, publication, {}, *payload)
            rooms = {wire: room(subscription, wire) for wire in WIRES}
            events = {wire: dump(wire, event) for wire in WIRES if hub.members(rooms[wire])}
            exclude = None if options.get("exclude_me") is False else self.ws
            for wire, encoded in events.items():
                hub.publish(rooms[wire], encoded, exclude=exclude)
        if options.get("acknowledge") is True:
            self.send(Code.PUBLISHED, request, publication)

    def on_register(self, request: int, options: dict[str, Any], uri: str) -> None:
        if (procedure := (self.realm, uri)) in procedures:
            raise Failure("procedure_already_exists")
        if len(self.registrations) >= MOST:
            raise Failure("unavailable")
        registration = next(router_ids)
        procedures[procedure] = registration, self
        self.registrations[registration] = procedure
        self.send(Code.REGISTERED, request, registration)

    def on_unregister(self, request: int, registration: int) -> None:
        if (procedure := self.registrations.pop(registration, None)) is None:
            raise Failure("no_such_registration")
        del procedures[procedure]
        self.send(Code.UNREGISTERED, request)

    def on_call(self, request: int, options: dict[str, Any], uri: str, *payload: Any) -> None:
        if (procedure := (self.realm, uri)) not in procedures:
            raise Failure("no_such_procedure")
        registration, callee = procedures[procedure]
        if len(self.calls) >= MOST or callee.ws.stats.bytes_unsent > WAITING:
            raise Failure("unavailable")
        callee.send(Code.INVOCATION, callee.invocations + 1, registration, {}, *payload)
        callee.invocations += 1
        callee.pending[callee.invocations] = self, request
        self.calls.add((callee, callee.invocations))

    def on_yield(self, invocation: int, options: dict[str, Any], *payload: Any) -> None:
        self.answer([Code.RESULT], invocation, *payload)

    def on_error(self, about: int, invocation: int, details: Any, uri: str, *payload: Any) -> None:
        if about != Code.INVOCATION or not URI.fullmatch(uri):
            raise Abort("ERROR that is about no invocation, or without a URI")
        self.answer([Code.ERROR, Code.CALL], invocation, uri, *payload)

    def answer(self, codes: list[Code], invocation: int, *rest: Any) -> None:
        if invocation > self.invocations:
            raise Abort("an answer to no invocation")
        if invocation in self.pending:  # or else its caller has left
            caller, request = self.pending[invocation]
            caller.send(*codes, request, {}, *rest)
            del self.pending[invocation]
            caller.calls.remove((self, invocation))


async def main() -> None:
    options = argparse.ArgumentParser(description="A router for WAMP.")
    options.add_argument("--port", type=int, default=8080)
    options.add_argument("--realm", action="append", help="may be repeated (realm1)")
    given = options.parse_args()
    realms.update(given.realm or ["realm1"])
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    select = client_preference(*WIRES)  # refuses clients that speak neither
    limits: Any = {"select_subprotocol": select, "max_unsent": 1 << 23, "overflow": "close"}
    async with wscore.serve(Session, "127.0.0.1", given.port, **limits) as server:
        print(f"listening on ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
        await stop.wait()
        for session in set(sessions):
            session.send(Code.GOODBYE, {}, "wamp.close.system_shutdown")


if __name__ == "__main__":
    asyncio.run(main())
