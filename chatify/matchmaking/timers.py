"""The part of a web process that looks after the queue: one per process, beside the runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError

from chatify.common.errors import Unavailable
from chatify.common.threads import in_db_thread
from chatify.events import bus
from chatify.matchmaking import following, meters
from chatify.matchmaking.look import Lookout, Outlook
from chatify.turns.runtime import Runtime

LOOK_SECONDS = 0.25
REST_SECONDS = 0.1
"""So long is between two looks at least, so that a thousand people who are due one after the other are not a thousand
looks."""

RETRY_AFTER_SECONDS = 2.0
_LAST_EVENTS = frozenset({"session.ended", "session.deleted", "session.erased"})

log = structlog.get_logger(__name__)


class Matchmaker:
    """Looks at the queue every 250 ms, when somebody is due, and when somebody comes; and tells who has moved."""

    _current: Matchmaker | None = None

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lookout = Lookout()
        self._wake = asyncio.Event()
        self._moved: set[UUID] = set()
        self._ended: set[UUID] = set()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._unlisten: Callable[[], None] = lambda: None

    @classmethod
    def current(cls) -> Matchmaker:
        """That of this process. Raises Unavailable before the start and after the end."""
        if cls._current is None:
            raise Unavailable("The server is starting or stopping.", retry_after=RETRY_AFTER_SECONDS)
        return cls._current

    async def start(self) -> None:
        """Begin."""
        loop = asyncio.get_running_loop()

        def listener(event: bus.Event) -> None:
            if event.name.startswith("match.") or event.name in _LAST_EVENTS:
                loop.call_soon_threadsafe(self._heard, event)

        self._unlisten = bus.listen(listener)
        self._runtime.on("tickets", self._rung)
        self._task = asyncio.create_task(self._run())
        Matchmaker._current = self

    async def stop(self) -> None:
        """End, when the look that is being taken is over. Other processes go on with the queue."""
        Matchmaker._current = None
        self._unlisten()
        self._is_stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    def moved(self, ticket_ids: Iterable[UUID]) -> None:
        """These tickets have changed in this process: tell who follows them here, and the other processes."""
        ids = set(ticket_ids)
        following.current().moved(ids)
        self._runtime.doorbell.tell_tickets(ids)

    def _heard(self, event: bus.Event) -> None:
        """Something was committed in this process."""
        if event.name in _LAST_EVENTS:
            if event.chat_session_id is not None:
                self._ended.add(event.chat_session_id)
            return
        if event.name in meters.STATUS_OF:
            meters.tickets.labels(meters.STATUS_OF[event.name]).inc()
        if event.name == "match.joined":
            self._wake.set()
        if event.subject_id is not None:
            if not self._moved:
                asyncio.get_running_loop().call_soon(self._tell_moved)
            self._moved.add(event.subject_id)

    def _tell_moved(self) -> None:
        moved, self._moved = self._moved, set()
        self.moved(moved)

    def _rung(self, message: dict[str, Any]) -> None:
        """Tickets have changed in another process."""
        following.current().moved(UUID(text) for text in message["ids"])
        self._wake.set()

    async def _run(self) -> None:
        while not self._is_stopping:
            outlook = await self._look()
            rested_at = monotonic() + REST_SECONDS
            if outlook.is_more:
                continue
            pause = LOOK_SECONDS if outlook.due_in is None else min(LOOK_SECONDS, max(0.0, outlook.due_in))
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass
            if (left := rested_at - monotonic()) > 0:
                await asyncio.sleep(left)
            self._wake.clear()

    async def _look(self) -> Outlook:
        ended, self._ended = self._ended, set()
        try:
            return await in_db_thread(self._lookout.look, ended)
        except (OperationalError, InterfaceError) as error:  # the database is away; or a deadlock, which undoes one
            log.warning("match_look_failed", error=type(error).__name__)
        except Exception:  # a loop that dies would let people wait for ever
            log.exception("match_look_failed")
        self._ended |= ended
        return Outlook()
