"""How a person reaches the servers: calls that go to the other one when theirs is away, and sockets that come back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.matchmaking_soak.world import World

Frame = dict[str, Any]

TRIES_SECONDS = 60.0
CALL = aiohttp.ClientTimeout(total=40, connect=10)
_AWAY = (aiohttp.ClientError, OSError, TimeoutError)
_GOING = (None, 1006, 1012)
"""Close codes of a server that is killed, or cannot reach its database."""


class Line:
    """One person's line: the server that they are at, and what they show to it."""

    def __init__(
        self, world: World, http: aiohttp.ClientSession, rng: random.Random, external_id: str, key: str
    ) -> None:
        self._world, self._http, self._rng = world, http, rng
        self.external_id = external_id
        self.headers = {"Authorization": f"Bearer {key}"}
        self.is_key = True
        self._at = rng.randrange(len(world.servers))

    @property
    def acting(self) -> Frame:
        """What a key has to say beside what it does for somebody in a room."""
        return {"user": self.external_id} if self.is_key else {}

    async def call(self, method: str, path: str, body: Any = None, *, may: tuple[int, ...] = ()) -> tuple[int, Any]:
        """Call until a server answers. `may` are the refusals that people may meet with here; others are noted."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + TRIES_SECONDS
        pause = 0.1
        while True:
            status, answer = await self._try(method, path, body)
            if status not in (0, 503) or loop.time() > ends_at:
                break
            self._world.odd(f"{status or answer}: {method} {_shape(path)}", is_absence=True)
            self._elsewhere()
            await asyncio.sleep(self._rng.uniform(0.5, 1.5) * pause)
            pause = min(2 * pause, 3.0)
        if status not in (200, 201, 202, 204, *may):
            self._world.odd(f"{status}: {method} {_shape(path)}: {str(answer)[:300]}")
        return status, answer

    async def _try(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        url = f"{self._world.servers[self._at].url}{path}"
        self._world.counts["calls"] += 1
        try:
            async with self._http.request(method, url, json=body, headers=self.headers, timeout=CALL) as response:
                text = await response.read()
                return response.status, (await response.json(content_type=None)) if text else None
        except _AWAY as error:
            return 0, type(error).__name__

    def _elsewhere(self) -> None:
        self._at = (self._at + 1) % len(self._world.servers)

    async def connect(self, path: str) -> aiohttp.ClientWebSocketResponse:
        """Open a socket, at the other server if this one is away."""
        pause = 0.1
        while True:
            url = f"{self._world.servers[self._at].ws_url}{path}{self._whose()}"
            try:
                async with asyncio.timeout(15):
                    return await self._http.ws_connect(url, headers=self.headers, autoping=True)
            except _AWAY as error:
                self._world.odd(f"{type(error).__name__}: {path[:12]}", is_absence=True)
                self._elsewhere()
                await asyncio.sleep(self._rng.uniform(0.5, 1.5) * pause)
                pause = min(2 * pause, 1.0)

    def _whose(self) -> str:
        return f"?user={quote(self.external_id)}" if self.is_key else ""

    async def say(self, chat_session_id: str, content: str) -> None:
        """Say something by a socket of the chat session, which may be over by now."""
        socket = await self.connect(f"/ws/v1/sessions/{chat_session_id}/")
        try:
            async with asyncio.timeout(20):
                await socket.send_json({"type": "message.send", "content": content})
                async for message in socket:
                    frame = message.json()
                    if frame["type"] == "message.accepted":
                        self._world.counts["said"] += 1
                        return
                    if frame["type"] == "error":
                        self.note_error(frame, "session_ended", "not_speaking")
                        return
            self.note_closed(socket, 4403, 4404)
        except _AWAY as error:
            self._world.odd(f"{type(error).__name__} in a chat session", is_absence=True)
        finally:
            await hang_up(socket)

    def note_error(self, frame: Frame, *may: str) -> None:
        """An error came over a socket."""
        if frame["code"] not in may:
            is_absence = frame["code"] in ("unavailable", "service_unavailable", "database_unavailable")
            self._world.odd(f"error over a socket: {frame['code']}: {frame['message']}", is_absence=is_absence)

    def note_closed(self, socket: aiohttp.ClientWebSocketResponse, *may: int) -> None:
        """A server closed a socket."""
        if socket.close_code not in may:
            self._world.odd(f"socket closed with {socket.close_code}", is_absence=socket.close_code in _GOING)


class MatchSocket:
    """A match socket that comes back, at whichever server is there, until it is closed from this side."""

    def __init__(self, line: Line, hear: Callable[[Frame], None]) -> None:
        self._line, self._hear = line, hear
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._is_ready = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def send(self, type: str, **fields: Any) -> None:
        """Send a frame, as soon as there is a line. It may get lost with the server."""
        await self._is_ready.wait()
        assert self._socket is not None
        with suppress(*_AWAY):
            await self._socket.send_json({"type": type, **fields})

    async def close(self) -> None:
        """Close from this side."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            self._socket = await self._line.connect("/ws/v1/match/")
            try:
                async for message in self._socket:
                    self._take(message.json())
                self._line.note_closed(self._socket)
            except _AWAY:
                self._line.note_closed(self._socket)
            finally:
                self._is_ready.clear()
                await hang_up(self._socket)
            await asyncio.sleep(0.1)

    def _take(self, frame: Frame) -> None:
        if frame["type"] == "error":
            self._line.note_error(frame, "proposal_closed", "in_room", "not_found")
        self._hear(frame)
        self._is_ready.set()


async def hang_up(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Close from this side, whether anybody hears it or not."""
    with suppress(*_AWAY):
        async with asyncio.timeout(2):
            await socket.close()


def _shape(path: str) -> str:
    """A path without ids: what is alike is counted together."""
    return "/".join("{}" if len(part) == 36 else part for part in path.split("?", maxsplit=1)[0].split("/"))
