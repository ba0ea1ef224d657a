"""Django Channels: consumers as its documentation shows them, beside Django's HTTP.

    /echo/{room}/   AsyncWebsocketConsumer: sends text and bytes back, named by the room
    /sync/          WebsocketConsumer, which Channels runs in threads: text in capitals
    /chat/          AsyncJsonWebsocketConsumer: to all that are there, over a group
    /deny/          raises DenyConnection
    /ends           HTTP, JSON: the close code of each /echo/ that has ended
"""

from __future__ import annotations

from typing import Any

from channels.exceptions import DenyConnection
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    WebsocketConsumer,
)
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for tests",
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
http = get_asgi_application()

ENDS: list[int] = []


class Echo(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept(subprotocol=self.scope["subprotocols"][0])
        await self.send(self.scope["url_route"]["kwargs"]["room"])

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        if text_data == "close":
            await self.close(code=4100, reason="as you say")
        else:
            await self.send(text_data=text_data, bytes_data=bytes_data)

    async def disconnect(self, code: int) -> None:
        ENDS.append(code)


class Sync(WebsocketConsumer):
    def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        assert text_data is not None
        self.send(text_data.upper())


class Chat(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        await self.channel_layer.group_add("chat", self.channel_name)
        await self.accept()

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.channel_layer.group_send("chat", {"type": "said", "what": content})

    async def said(self, event: dict[str, Any]) -> None:
        await self.send_json(event["what"])

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard("chat", self.channel_name)


class Deny(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        raise DenyConnection


async def ends(request: HttpRequest) -> JsonResponse:
    return JsonResponse(ENDS, safe=False)


urlpatterns = [path("ends", ends)]
app = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": URLRouter(
            [
                path("echo/<str:room>/", Echo.as_asgi()),
                path("sync/", Sync.as_asgi()),
                path("chat/", Chat.as_asgi()),
                path("deny/", Deny.as_asgi()),
            ]
        ),
    }
)
