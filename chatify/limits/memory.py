"""Moving windows in this process's memory.

The library's own storage walks over all its keys in a new thread every 10 ms, which at some thousand keys costs
many times what the counting does. This one forgets as it goes.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from threading import Lock

from limits.storage import MovingWindowSupport, Storage

from chatify.limits.windows import Taken, Window

FORGOTTEN_AT_ONCE = 4


class MemoryWindows(Storage, MovingWindowSupport):
    """A storage of the `limits` library: the times of the latest hits of each key. Safe with threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._lock = Lock()
        self._hits: OrderedDict[str, deque[float]] = OrderedDict()  # the key that was looked at longest ago is first
        self._expiries: dict[str, float] = {}

    def __len__(self) -> int:
        """The number of keys."""
        return len(self._hits)

    def take_all(self, windows: Sequence[Window], amount: int = 1) -> Taken:
        """See Windows."""
        now = self._clock()
        with self._lock:
            self._forget(now)
            for place, window in enumerate(windows):
                hits = self._hits_of(window, now)
                if len(hits) + amount > window.limit:
                    return Taken(place, *_state(hits, window, now))
            if amount:
                for window in windows:
                    self._add(window, now, amount)
            return Taken(None, *_state(self._hits_of(windows[0], now), windows[0], now))

    def give_back(self, windows: Sequence[Window]) -> None:
        """See Windows."""
        with self._lock:
            for window in windows:
                if hits := self._hits.get(window.key):
                    hits.pop()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Take `amount` hits if that many are left of `limit` in the last `expiry` seconds."""
        return self.take_all([Window(key, limit, expiry)], amount).refused is None

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The time of the oldest hit of the window (now, without one), and how many there are."""
        found = self.take_all([Window(key, limit, expiry)], 0)
        return self._clock() + found.seconds - expiry, found.hits

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

    def _hits_of(self, window: Window, now: float) -> deque[float]:
        hits = self._hits.get(window.key)
        if hits is None:
            return deque()
        while hits and hits[0] <= now - window.seconds:
            hits.popleft()
        return hits

    def _add(self, window: Window, now: float, amount: int) -> None:
        self._hits.setdefault(window.key, deque()).extend([now] * amount)
        self._hits.move_to_end(window.key)
        self._expiries[window.key] = now + window.seconds

    def _forget(self, now: float) -> None:
        """Drop some of the keys that were not used for longest, if their windows are over."""
        for _ in range(FORGOTTEN_AT_ONCE):
            key = next(iter(self._hits), None)
            if key is None:
                return
            if self._expiries[key] > now:
                self._hits.move_to_end(key)  # windows differ in length: the next one may be over
                return
            del self._hits[key], self._expiries[key]

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


def _state(hits: deque[float], window: Window, now: float) -> tuple[int, float]:
    return len(hits), (hits[0] if hits else now) + window.seconds - now
