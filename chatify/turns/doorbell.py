"""Word between processes: over the channel layer when it is shared (Redis), and not at all otherwise.

It is a doorbell, not a record: the layer drops messages silently. Whoever hears it looks into the database,
and whoever hears nothing looks there every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import structlog
from channels.layers import InMemoryChannelLayer, get_channel_layer

GROUP = "chatify.processes"
BATCH_SECONDS = 0.05
SEND_SECONDS = 3.0
MAX_WAITING = 10_000

Handler = Callable[[dict[str, Any]], None]
log = structlog.get_logger(__name__)


class Doorbell:
    """This process's place on the channel layer. `name` is what other processes reach it by."""

    def __init__(self) -> None:
        self.name = f"local.{uuid4().hex}"
        self._layer = get_channel_layer()
        self.is_shared = self._layer is not None and not isinstance(self._layer, InMemoryChannelLayer)
        self._waiting: list[tuple[str, dict[str, Any]]] = []
        self._rings: dict[str, None] = {}
        self._signals: list[tuple[str, dict[str, Any]]] = []
        self._tickets: dict[str, None] = {}
        self._announced: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, handle: Handler) -> None:
        """Start to listen; `handle` gets what other processes send. Redis being away delays nothing."""
        if not self.is_shared:
            return
        self.name = f"chatify.process.{uuid4().hex}"
        self._tasks = [asyncio.create_task(self._listen(handle)), asyncio.create_task(self._speak())]

    async def close(self) -> None:
        """Stop to listen."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def ring(self, chat_session_id: UUID) -> None:
        """Tell all processes that this chat session has moved on. What rings together goes out together."""
        if self.is_shared:
            self._rings[str(chat_session_id)] = None
            self._wake.set()

    def signal(self, chat_session_id: UUID, event: dict[str, Any]) -> None:
        """Tell all processes what only those care for who look just now: somebody types, comes, goes, has read."""
        if self.is_shared and len(self._signals) < MAX_WAITING:
            self._signals.append((str(chat_session_id), event))
            self._wake.set()

    def tell_tickets(self, ids: Iterable[UUID]) -> None:
        """Tell all processes that these match tickets have changed: a message `tickets` with their `ids`."""
        if self.is_shared:
            self._tickets.update(dict.fromkeys(map(str, ids)))
            self._wake.set()

    def announce(self, kind: str) -> None:
        """Send a message of this type, and no more in it, to all processes."""
        if self.is_shared:
            self._announced[kind] = None
            self._wake.set()

    def send(self, process: str, message: dict[str, Any]) -> None:
        """Send to one process. Gets lost when that one is gone, or when too much is waiting."""
        if self.is_shared and process and len(self._waiting) < MAX_WAITING:
            self._waiting.append((process, message))
            self._wake.set()

    async def _listen(self, handle: Handler) -> None:
        while True:
            # receive() subscribes to our name, which group_add() needs done.
            receiving = asyncio.ensure_future(self._layer.receive(self.name))
            try:
                await asyncio.sleep(0)
                await self._layer.group_add(GROUP, self.name)
                while True:
                    message = await receiving
                    receiving = asyncio.ensure_future(self._layer.receive(self.name))
                    if message.get("from") != self.name:
                        handle(message)
            except asyncio.CancelledError:
                receiving.cancel()
                raise
            except Exception:
                log.exception("doorbell_broken")
                receiving.cancel()
                with suppress(Exception):  # what broke is thrown away, however broken it is
                    await self._layer.flush()  # a subscription that failed half way would never be made again
                await asyncio.sleep(1)

    async def _speak(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            rings, self._rings = list(self._rings), {}
            signals, self._signals = self._signals, []
            tickets, self._tickets = list(self._tickets), {}
            waiting, self._waiting = self._waiting, []
            announced, self._announced = list(self._announced), {}
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    for process, message in waiting:
                        await self._layer.send(process, {**message, "from": self.name})
                    for kind in announced:
                        await self._layer.group_send(GROUP, {"type": kind, "from": self.name})
                    if tickets:
                        await self._layer.group_send(GROUP, {"type": "tickets", "ids": tickets, "from": self.name})
                    if rings or signals:
                        news = {"type": "news", "sessions": rings, "signals": signals, "from": self.name}
                        await self._layer.group_send(GROUP, news)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # Redis is away: followers elsewhere find out from the database
                log.warning("doorbell_not_sent", error=type(error).__name__, lost=len(rings) + len(waiting))
            await asyncio.sleep(BATCH_SECONDS)  # the first ring goes out at once, what comes meanwhile together
