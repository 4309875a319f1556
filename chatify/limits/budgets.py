"""Budgets: so many of something in so many seconds, counted exactly, by all processes together if they share Redis.

While Redis is away each process counts for itself: people go on chatting, and nobody gets more than the limit from
any one process. Every five seconds one call finds out whether it is back; nobody else waits for it meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from threading import Lock
from typing import TypeVar

import structlog
from django.conf import settings
from limits import RateLimitItemPerSecond
from prometheus_client import Counter
from redis.exceptions import RedisError

from chatify.common.errors import TooFast
from chatify.limits.memory import MemoryWindows
from chatify.limits.shared import RedisWindows
from chatify.limits.windows import Window, Windows

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


Share = tuple[Budget, *tuple[object, ...]]
"""A budget, and what names whose."""


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

    def __init__(self, budget: Budget, left: Left, wait: float) -> None:
        detail = f"At most {budget.amount} {budget.of_what} per {_span(budget.seconds)}."
        super().__init__(detail, retry_after=max(0.1, round(wait, 1)))
        self.left = left
        self.headers = left.headers


def _span(seconds: int) -> str:
    """A length of time as people say it after "per"."""
    for name, length in (("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds % length == 0:
            return name if seconds == length else f"{seconds // length} {name}s"
    raise AssertionError("every length is so many seconds")


class Budgets:
    """Counts in memory, or on Redis with memory behind it."""

    def __init__(self, redis_url: str = "") -> None:
        self._own: Windows = MemoryWindows()
        self._shared: Windows | None = RedisWindows(redis_url) if redis_url else None
        self._away_until = 0.0  # 0: it is not away
        self._trying = Lock()

    def spend(self, budget: Budget, *of: object) -> Left | None:
        """Take one from the budget of whom `of` names. Gives what is left, None without a limit.

        Raises LimitReached.
        """
        return self.spend_all((budget, *of))

    def spend_all(self, *shares: Share) -> Left | None:
        """Take one from each of these budgets, or from none of them, at once; as `spend` for the first of them."""
        limited = [share for share in shares if share[0].amount]
        if not limited:
            return None
        windows = [_window(share) for share in limited]
        refused, hits, wait = self._ask(lambda counted: counted.take_all(windows))
        budget = limited[refused or 0][0]
        left = Left(budget.amount, max(0, budget.amount - hits), time.time() + wait)
        if refused is not None:
            _refused.labels(budget.name).inc()
            raise LimitReached(budget, left, wait)
        return left if shares[0][0].amount else None

    def give_back(self, *shares: Share) -> None:
        """Undo a `spend_all`: what it was for did not happen."""
        if windows := [_window(share) for share in shares if share[0].amount]:
            self._ask(lambda counted: counted.give_back(windows))

    def left(self, budget: Budget, *of: object) -> Left | None:
        """What is left; None without a limit."""
        if not budget.amount:
            return None
        _, hits, wait = self._ask(lambda counted: counted.take_all([_window((budget, *of))], 0))
        return Left(budget.amount, max(0, budget.amount - hits), time.time() + wait)

    def forgive(self, budget: Budget, *of: object) -> None:
        """Give the whole budget back."""
        self._ask(lambda counted: counted.clear(_window((budget, *of)).key))

    def _ask(self, question: Callable[[Windows], T]) -> T:
        if self._shared is not None and self._may_try():
            try:
                answer = question(self._shared)
            except (RedisError, OSError) as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                log.warning("limits_counted_locally", error=type(error).__name__)
            else:
                self._away_until = 0.0
                return answer
        return question(self._own)

    def _may_try(self) -> bool:
        """Whether to ask Redis. While it is away one call at a time does: each may have to wait for its timeout."""
        if not self._away_until:
            return True
        with self._trying:
            now = time.monotonic()
            if now < self._away_until:
                return False
            self._away_until = now + AWAY_SECONDS
            return True


def _window(share: Share) -> Window:
    """Whose it is stands there as a digest: addresses and e-mails are nobody's business, and may be long."""
    budget, *of = share
    whose = blake2b("\0".join(map(str, of)).encode(), digest_size=16).hexdigest()
    return Window(_item(budget.amount, budget.seconds).key_for(budget.name, whose), budget.amount, budget.seconds)


_item = lru_cache(RateLimitItemPerSecond)


_budgets: Budgets | None = None
_making = Lock()


def budgets() -> Budgets:
    """Those of this process; made at the first call."""
    global _budgets
    with _making:
        if _budgets is None:
            _budgets = Budgets(settings.REDIS_URL)
        return _budgets
