"""Who is told where a person's match ticket stands, and how.

What is told is found by comparing the row as it is with what was told last. So it does not matter who changed it, in
which process, or how often it is looked at: each follower hears each step once, in order, and nothing twice. A change
in any process rings (`moved`); and all that are followed here are looked at every second, should nothing ring.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from time import monotonic
from typing import Protocol
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError

from chatify.common.threads import in_db_thread
from chatify.matchmaking.queue import heartbeat
from chatify.matchmaking.reading import Asked, find_end_users, find_moved, read_news
from chatify.matchmaking.telling import Event, Told

WATCH_SECONDS = 1.0
HEARTBEAT_SECONDS = 10.0

log = structlog.get_logger(__name__)


class Follower(Protocol):
    """Somebody who is told about a person's match ticket."""

    end_user_id: UUID
    ws_base: str

    def deliver(self, event: Event) -> None:
        """Take an event. Called on the event loop; must not wait."""
        ...


class Following:
    """All followers of this process, and the tasks that look for them while there are some."""

    def __init__(self) -> None:
        self._told: dict[Follower, Told | None] = {}
        self._by_end_user: dict[UUID, set[Follower]] = defaultdict(set)
        self._moved: set[UUID] = set()
        self._rounds: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def join(self, follower: Follower, told: Told | None) -> None:
        """From now on this one is told what is new after `told` (None: there was no live ticket)."""
        self._told[follower] = told
        self._by_end_user[follower.end_user_id].add(follower)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._look()), asyncio.create_task(self._beat())]

    def leave(self, follower: Follower) -> None:
        """Tell this one no more. Once is enough."""
        if follower not in self._told:
            return
        del self._told[follower]
        self._by_end_user[follower.end_user_id].discard(follower)
        if not self._by_end_user[follower.end_user_id]:
            del self._by_end_user[follower.end_user_id]
        if not self._told:
            for task in self._tasks:
                task.cancel()
            self._tasks = []
            _end(self._rounds)

    def moved(self, ticket_ids: Iterable[UUID]) -> None:
        """These tickets have changed, here or elsewhere. Called on the event loop."""
        if self._told:
            self._moved.update(ticket_ids)
            self._wake.set()

    async def tell(self, ticket_id: UUID) -> None:
        """This ticket has changed: come back when its followers here have been told, so that what its person does next
        finds them so far. (A ticket that came and went between two looks would never have been there.)"""
        if self._told:
            told = asyncio.get_running_loop().create_future()
            self._rounds.append(told)
            self.moved([ticket_id])
            await told

    @property
    def live_ticket_ids(self) -> set[UUID]:
        """The live tickets that are followed here."""
        return {told.ticket_id for told in self._told.values() if told is not None and not told.is_closed}

    async def _look(self) -> None:
        """Rounds one after the other, so that nobody is told of a step after a later one."""
        watch_at = monotonic() + WATCH_SECONDS
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(watch_at - monotonic()):
                    await self._wake.wait()
            self._wake.clear()
            moved, self._moved = self._moved, set()
            rounds, self._rounds = self._rounds, []
            try:
                if monotonic() < watch_at:
                    await _carefully(self._look_at(moved))
                else:
                    watch_at = monotonic() + WATCH_SECONDS
                    await _carefully(self._watch())
            finally:  # also when the last follower leaves in the middle of it
                _end(rounds)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if ids := self.live_ticket_ids:
                await _carefully(in_db_thread(heartbeat, ticket_ids=ids))

    async def _look_at(self, ticket_ids: set[UUID]) -> None:
        await self._tell(await in_db_thread(find_end_users, ticket_ids) & self._by_end_user.keys())

    async def _watch(self) -> None:
        await self._tell(await in_db_thread(find_moved, {self._asked(one) for one in self._told}))

    async def _tell(self, end_user_ids: Iterable[UUID]) -> None:
        """Read where these people's tickets stand, and tell everybody who follows them what is new to them."""
        asked = {one: self._asked(one) for id_ in end_user_ids for one in self._by_end_user.get(id_, ())}
        if not asked:
            return
        news = await in_db_thread(read_news, set(asked.values()))
        for follower, question in asked.items():
            if follower in self._told:  # they may have left meanwhile
                self._told[follower], events = news[question]
                for event in events:
                    follower.deliver(event)

    def _asked(self, follower: Follower) -> Asked:
        return Asked(follower.end_user_id, self._told[follower], follower.ws_base)


def _end(rounds: list[asyncio.Future[None]]) -> None:
    for one in rounds:
        if not one.done():
            one.set_result(None)
    rounds.clear()


async def _carefully(work: Awaitable[None]) -> None:
    """A loop that dies would leave people without word; the next round tries again."""
    try:
        await work
    except (OperationalError, InterfaceError):
        log.warning("match_tickets_not_read")
    except Exception:
        log.exception("match_tickets_not_told")


_current: Following | None = None


def current() -> Following:
    """That of this process; made at the first call. It is bound to an event loop only while somebody follows."""
    global _current
    if _current is None:
        _current = Following()
    return _current
