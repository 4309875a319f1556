"""Where the sockets of chat sessions are, and what answers where there is none."""

from __future__ import annotations

from typing import Any

from django.urls import path

from chatify.realtime.consumers import ChatConsumer


async def no_such_socket(scope: Any, receive: Any, send: Any) -> None:
    """A path without a socket: accepted and closed with 4404, so that a browser learns the code."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 4404})


_nowhere: Any = no_such_socket  # not a Django view, as path() has it
urlpatterns = [path("ws/v1/sessions/<uuid:chat_session_id>/", ChatConsumer.as_asgi())]
nowhere = [path("<path:anything>", _nowhere), path("", _nowhere)]
