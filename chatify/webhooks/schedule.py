"""When a delivery that failed is tried again. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_MINUTE, _HOUR = 60, 3600
WAITS = (5, 30, 2 * _MINUTE, 10 * _MINUTE, _HOUR, 3 * _HOUR, 8 * _HOUR, 24 * _HOUR)
"""Seconds after the first failure, the second one ... After as many again as there are here nothing is tried."""

JITTER = 0.1
"""Up to so much of a wait is added to it, so that not all come back at once."""

LONGEST_RETRY_AFTER = _HOUR
GIVE_UP_AFTER = timedelta(days=3)
LEAST_FAILURES = 10
"""An endpoint is disabled when nothing came through for so long, and so often."""


def wait_after(failures: int, *, retry_after: float | None = None, chance: float = 0.0) -> timedelta | None:
    """How long to wait after so many failures (1 or more); None when it was the last one.

    `retry_after` are the seconds that the receiver asks for, `chance` is from 0 to 1.
    """
    if failures > len(WAITS):
        return None
    wait = WAITS[failures - 1] * (1 + JITTER * chance)
    return timedelta(seconds=max(wait, min(retry_after or 0.0, LONGEST_RETRY_AFTER)))


def seconds_of(retry_after: str, now: datetime) -> float | None:
    """The seconds of a Retry-After header (RFC 9110, section 10.2.3), None for what is none."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), 10**8))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def is_hopeless(failing_since: datetime, failures: int, now: datetime) -> bool:
    """Whether an endpoint has failed for long and often enough to be disabled."""
    return now - failing_since >= GIVE_UP_AFTER and failures >= LEAST_FAILURES
