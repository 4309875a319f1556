"""What a socket still has to send. Slow readers get larger pieces, not more memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import orjson
import structlog

from chatify.turns.live import Delta, Event

SEND_SECONDS = 20.0
DRAIN_SECONDS = 0.01
MAX_WAITING = 2_000
"""Events; deltas of one reply count once, as they are merged."""

Send = Callable[[str], Awaitable[None]]

log = structlog.get_logger(__name__)


class Outgoing:
    """A queue of events and the task that sends them. Holds everything back until `open` is called."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._events: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_overflowing = False
        self.sending_since: float | None = None

    def put(self, event: Event) -> None:
        """Send this when its turn comes."""
        if len(self._events) >= MAX_WAITING:
            self._merge()
        if len(self._events) >= MAX_WAITING:
            self.is_overflowing = True
            return
        self._events.append(event)
        self._wake.set()

    def open(self, first: dict[str, Any], on_failure: Callable[[], None]) -> None:
        """Send `first`, then all that has waited and comes. `on_failure`: the peer is gone or does not read."""
        self._events.appendleft(first)
        self._wake.set()
        self._task = asyncio.create_task(self._run(on_failure))

    @property
    def is_open(self) -> bool:
        """Whether it sends."""
        return self._task is not None

    async def drain(self, down_to: int = 0) -> None:
        """Wait until at most `down_to` events wait, or nothing can be sent."""
        # Rare; an event to wait for would cost at every send.
        while self._unsent > down_to and self._task is not None and not self._task.done():  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_SECONDS)

    def close(self) -> None:
        """Send no more."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, on_failure: Callable[[], None]) -> None:
        try:
            while not self.is_overflowing:
                while self._events and not self.is_overflowing:
                    text = _encode(self._next())
                    self.sending_since = monotonic()
                    await self._send(text)
                self.sending_since = None
                self._wake.clear()
                await self._wake.wait()
        except (OSError, RuntimeError):
            pass  # the peer is gone
        except Exception:  # a bug of ours: without this the socket would hang for ever
            log.exception("event_not_sent")
        on_failure()

    @property
    def is_stuck(self) -> bool:
        """Whether the peer reads nothing any more. (A timeout around every send would cost more than the send.)"""
        return self.is_overflowing or (
            self.sending_since is not None and monotonic() - self.sending_since > SEND_SECONDS
        )

    @property
    def _unsent(self) -> int:
        return len(self._events) + (self.sending_since is not None)

    def _merge(self) -> None:
        merged: deque[Event] = deque()
        while self._events:
            merged.append(self._next())
        self._events = merged

    def _next(self) -> Event:
        event = self._events.popleft()
        if isinstance(event, Delta) and self._events:
            texts = [event.text]
            while self._events and isinstance(more := self._events[0], Delta) and more.message_id == event.message_id:
                if more.offset != event.offset + sum(map(len, texts)):
                    break
                texts.append(more.text)
                self._events.popleft()
            return Delta(event.message_id, event.offset, "".join(texts))
        return event


def _encode(event: Event) -> str:
    return orjson.dumps(event.wire() if isinstance(event, Delta) else event).decode()
