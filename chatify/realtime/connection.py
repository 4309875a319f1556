"""What every socket has: who comes in, frames and their errors, sending, and the end."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID, uuid4

import orjson
import structlog
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import InterfaceError, OperationalError

from chatify.accounts.api.authentication import bearer
from chatify.accounts.principal import Principal
from chatify.common.errors import ChatifyError, InvalidInput, TooFast, TooLarge, Unavailable
from chatify.common.inputs import MAX_BODY
from chatify.common.problems import database_away
from chatify.common.strict_json import parse
from chatify.common.threads import in_db_thread
from chatify.realtime import sockets
from chatify.realtime.entry import enter
from chatify.realtime.outgoing import Outgoing
from chatify.turns.live import Event

MAX_BAD_FRAMES = MAX_HASTY_FRAMES = 50
BAD_FRAMES_SECONDS = 60.0
CLOSE_SECONDS = 2.0

_CLOSE_CODES = {400: 4400, 401: 4401, 404: 4404, 429: 4429}  # by the error's status; else 4403

log = structlog.get_logger(__name__)


class Connection(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One socket. Those for something come in by `come_in`, do what a frame asks for in `take`, and go by `go`."""

    principal: Principal

    def __init__(self) -> None:
        super().__init__()
        self.socket_id = uuid4().hex
        self.heard_at = time.monotonic()
        self.outgoing = Outgoing(self._send_text)
        self.is_closed = False
        self._bad_frames: deque[float] = deque(maxlen=MAX_BAD_FRAMES)
        self._hasty_frames: deque[float] = deque(maxlen=MAX_HASTY_FRAMES)
        self._closing: asyncio.Task[None] | None = None

    # Of each kind of socket -----------------------------------------------------------------------

    async def come_in(self) -> None:
        """Let in whoever may come in, and `open` for them. Raises ChatifyError, which closes the socket."""
        raise NotImplementedError

    async def take(self, value: Any) -> None:
        """Do what a frame, parsed as JSON, asks for. Raises ChatifyError, which is told."""
        raise NotImplementedError

    def go(self) -> None:
        """Follow nothing any more."""
        raise NotImplementedError

    # Life -----------------------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The socket's life. Not Channels' own loop: that one subscribes every socket to the channel layer."""
        self.scope, self.base_send, self.channel_layer = scope, send, None
        self.ws_base = _ws_base(scope)
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        except Exception:
            log.exception("socket_failed", path=scope["path"])
            await self.close_with(1011)
        finally:
            await self.leave()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """One ASGI event. (Channels' own closes database connections here, in a thread, for every frame.)"""
        await getattr(self, message["type"].replace(".", "_"))(message)

    async def connect(self) -> None:
        """Let in whoever may come in."""
        await self.accept()
        try:
            await self.come_in()
        except (Unavailable, OperationalError, InterfaceError):
            await self.close_with(1012)
        except ChatifyError as error:
            if isinstance(error, InvalidInput):  # the address: nobody could guess from a code what is wrong with it
                await self._send_text(orjson.dumps(error_frame(error, None)).decode())
            await self.close_with(_CLOSE_CODES.get(error.status, 4403))

    async def authenticate(self, chat_session_id: UUID | None) -> Principal:
        """Whoever opens this socket: that of a chat session, or of matchmaking (None). Raises as `enter` does."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.scope["headers"]}
        return await in_db_thread(
            enter,
            credential=bearer(headers.get("authorization", ""), headers.get("x-api-key", "")),
            ticket=self.query("ticket"),
            chat_session_id=chat_session_id,
            origin=headers.get("origin", ""),
            host=headers.get("host", ""),
            scheme="https" if self.scope.get("scheme") == "wss" else "http",
        )

    def query(self, name: str) -> str:
        """A parameter of the address; empty if it is not there."""
        found: str = parse_qs(self.scope["query_string"].decode("latin-1")).get(name, [""])[0]
        return found

    async def take_place(self, of: UUID) -> bool:
        """Take one of the ten places that a chat session has, or a person at matchmaking. Else the socket closes."""
        if await sockets.current().admission.enter(of, self.socket_id):
            sockets.current().add(self)
            return True
        await self.close_with(4409)
        return False

    def open(self, first: dict[str, Any]) -> None:
        """Send this, and what has come meanwhile, and all that comes."""
        self.outgoing.open(first, self._fail)

    async def disconnect(self, code: int) -> None:
        """The peer is gone. What it asked for goes on."""
        self.is_closed = True

    async def leave(self) -> None:
        """Follow nothing more, and give the place back. Once is enough."""
        self.is_closed = True
        self.outgoing.close()
        self.go()
        sockets.current().remove(self)
        await sockets.current().admission.leave(self.socket_id)

    async def close_with(self, code: int) -> None:
        """Close with this code; a second time nothing happens."""
        if not self.is_closed:
            self.is_closed = True
            # The peer may have closed in the same moment, or read nothing any more.
            with suppress(OSError, RuntimeError, TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self.base_send({"type": "websocket.close", "code": code})

    # Out ------------------------------------------------------------------------------------------

    def deliver(self, event: Event) -> None:
        """Send this when its turn comes."""
        self.outgoing.put(event)

    def pong(self, event_id: str | None) -> None:
        """The answer to a ping."""
        self.deliver({"type": "pong"} if event_id is None else {"type": "pong", "event_id": event_id})

    def close_after_last_words(self) -> None:
        """Close when all is sent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close_after_last_words())

    async def _close_after_last_words(self) -> None:
        await self.outgoing.drain()
        await self.close_with(4403)

    async def _send_text(self, text: str) -> None:
        if not self.is_closed:
            await self.base_send({"type": "websocket.send", "text": text})

    def _fail(self) -> None:
        self._closing = asyncio.create_task(self.close_with(1011))

    # In -------------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """One frame. A bad one is answered, and never closes the socket, unless they are many."""
        if self.is_closed:
            return
        self.heard_at = time.monotonic()
        event_id = None
        try:
            raw = bytes_data if text_data is None else text_data.encode()
            event_id = _event_id(raw or b"")
            await self.take(parse(raw or b"", max_bytes=MAX_BODY))
        except (OperationalError, InterfaceError):
            self.deliver(error_frame(database_away(), event_id))
        except ChatifyError as error:
            self.deliver(error_frame(error, event_id))
            if isinstance(error, InvalidInput | TooLarge):
                await self._count(self._bad_frames, 4400)
            elif isinstance(error, TooFast):
                await self._count(self._hasty_frames, 4429)
        except Exception:
            log.exception("frame_failed", path=self.scope["path"])
            self.deliver(error_frame(ChatifyError(), event_id))

    async def _count(self, frames: deque[float], close_code: int) -> None:
        """One more frame of this kind; too many of them in a minute close the socket."""
        now = time.monotonic()
        if len(frames) == frames.maxlen and now - frames[0] < BAD_FRAMES_SECONDS:
            await self.outgoing.drain()
            await self.close_with(close_code)
        frames.append(now)


def error_frame(error: ChatifyError, event_id: str | None) -> dict[str, Any]:
    """An error as a frame."""
    frame: dict[str, Any] = {"type": "error", "code": error.code, "message": error.detail}
    if error.errors:
        frame["errors"] = [{"field": e.field, "code": e.code, "message": e.message} for e in error.errors]
    if error.retry_after is not None:
        frame["retry_after"] = error.retry_after
    if event_id is not None:
        frame["event_id"] = event_id
    return frame


def _ws_base(scope: Any) -> str:
    """Where this server's sockets are, as the client addressed it."""
    host = dict(scope["headers"]).get(b"host", b"localhost").decode("latin-1")
    return f"{scope.get('scheme', 'ws')}://{host}"


def _event_id(raw: bytes) -> str | None:
    """The frame's `event_id`, also of a frame that we refuse to parse. (orjson takes less than 1 µs.)"""
    try:
        value = orjson.loads(raw)
    except ValueError:
        return None
    found = value.get("event_id") if isinstance(value, dict) else None
    return found[:128] if isinstance(found, str) else None
