"""The chat: rooms on a `wscore.Hub`, and the protocol between its page and the server.

Pages send JSON objects with a "type". They get two kinds of JSON: what the hub publishes, in its
`envelope` ("room", "kind", "position", "data"...), and answers, which have a "type".

| request | answer |
|---|---|
| hello: name, token | welcome: name, who, engine, limits, node |
| join: room, since | what was missed, in envelopes; then joined: room, missed, gap, people |
| leave: room | none; a page is in one room at a time |
| say: id, text | none but the publication, in the room; refused: id, reason |
| typing | none but a publication for the others, in "typing:" + the room |
| ping: t | pong: t |
| crowd: on; wave | none but the figures, in the room "panel" |
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..aio import Listener
from ..cli.output import note
from ..errors import BrokerUnavailable, ConnectionClosed, PublishRefused, SendQueueFull
from ..hub import Hub, Position, Room, envelope
from .crowd import Crowd
from .limits import (
    MAX_NAME,
    MAX_TEXT,
    Rate,
    Refused,
    checked_id,
    checked_name,
    checked_room,
    checked_since,
    checked_text,
    parse,
)
from .panel import PANEL, Panel, engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ..aio import ServerConnection
    from ..hub import Resumed

__all__ = ["Chat", "Visitor"]

ROOMS = ("lobby", "ideas", "random")
"""Always listed; visitors may open others."""
MAX_ROOMS = 200  # with members
LISTED = 20
PEOPLE = 100  # named in the answer to a join

CHAT = Room(history=200, history_bytes=256 * 1024, ttl=3600, presence=True, events=True)
HUB_ROOMS = {"chat:": CHAT, "": Room()}

# A person types far less. Over the first rate a message is refused, over the second the
# connection is closed: no page of ours does that.
SAYS = (3, 10)  # a second, at once
REQUESTS = (50, 200)


@dataclass(slots=True, eq=False)
class Visitor:
    """What the chat knows of a connection."""

    ws: ServerConnection
    says: Rate
    requests: Rate
    name: str = ""
    who: str = ""
    """Who it is to others: the same after a reconnection; empty before its hello."""
    simulated: bool = False
    room: str | None = None
    joining: set[asyncio.Task[None]] = field(default_factory=set)

    def tell(self, kind: str, **facts: Any) -> None:
        """Send an answer."""
        self.ws.write(json.dumps({"type": kind, **facts}))


class Chat(Listener):
    """One chat with all its rooms; all of its connections share it.

    With the *url* of a hub, it is one with the chats of other nodes; *node* is the name of this
    one. Names of visitors differ on each node; simulated members with *ticket* may come from any.
    """

    def __init__(self, url: str | None = None, *, node: str = "", ticket: str = "") -> None:
        self.hub = Hub(url, rooms=HUB_ROOMS, encode=envelope)
        self.node = node
        self.visitors: dict[ServerConnection, Visitor] = {}
        self.crowd = Crowd(changed=self._crowd_changed, told=self._crowd_told, ticket=ticket)
        self.panel = Panel(self.hub, self._figures, node)
        self._uri = ""
        self._connections: Callable[[], int] = lambda: len(self.visitors)
        self._requests = {
            "hello": self._hello,
            "join": self._join,
            "leave": self._leave,
            "say": self._say,
            "typing": self._typing,
            "ping": self._ping,
            "crowd": self._crowd,
            "wave": self._wave,
        }

    @asynccontextmanager
    async def serving(self, uri: str, connections: Callable[[], int]) -> AsyncIterator[None]:
        """Publish figures meanwhile, with the number of *connections*; then end the crowd.

        *uri* is where the crowd connects to.
        """
        self._uri, self._connections = uri, connections
        publishing = asyncio.ensure_future(self.panel.run())
        try:
            yield
        finally:
            publishing.cancel()
            with suppress(asyncio.CancelledError):
                await publishing
            await self.crowd.stop()
            await self.hub.close()

    # Connections

    def on_open(self, ws: ServerConnection) -> None:
        now = time.monotonic()
        self.visitors[ws] = Visitor(ws, Rate(*SAYS, now), Rate(*REQUESTS, now))

    def on_message(self, ws: ServerConnection, message: str | bytes) -> None:
        visitor = self.visitors[ws]
        if not visitor.requests.allows(time.monotonic()):
            ws.start_close(1008, "too many requests")
            return
        try:
            request = parse(message)
            kind = request.get("type")
            if not isinstance(kind, str) or kind not in self._requests:
                raise ValueError("no such type of request")
            if not visitor.who and kind != "hello":
                raise ValueError("the first request is a hello")
            self._requests[kind](visitor, request)
        except (Refused, PublishRefused) as refusal:
            visitor.tell("refused", to=kind, id=request.get("id"), reason=str(refusal))
        except ValueError as error:
            ws.start_close(1008, str(error)[:100])

    def on_close(self, ws: ServerConnection, close: object) -> None:
        visitor = self.visitors.pop(ws)
        for task in visitor.joining:
            task.cancel()

    # Requests

    def _hello(self, visitor: Visitor, request: dict[str, Any]) -> None:
        if request.get("ticket") == self.crowd.ticket:
            visitor.simulated = True
            visitor.who = visitor.name = "simulated"
            return
        name, token = checked_name(request.get("name")), checked_id(request.get("token"))
        known = visitor.who
        visitor.who = hashlib.sha256(token.encode()).hexdigest()[:12]
        visitor.name = self._free_name(name, visitor.who)
        visitor.tell(
            "welcome",
            name=visitor.name,
            who=visitor.who,
            engine=engine(),
            limits={"name": MAX_NAME, "text": MAX_TEXT},
            node=self.node,
        )
        if self.node and not known:
            note(f"{visitor.name} is on {self.node}")
        self.hub.join(visitor.ws, PANEL)
        if known and visitor.room is not None:  # under another name
            self.hub.join(visitor.ws, f"chat:{visitor.room}", info=_info(visitor))

    def _free_name(self, name: str, who: str) -> str:
        """*name*, with a number if somebody else has it."""
        taken = {other.name.casefold() for other in self.visitors.values() if other.who != who}
        free, number = name, 1
        while free.casefold() in taken:
            number += 1
            free = f"{name[: MAX_NAME - 1 - len(str(number))]} {number}"
        return free

    def _join(self, visitor: Visitor, request: dict[str, Any]) -> None:
        room, since = checked_room(request.get("room")), checked_since(request.get("since"))
        if room not in ROOMS:
            rooms = self._rooms()
            if room not in rooms and len(rooms) >= MAX_ROOMS:
                raise Refused("There are too many rooms already.")
        if visitor.room != room:
            self._leave(visitor, request)
        visitor.room = room
        if visitor.simulated:
            self.hub.join(visitor.ws, f"wave:{room}")
            self.hub.join(visitor.ws, f"chat:{room}", info=_info(visitor))
            return
        self.hub.join(visitor.ws, f"typing:{room}")
        position = None if since is None else Position(*since)
        task = asyncio.get_running_loop().create_task(self._resume(visitor, room, position))
        visitor.joining.add(task)
        task.add_done_callback(visitor.joining.discard)

    def _leave(self, visitor: Visitor, request: dict[str, Any]) -> None:
        if visitor.room is not None:
            for kind in ("chat", "typing"):
                self.hub.leave(visitor.ws, f"{kind}:{visitor.room}")
            visitor.room = None

    async def _resume(self, visitor: Visitor, room: str, since: Position | None) -> None:
        name = f"chat:{room}"
        with suppress(ConnectionClosed, SendQueueFull):
            try:
                resumed = await self.hub.resume(visitor.ws, name, since=since, info=_info(visitor))
                present = await self.hub.presence(name)
            except BrokerUnavailable:
                visitor.ws.start_close(1013, "the other nodes cannot be reached")
                return
            if visitor.room != room:  # it has gone on to another one meanwhile
                self.hub.leave(visitor.ws, name)
                return
            people = [{"id": other.id, **other.info} for other in present if "name" in other.info]
            visitor.tell(
                "joined",
                room=name,
                **_missed(resumed),
                people=people[:PEOPLE],
                others=max(0, len(people) - PEOPLE),
                simulated=len(present) - len(people),
            )

    def _say(self, visitor: Visitor, request: dict[str, Any]) -> None:
        message = checked_id(request.get("id"))
        text = checked_text(request.get("text"))
        if visitor.room is None:
            raise Refused("You are in no room.")
        if not visitor.simulated and not visitor.says.allows(time.monotonic()):
            raise Refused("That was too fast. Wait a moment.")
        said = {
            "id": message,
            "text": text,
            "at": time.time() * 1000,
            **_info(visitor),
        }
        self.panel.count()
        self.hub.publish(f"chat:{visitor.room}", json.dumps(said), sender=visitor.name)

    def _typing(self, visitor: Visitor, request: dict[str, Any]) -> None:
        if visitor.room is not None:
            room = f"typing:{visitor.room}"
            self.hub.publish(room, json.dumps(_info(visitor)), exclude=visitor.ws)

    def _ping(self, visitor: Visitor, request: dict[str, Any]) -> None:
        visitor.tell("pong", t=request.get("t"))

    def _crowd(self, visitor: Visitor, request: dict[str, Any]) -> None:
        if visitor.simulated:
            return
        if request.get("on") and visitor.room is not None and self._uri:
            self.crowd.start(self._uri, visitor.room)
        else:
            self.crowd.dismiss()

    def _wave(self, visitor: Visitor, request: dict[str, Any]) -> None:
        if visitor.simulated:
            self.hub.publish(f"wave:{visitor.room}", "")
        else:
            self.crowd.wave()

    # Figures

    def _rooms(self) -> dict[str, int]:
        """The rooms that somebody is in, with how many."""
        names = {visitor.room for visitor in self.visitors.values() if visitor.room is not None}
        return {name: len(self.hub.members(f"chat:{name}")) for name in names}

    def _figures(self) -> dict[str, Any]:
        counts = dict.fromkeys(ROOMS, 0) | self._rooms()
        most = sorted(counts, key=lambda name: (name not in ROOMS, -counts[name], name))[:LISTED]
        return {
            "connections": self._connections(),
            "rooms": {name: counts[name] for name in most},
            "crowd": self.crowd.facts,
        }

    def _crowd_changed(self) -> None:
        if self.hub.members(PANEL):
            self.panel.tell("crowd", crowd=self.crowd.facts)

    def _crowd_told(self, fact: dict[str, Any]) -> None:
        self.panel.tell("measured", **fact)


def _info(visitor: Visitor) -> dict[str, Any]:
    """What others get to know of *visitor*."""
    if visitor.simulated:
        return {"simulated": True}
    return {"name": visitor.name, "who": visitor.who}


def _missed(resumed: Resumed) -> dict[str, Any]:
    gap = resumed.gap
    return {
        "missed": sum(publication.kind == "message" for publication in resumed.missed),
        "position": resumed.position,
        "gap": None if gap is None else {"reason": gap.reason},
    }
