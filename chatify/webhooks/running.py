"""Webhooks at work: a thread with an event loop in every server process, of which one at a time delivers."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic

import structlog
from django.db import DatabaseError, InterfaceError, connection, reset_queries

from chatify.events import bus
from chatify.events.bus import Event
from chatify.events.leases import Lease
from chatify.webhooks.delivering import Deliverer
from chatify.webhooks.known import KEPT_SECONDS, known
from chatify.webhooks.sending import Sender
from chatify.webhooks.sink import NAME, is_wanted

LOOK_SECONDS = 0.5
"""So often it looks for what another process has written, and for what is due again."""

PAUSE_SECONDS = 0.05
"""What happens within so long is looked for together."""

IDLE_SECONDS = 1.0
"""So often it asks whether there are endpoints, while there are none."""

CLEAR_SECONDS = 30.0
"""So often it looks all the same: somebody may have had endpoints a moment ago."""

STANDBY_SECONDS = 2.0
LEASE_SECONDS = 15.0
MAX_BACKOFF_SECONDS = 30.0
PATIENCE_SECONDS = 3.0
"""How long what is on its way gets at the end. A receiver that takes longer hears of it once more."""

log = structlog.get_logger(__name__)


class Running:
    """Delivers until it is told to stop."""

    def __init__(self, *, lease: Lease | None = None, sender: Sender | None = None) -> None:
        self._lease = lease or Lease(NAME, seconds=LEASE_SECONDS)
        self._sender = sender
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news: asyncio.Event | None = None
        self._halt: asyncio.Event | None = None
        self._is_stopping = False
        self._failures = 0
        self._looked_at = float("-inf")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> bool:
        """Let it end, and wait for that a few seconds. Whether it did."""
        self._is_stopping = True
        self._set(self._halt, self._news)
        self._thread.join(PATIENCE_SECONDS + 4.0)
        if self._thread.is_alive():
            log.warning("webhooks_left_running")
        return not self._thread.is_alive()

    # The thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        # Not uvloop: it looks names up in four threads of its own, and ours has to be able to be told from outside.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._deliver())

    async def _deliver(self) -> None:
        self._loop, self._news, self._halt = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        unlisten = bus.listen(self._heard)
        known.is_kept = True
        with ThreadPoolExecutor(1, thread_name_prefix="webhooks-database") as thread:
            try:
                async with self._sender or Sender() as sender:
                    deliverer = Deliverer(sender, thread, may_go_on=self._may_go_on, is_free=self._news.set)
                    keeper = self._loop.create_task(_keep_known(deliverer))
                    while not self._is_stopping:
                        await self._wait(await self._step(deliverer))
                    keeper.cancel()
                    await deliverer.finish(PATIENCE_SECONDS)
            finally:
                known.is_kept = False
                unlisten()
                await self._loop.run_in_executor(thread, self._end)

    def _may_go_on(self) -> bool:
        """With enough left for what is sent now to end, or at least to be repeated by nobody but us."""
        return not self._is_stopping and self._lease.seconds_left > 0

    async def _step(self, deliverer: Deliverer) -> float:
        """One look. Gives the seconds until the next one."""
        try:
            seconds = await self._look(deliverer)
        except (DatabaseError, InterfaceError) as error:
            return self._back_off(type(error).__name__, is_known=True)
        except Exception as error:  # whatever it is: the thread must not end, or nobody delivers any more
            return self._back_off(type(error).__name__, is_known=False)
        self._failures = 0
        return seconds

    async def _look(self, deliverer: Deliverer) -> float:
        if not known.was_any() and monotonic() - self._looked_at < CLEAR_SECONDS:
            return IDLE_SECONDS
        if not await deliverer.in_thread(self._is_ours):
            deliverer.drop_queues()
            return STANDBY_SECONDS
        self._looked_at = monotonic()
        return 0.0 if await deliverer.look() else LOOK_SECONDS

    def _is_ours(self) -> bool:
        return self._lease.seconds_left > self._lease.seconds / 2 or self._lease.take()

    async def _wait(self, seconds: float) -> None:
        """News cut a usual pause short, but neither standing by nor backing off."""
        assert self._news is not None
        if seconds > LOOK_SECONDS:
            await self._sleep(seconds)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, seconds)):
                    await self._news.wait()
            await asyncio.sleep(PAUSE_SECONDS)
        self._news.clear()

    async def _sleep(self, seconds: float) -> None:
        assert self._halt is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._halt.wait()

    def _back_off(self, kind: str, *, is_known: bool) -> float:
        seconds = min(MAX_BACKOFF_SECONDS, 2.0**self._failures)
        self._failures += 1
        log.warning("webhooks_held_up", kind=kind, again_in=seconds, exc_info=not is_known)
        return max(seconds, 1.0)

    # From other threads -----------------------------------------------------------------------------

    def _heard(self, event: Event) -> None:
        if is_wanted(event):
            self._set(self._news)

    def _set(self, *events: asyncio.Event | None) -> None:
        for event in events:
            if self._loop is not None and event is not None:
                with suppress(RuntimeError):  # it has just ended
                    self._loop.call_soon_threadsafe(event.set)

    def _end(self) -> None:
        with suppress(DatabaseError, InterfaceError):
            self._lease.release()
        connection.close()


async def _keep_known(deliverer: Deliverer) -> None:
    """Every second, whoever delivers, so that nobody in this process has to ask: `emit` does so in every turn."""
    while True:
        try:
            await deliverer.in_thread(_read_known)
        except Exception as error:  # the next time, then
            log.warning("webhook_endpoints_not_read", kind=type(error).__name__)
        await asyncio.sleep(KEPT_SECONDS)


def _read_known() -> None:
    reset_queries()
    known.refresh(max_age=0)
