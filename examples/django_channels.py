"""Django Channels: a chat by a channel layer in memory, and a consumer that is synchronous.

$ uvicorn examples.django_channels:application --ws wscore.asgi:WebSocketProtocol

$ wscore connect --origin http://localhost 'ws://127.0.0.1:8000/chat/lobby/?name=Ada'
$ wscore connect --origin http://localhost ws://127.0.0.1:8000/shout/
"""

from typing import Any
from urllib.parse import parse_qs

import django
from channels.generic.websocket import AsyncJsonWebsocketConsumer, WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    ROOT_URLCONF=__name__,
    SECRET_KEY="not a secret: nothing is signed here",
)
django.setup()


class Chat(AsyncJsonWebsocketConsumer):
    """Everybody in a room gets what one says there."""

    async def connect(self) -> None:
        query = parse_qs(self.scope["query_string"].decode())
        self.name = query.get("name", ["Guest"])[0]
        self.room = "chat." + self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def receive_json(self, content: Any) -> None:
        message = {"type": "chat.message", "name": self.name, "text": content["text"]}
        await self.channel_layer.group_send(self.room, message)

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send_json({"name": event["name"], "text": event["text"]})


class Shout(WebsocketConsumer):
    """Sends text back in capital letters, and bytes as they are; runs in a thread."""

    def connect(self) -> None:
        offered = self.scope["subprotocols"]
        self.accept("shout" if "shout" in offered else None)

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data == "bye":
            self.close(4000, "bye")
        elif text_data is not None:
            self.send(text_data=text_data.upper())
        else:
            self.send(bytes_data=bytes_data)


def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse("The chat is at /chat/ROOM/.\n", content_type="text/plain")


urlpatterns = [path("", index)]

websockets = URLRouter([path("chat/<slug:room>/", Chat.as_asgi()), path("shout/", Shout.as_asgi())])

application = ProtocolTypeRouter(
    {"http": get_asgi_application(), "websocket": AllowedHostsOriginValidator(websockets)}
)
