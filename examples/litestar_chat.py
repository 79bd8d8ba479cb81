"""Litestar: a chat over its channels plugin, and a listener with typed messages.

$ uvicorn examples.litestar_chat:app --ws wscore.asgi:WebSocketProtocol

$ wscore connect 'ws://127.0.0.1:8000/chat/lobby?name=Ada'
$ wscore connect ws://127.0.0.1:8000/add    # then: {"numbers": [1, 2]}
"""

from dataclasses import dataclass
from typing import Any

from litestar import Litestar, WebSocket, websocket, websocket_listener
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.connection import ASGIConnection
from litestar.dto import DataclassDTO
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler


def has_name(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    if not connection.query_params.get("name"):
        raise NotAuthorizedException("a name is needed")


@websocket("/chat/{room:str}", guards=[has_name])
async def chat(
    socket: WebSocket[Any, Any, Any], room: str, name: str, channels: ChannelsPlugin
) -> None:
    """Everybody in a room gets what one says there."""
    await socket.accept()
    async with (
        channels.start_subscription([room]) as subscriber,
        # Who has left gets no more: what is still queued is not waited for.
        subscriber.run_in_background(socket.send_text, join=False),
    ):
        async for text in socket.iter_data("text"):
            channels.publish(f"{name}: {text}", room)


@dataclass
class Numbers:
    numbers: list[int]


@dataclass
class Sum:
    sum: int


@websocket_listener("/add", dto=DataclassDTO[Numbers], return_dto=None)
async def add(data: Numbers) -> Sum:
    return Sum(sum(data.numbers))


app = Litestar(
    [chat, add],
    plugins=[ChannelsPlugin(MemoryChannelsBackend(), arbitrary_channels_allowed=True)],
)
