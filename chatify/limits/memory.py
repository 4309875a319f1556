"""Moving windows in this process's memory.

The library's own storage walks over all its keys in a new thread every 10 ms, which at some thousand keys costs
many times what the counting does. This one forgets as it goes.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from threading import Lock

from limits.storage import MovingWindowSupport, Storage

FORGOTTEN_AT_ONCE = 4


class MemoryWindows(Storage, MovingWindowSupport):
    """A storage of the `limits` library: the times of the latest hits of each key. Safe with threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._lock = Lock()
        self._hits: OrderedDict[str, deque[float]] = OrderedDict()  # the key that was used longest ago is first
        self._expiries: dict[str, float] = {}

    def __len__(self) -> int:
        """The number of keys."""
        return len(self._hits)

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Take `amount` hits if that many are left of `limit` in the last `expiry` seconds."""
        now = self._clock()
        with self._lock:
            self._forget(now)
            hits = self._hits.setdefault(key, deque())
            _drop_before(hits, now - expiry)
            if len(hits) + amount > limit:
                return False
            hits.extend([now] * amount)
            self._hits.move_to_end(key)
            self._expiries[key] = now + expiry
            return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The time of the oldest hit of the window (now, without one), and how many there are."""
        now = self._clock()
        with self._lock:
            hits = self._hits.get(key, deque())
            _drop_before(hits, now - expiry)
            return (hits[0], len(hits)) if hits else (now, 0)

    def clear(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            self._hits.pop(key, None)
            self._expiries.pop(key, None)

    def reset(self) -> int:
        """Forget all. Gives the number of keys."""
        with self._lock:
            count = len(self._hits)
            self._hits.clear()
            self._expiries.clear()
            return count

    def _forget(self, now: float) -> None:
        """Drop some of the keys that were not used for longest, if their windows are over."""
        for _ in range(FORGOTTEN_AT_ONCE):
            key = next(iter(self._hits), None)
            if key is None:
                return
            if self._expiries.get(key, 0.0) > now:
                self._hits.move_to_end(key)  # windows differ in length: the next one may be over
                return
            del self._hits[key]
            self._expiries.pop(key, None)

    # What counters in fixed windows would need. We have none.

    @property
    def base_exceptions(self) -> type[Exception]:
        """What can go wrong: nothing of its own."""
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Not offered."""
        raise NotImplementedError

    def get(self, key: str) -> int:
        """Not offered."""
        raise NotImplementedError

    def get_expiry(self, key: str) -> float:
        """Not offered."""
        raise NotImplementedError

    def check(self) -> bool:
        """Always there."""
        return True


def _drop_before(hits: deque[float], start: float) -> None:
    while hits and hits[0] <= start:
        hits.popleft()
