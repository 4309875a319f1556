"""Server-Sent Events (WHATWG HTML, section 9.2): the same events as on the socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from django.http import StreamingHttpResponse
from rest_framework.renderers import BaseRenderer

from chatify.turns.answering import Listener
from chatify.turns.live import Delta, Event

KEEP_ALIVE_SECONDS = 15.0
LONGEST_SECONDS = 600.0

MEDIA_TYPE = "text/event-stream"


class EventStreamRenderer(BaseRenderer):
    """Lets clients ask for `text/event-stream`. What it renders itself are errors, as JSON."""

    media_type = MEDIA_TYPE
    format = "sse"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """An error's document."""
        return orjson.dumps(data)


def stream_response(listener: Listener, events: AsyncIterator[Event]) -> StreamingHttpResponse:
    """The events as a response; the listener leaves when it ends, however it does."""
    response = StreamingHttpResponse(_stream(listener, events), content_type=f"{MEDIA_TYPE}; charset=utf-8")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"  # nginx would hold the stream back
    response._resource_closers.append(listener.close)  # type: ignore[attr-defined]
    return response


async def _stream(listener: Listener, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + LONGEST_SECONDS
    following = asyncio.ensure_future(anext(events, None))
    try:
        while loop.time() < ends_at:
            done, _ = await asyncio.wait([following], timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield b": still here\n\n"
                continue
            event = following.result()
            if event is None:
                return
            yield encode(event)
            following = asyncio.ensure_future(anext(events, None))
    finally:
        following.cancel()
        listener.close()


def encode(event: Event) -> bytes:
    """One event. Its id is `<message id>:<length after it>`, for replies only."""
    data = event.wire() if isinstance(event, Delta) else event
    name = str(data["type"]).encode()
    id_ = _id(data)
    line = f"id: {id_}\n".encode() if id_ else b""
    return b"event: " + name + b"\n" + line + b"data: " + orjson.dumps(data) + b"\n\n"


def _id(data: dict[str, Any]) -> str:
    kind = data["type"]
    if kind == "reply.delta":
        return f"{data['message_id']}:{data['offset'] + len(data['text'])}"
    if kind == "reply.started":
        return f"{data['message_id']}:0"
    if kind.startswith("reply."):
        return f"{data['message_id']}:{len(data['message']['content'])}"
    return ""
