"""FastAPI: a chat with rooms, in which `wscore.Hub` sends each message to all members.

$ uvicorn examples.fastapi_chat:app --ws wscore.asgi:WebSocketProtocol

Open http://127.0.0.1:8000/ in two windows, or say something from outside:

$ curl -X POST 'http://127.0.0.1:8000/rooms/lobby?name=curl&text=hello'
"""

from typing import Annotated

from fastapi import Depends, FastAPI, Path, Query, WebSocket, WebSocketException, status
from fastapi.responses import HTMLResponse

import wscore

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Chat</title>
<ul id="log"></ul>
<form><input id="text" autofocus autocomplete="off"></form>
<script>
const name = new URLSearchParams(location.search).get("name") ?? "Guest";
const origin = location.origin.replace("http", "ws");
const ws = new WebSocket(`${origin}/rooms/lobby?name=${encodeURIComponent(name)}`);
const log = document.getElementById("log"), text = document.getElementById("text");
const show = line => log.appendChild(document.createElement("li")).textContent = line;
ws.onmessage = event => show(event.data);
ws.onclose = event => show(`closed with ${event.code}`);
document.forms[0].onsubmit = event => {
    event.preventDefault();
    ws.send(text.value);
    text.value = "";
};
</script>
"""

Room = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,40}$")]

app = FastAPI(title="Chat")
hub = wscore.Hub()


def member_name(name: Annotated[str | None, Query(max_length=20)] = None) -> str:
    """Who joins. Nobody does without a name: the handshake is refused."""
    if not name:
        raise WebSocketException(status.WS_1008_POLICY_VIOLATION, "a name is needed")
    return name


@app.get("/")
async def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


@app.websocket("/rooms/{room}")
async def chat(ws: WebSocket, room: Room, name: Annotated[str, Depends(member_name)]) -> None:
    await ws.accept()
    hub.join(ws, room)
    hub.publish(room, f"{name} has joined")
    try:
        async for text in ws.iter_text():
            hub.publish(room, f"{name}: {text}")
    finally:
        hub.leave(ws, room)
        hub.publish(room, f"{name} has left")


@app.post("/rooms/{room}")
async def say(room: Room, name: str, text: str) -> int:
    """Say *text* in the room from outside; returns how many hear it."""
    return hub.publish(room, f"{name}: {text}")
