"""How far the mirror is behind: what the outbox says, for metrics, health and commands."""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings
from django.utils import timezone
from prometheus_client import Counter, Histogram

from chatify.events.gauges import BacklogCollector
from chatify.events.models import OutboxRow
from chatify.mirror.sink import NAME

MOST_COUNTED = 100_000
"""Health and metrics are asked for often, and most when the backlog is long."""

BEHIND_SECONDS = 60.0
"""So old the oldest row may be before health tells of it.

A relay that fails tries again within that, and no call to Firestore lasts longer: what is shorter mends itself.
"""

documents_written = Counter("chatify_firestore_documents_total", "Documents that were set or deleted in Firestore.")
failures = Counter("chatify_firestore_failures_total", "What went wrong on the way to Firestore.", ["kind"])
delivery = Histogram(
    "chatify_firestore_delivery_seconds",
    "From the change in the database until it was in Firestore.",
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096),
)


class MirrorBehind(RuntimeError):
    """Rows have been waiting for too long. The text is for everybody: it holds numbers only."""

    def __init__(self, backlog: Backlog) -> None:
        super().__init__(f"behind by {backlog.lag_seconds:.0f} s: {backlog}")


class Backlog(NamedTuple):
    """What is not in Firestore yet."""

    waiting: int
    dead: int
    lag_seconds: float
    """How long the oldest row that is not dead has been waiting; 0 without one."""

    @property
    def is_behind(self) -> bool:
        """Whether that is too long."""
        return self.lag_seconds > BEHIND_SECONDS

    def __str__(self) -> str:
        return f"{self.waiting} waiting, {self.dead} dead"


def read_backlog() -> Backlog:
    """What the outbox holds for Firestore."""
    rows = OutboxRow.objects.filter(sink=NAME)
    waiting = rows.filter(state=OutboxRow.State.PENDING)
    oldest = waiting.order_by("id").values_list("created_at", flat=True).first()
    lag = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    dead = rows.filter(state=OutboxRow.State.DEAD)
    return Backlog(waiting[:MOST_COUNTED].count(), dead[:MOST_COUNTED].count(), max(0.0, lag))


def check_backlog() -> str:
    """A word for health. Raises MirrorBehind."""
    backlog = read_backlog()
    if backlog.is_behind:
        raise MirrorBehind(backlog)
    return str(backlog)


_GAUGES = (
    ("chatify_firestore_waiting", "Outbox rows that are not in Firestore yet."),
    ("chatify_firestore_dead", "Outbox rows that Firestore refused."),
    ("chatify_firestore_lag_seconds", "How long the oldest of those that wait has been waiting."),
)

backlog_collector = BacklogCollector(_GAUGES, lambda: read_backlog() if settings.FIRESTORE_IS_ON else None)
