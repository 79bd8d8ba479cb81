"""Socket.IO: a chat with rooms and acknowledgements, and files that are sent as bytes.

$ uvicorn examples.socketio_chat:app --ws wscore.asgi:WebSocketProtocol

Clients of Socket.IO 3 and 4, such as this one, which needs python-socketio[client]:

with socketio.SimpleClient() as client:
    client.connect("http://127.0.0.1:8000", auth={"name": "Ada"})
    print(client.call("join", "lobby"))
    client.emit("say", ("lobby", "hello"))
    print(client.receive())
"""

from typing import Any

import socketio
from socketio.exceptions import ConnectionRefusedError

sio = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(sio)


@sio.event
async def connect(sid: str, environ: dict[str, Any], auth: dict[str, str] | None) -> None:
    if not auth or not auth.get("name"):
        raise ConnectionRefusedError("a name is needed")
    await sio.save_session(sid, {"name": auth["name"]})


@sio.event
async def join(sid: str, room: str) -> list[str]:
    """Enter the room; acknowledged with the names of all who are in it."""
    await sio.enter_room(sid, room)
    members = [member for member, _ in sio.manager.get_participants("/", room)]
    return sorted([(await sio.get_session(member))["name"] for member in members])


@sio.event
async def say(sid: str, room: str, text: str) -> None:
    name = (await sio.get_session(sid))["name"]
    await sio.emit("said", {"name": name, "text": text}, room=room)


@sio.event
async def share(sid: str, room: str, content: bytes) -> int:
    """Send a file to the others in the room; acknowledged with its size."""
    await sio.emit("shared", content, room=room, skip_sid=sid)
    return len(content)
