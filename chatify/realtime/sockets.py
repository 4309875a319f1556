"""The open sockets of this process, and what is done for all of them."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

import structlog
from django.db import InterfaceError, OperationalError
from prometheus_client import Gauge

from chatify.accounts.principal import Principal
from chatify.accounts.revocation import revoked_of
from chatify.common.threads import in_db_thread
from chatify.realtime.admission import Admission
from chatify.realtime.outgoing import Outgoing

IDLE_SECONDS = 300.0
SWEEP_SECONDS = 2.5
REFRESH_SECONDS = 30.0

log = structlog.get_logger(__name__)
_open_sockets = Gauge("chatify_sockets", "Open sockets.", multiprocess_mode="livesum")


class Socket(Protocol):
    """What is swept."""

    heard_at: float
    outgoing: Outgoing
    principal: Principal

    async def close_with(self, code: int) -> None:
        """Close it."""
        ...

    async def leave(self) -> None:
        """Follow the chat session no more."""
        ...


class Sockets:
    """All sockets of a process: their places, and the end of those that fell silent."""

    def __init__(self) -> None:
        self.admission = Admission()
        self._open: set[Socket] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Sweep no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.admission.aclose()

    def add(self, socket: Socket) -> None:
        """A socket opened."""
        self._open.add(socket)
        _open_sockets.inc()

    def remove(self, socket: Socket) -> None:
        """A socket closed."""
        if socket in self._open:
            self._open.discard(socket)
            _open_sockets.dec()

    async def _check(self, socket: Socket, now: float, revoked: set[Principal]) -> None:
        if socket.principal in revoked:
            await socket.close_with(4401)
        elif socket.outgoing.is_stuck:
            await socket.close_with(1011)
            await socket.leave()
        elif now - socket.heard_at > IDLE_SECONDS:
            await socket.close_with(4408)

    async def _revoked(self) -> set[Principal]:
        """Nobody while the database is away: who is in may stay, and the others' sockets are looked after."""
        try:
            return await in_db_thread(revoked_of, {socket.principal for socket in self._open})
        except (OperationalError, InterfaceError):
            log.warning("revocations_not_read")
            return set()

    async def _sweep(self) -> None:
        refreshed_at = time.monotonic()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            try:
                revoked = await self._revoked()
                await asyncio.gather(*(self._check(socket, now, revoked) for socket in self._open))
                if now - refreshed_at > REFRESH_SECONDS:
                    refreshed_at = now
                    await self.admission.refresh()
            except Exception:  # the sweep goes on: the next one tries again
                log.exception("sweep_failed")


_current: Sockets | None = None


def current() -> Sockets:
    """The sockets of this process; made at the first call."""
    global _current
    if _current is None:
        _current = Sockets()
    return _current


def forget() -> None:
    """The event loop that they were bound to ends."""
    global _current
    _current = None
