"""Deliveries on their way: many at once, a few to each endpoint, so that a slow receiver delays nobody else."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import partial
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection

from chatify.webhooks.deliveries import due_of, endpoints_with_due, hold_up, prepare, settle
from chatify.webhooks.fanout import ROWS_AT_ONCE, fan_out
from chatify.webhooks.sending import Sender

AT_ONCE = 200
AT_ONCE_PER_ENDPOINT = 4
AT_ONCE_WHILE_FAILING = 1
"""So that those that hang do not take all the places together."""

READ_AHEAD = 32
WRITE_AGAIN_SECONDS = (0.5, 1.0, 2.0, 4.0)

P = ParamSpec("P")
R = TypeVar("R")
log = structlog.get_logger(__name__)


class Deliverer:
    """Sends what is due; used on one event loop. `may_go_on` says whether this process still is who delivers."""

    def __init__(
        self, sender: Sender, thread: Executor, *, may_go_on: Callable[[], bool], is_free: Callable[[], None]
    ) -> None:
        """`thread` is the one in which the database is used; `is_free` is told of each place that has become free."""
        self._sender, self._thread = sender, thread
        self._may_go_on, self._is_free = may_go_on, is_free
        self._queues: dict[UUID, deque[UUID]] = {}
        self._failing: dict[UUID, bool] = {}
        self._on_the_way: dict[UUID, UUID] = {}  # endpoints by delivery
        self._tasks: set[asyncio.Task[None]] = set()

    async def look(self) -> bool:
        """Begin to send what is due. Whether there was more in the outbox than was taken."""
        rows = await self.in_thread(fan_out)
        await self._refill()
        self._start_some()
        return rows >= ROWS_AT_ONCE

    def drop_queues(self) -> None:
        """Somebody else delivers now: what is not on its way yet is theirs."""
        self._queues.clear()

    async def finish(self, patience: float) -> None:
        """Give what is on its way so many seconds; the rest is broken off, and sent again by whoever comes next."""
        self.drop_queues()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def in_thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run something that uses the database in its thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(_on_living_connection, function, *args, **kwargs))

    # Choosing ---------------------------------------------------------------------------------------

    async def _refill(self) -> None:
        full = self._full()
        queued = [endpoint_id for endpoint_id, queue in self._queues.items() if queue]
        found = await self.in_thread(endpoints_with_due, without=[*full, *queued])
        self._failing.update(found)
        for endpoint_id in found:
            ids = await self.in_thread(due_of, endpoint_id, READ_AHEAD, without=list(self._of(endpoint_id)))
            self._queues[endpoint_id] = deque(ids)

    def _start_some(self) -> None:
        """One for each endpoint in turn, as long as there is room."""
        has_started = True
        while has_started and self._may_go_on():
            has_started = False
            for endpoint_id in self._turns():
                if len(self._on_the_way) >= AT_ONCE:
                    return
                queue = self._queues[endpoint_id]
                if queue and self._count(endpoint_id) < self._places(endpoint_id):
                    self._start(endpoint_id, queue.popleft())
                    has_started = True
        self._queues = {id_: queue for id_, queue in self._queues.items() if queue}

    def _turns(self) -> list[UUID]:
        """Those with the fewest on the way come first."""
        counts = Counter(self._on_the_way.values())
        return sorted(self._queues, key=lambda endpoint_id: counts[endpoint_id])

    def _full(self) -> list[UUID]:
        return [id_ for id_, count in Counter(self._on_the_way.values()).items() if count >= self._places(id_)]

    def _places(self, endpoint_id: UUID) -> int:
        return AT_ONCE_WHILE_FAILING if self._failing.get(endpoint_id) else AT_ONCE_PER_ENDPOINT

    def _count(self, endpoint_id: UUID) -> int:
        return sum(1 for _ in self._of(endpoint_id))

    def _of(self, endpoint_id: UUID) -> list[UUID]:
        return [id_ for id_, whose in self._on_the_way.items() if whose == endpoint_id]

    # Sending ----------------------------------------------------------------------------------------

    def _start(self, endpoint_id: UUID, delivery_id: UUID) -> None:
        self._on_the_way[delivery_id] = endpoint_id
        task = asyncio.get_running_loop().create_task(self._deliver(delivery_id))
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, delivery_id))

    def _done(self, delivery_id: UUID, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._on_the_way.pop(delivery_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("webhook_delivery_failed", delivery=str(delivery_id), exc_info=error)
        self._start_some()
        self._is_free()

    async def _deliver(self, delivery_id: UUID) -> None:
        try:
            await self._send(delivery_id)
        except (OperationalError, InterfaceError):  # the database is away: looking fails, too, and backs off
            raise
        except Exception:  # whatever is wrong with this one: it must not come up again and again before the others
            log.exception("webhook_delivery_failed", delivery=str(delivery_id))
            await self.in_thread(hold_up, delivery_id)

    async def _send(self, delivery_id: UUID) -> None:
        ready = await self.in_thread(prepare, delivery_id)
        if ready is None or not self._may_go_on():
            return
        answer = await self._sender.send(ready.call)
        self._failing[ready.delivery.endpoint_id] = not answer.is_ok
        await self._persist(partial(self.in_thread, settle, ready.delivery, answer))

    async def _persist(self, write: Callable[[], Coroutine[Any, Any, str]]) -> None:
        """It was sent: to forget that because the database was away for a moment would send it twice."""
        for seconds in WRITE_AGAIN_SECONDS:
            try:
                await write()
                return
            except (OperationalError, InterfaceError):
                await asyncio.sleep(seconds)
        await write()


def _on_living_connection(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    try:
        return function(*args, **kwargs)
    except (OperationalError, InterfaceError):
        connection.close()  # the next one gets a new one
        raise
