"""Budgets: so many of something in so many seconds, counted exactly, by all processes together if they share Redis.

While Redis is away each process counts for itself: people go on chatting, and nobody gets more than the limit from
any one process. A call that finds Redis away waits once for as long as its timeout, the others go to memory at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

import structlog
from django.conf import settings
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from prometheus_client import Counter
from redis.exceptions import RedisError

from chatify.common.errors import TooFast
from chatify.limits.memory import MemoryWindows

REDIS_SECONDS = 0.5
AWAY_SECONDS = 5.0

T = TypeVar("T")
log = structlog.get_logger(__name__)
_refused = Counter("chatify_limit_refusals_total", "Calls and messages over a limit.", ["budget"])


@dataclass(frozen=True, slots=True)
class Budget:
    """So many (`amount`; 0: no limit) in a moving window of so many `seconds`. `of_what` is told to people."""

    name: str
    amount: int
    seconds: int
    of_what: str = "requests"


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a budget. `reset_at`: when the oldest hit leaves the window, in seconds since 1970."""

    limit: int
    remaining: int
    reset_at: float

    @property
    def headers(self) -> dict[str, str]:
        """For an HTTP answer."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(round(self.reset_at)),
        }


class LimitReached(TooFast):
    """A budget is used up; `left` says of which kind."""

    def __init__(self, budget: Budget, left: Left) -> None:
        wait = max(0.1, left.reset_at - time.time())
        per = "minute" if budget.seconds == 60 else f"{budget.seconds} seconds"
        super().__init__(f"At most {budget.amount} {budget.of_what} per {per}.", retry_after=round(wait, 1))
        self.left = left


class Budgets:
    """Counts in memory, or on Redis with memory behind it."""

    def __init__(self, redis_url: str = "") -> None:
        self._own = MovingWindowRateLimiter(MemoryWindows())
        self._shared = MovingWindowRateLimiter(_redis(redis_url)) if redis_url else None
        self._away_until = 0.0

    def spend(self, budget: Budget, *of: object) -> None:
        """Take one from the budget of whom `of` names. Raises LimitReached."""
        if not budget.amount:
            return
        item, ids = RateLimitItemPerSecond(budget.amount, budget.seconds), (budget.name, *map(str, of))
        if not self._ask(lambda limiter: limiter.hit(item, *ids)):
            _refused.labels(budget.name).inc()
            raise LimitReached(budget, self._left(item, ids))

    def left(self, budget: Budget, *of: object) -> Left | None:
        """What is left; None without a limit."""
        if not budget.amount:
            return None
        return self._left(RateLimitItemPerSecond(budget.amount, budget.seconds), (budget.name, *map(str, of)))

    def forgive(self, budget: Budget, *of: object) -> None:
        """Give the whole budget back."""
        item = RateLimitItemPerSecond(budget.amount, budget.seconds)
        self._ask(lambda limiter: limiter.clear(item, budget.name, *map(str, of)))

    def _left(self, item: RateLimitItem, ids: tuple[str, ...]) -> Left:
        stats = self._ask(lambda limiter: limiter.get_window_stats(item, *ids))
        return Left(item.amount, max(0, stats.remaining), stats.reset_time)

    def _ask(self, question: Callable[[MovingWindowRateLimiter], T]) -> T:
        if self._shared is not None and time.monotonic() >= self._away_until:
            try:
                return question(self._shared)
            except (RedisError, OSError) as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                log.warning("limits_counted_locally", error=type(error).__name__)
        return question(self._own)


def _redis(url: str) -> RedisStorage:
    return RedisStorage(
        url, key_prefix="chatify:limits", socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )


_budgets: Budgets | None = None
_making = Lock()


def budgets() -> Budgets:
    """Those of this process; made at the first call."""
    global _budgets
    with _making:
        if _budgets is None:
            _budgets = Budgets(settings.REDIS_URL)
        return _budgets
