"""How webhooks come along: for metrics and health."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from prometheus_client import Counter

from chatify.events.gauges import BacklogCollector
from chatify.events.models import OutboxRow
from chatify.webhooks.known import known
from chatify.webhooks.models import WebhookDelivery, WebhookEndpoint
from chatify.webhooks.sink import NAME

MOST_COUNTED = 100_000
BEHIND_SECONDS = 60.0
"""So long nothing that could be sent waits while some process delivers."""

deliveries = Counter("chatify_webhook_deliveries_total", "What came of attempts to deliver.", ["result"])


class WebhooksBehind(RuntimeError):
    """Nobody seems to deliver."""


class Backlog(NamedTuple):
    """What applications were not told yet."""

    waiting: int
    lag_seconds: float
    """How long the oldest that is due has been so, without those of endpoints that fail, and of those that are
    slow: what is sent to them waits its turn."""


def read_backlog() -> Backlog:
    """What waits: events, and deliveries that are due or will be tried again."""
    rows = OutboxRow.objects.filter(sink=NAME, state=OutboxRow.State.PENDING)
    pending = WebhookDelivery.objects.filter(state=WebhookDelivery.State.PENDING)
    since = [
        rows.order_by("id").values_list("created_at", flat=True).first(),
        _due_since(pending.filter(endpoint__is_active=True, endpoint__failing_since=None, tenant__deleted_at=None)),
    ]
    waiting = rows[:MOST_COUNTED].count() + pending[:MOST_COUNTED].count()
    return Backlog(waiting, max(map(_seconds_since, since)))


def _due_since(rows: QuerySet[WebhookDelivery]) -> datetime | None:
    """Since when the oldest is due that nobody is at."""
    moments = rows.order_by("next_attempt_at").values_list("next_attempt_at", flat=True)
    found = moments.first()
    if _seconds_since(found) <= BEHIND_SECONDS:
        return found
    recent = timezone.now() - timedelta(seconds=BEHIND_SECONDS)
    mine = WebhookDelivery.objects.filter(endpoint=OuterRef("pk"))
    overdue = mine.filter(state=WebhookDelivery.State.PENDING, next_attempt_at__lt=recent)
    left = WebhookEndpoint.objects.filter(Exists(overdue)).exclude(Exists(mine.filter(attempted_at__gte=recent)))
    return moments.filter(Q(endpoint__in=list(left)) | Q(next_attempt_at__gte=recent)).first()


def check_backlog() -> str:
    """A word for health. Raises WebhooksBehind."""
    backlog = read_backlog()
    if backlog.lag_seconds > BEHIND_SECONDS:
        raise WebhooksBehind
    return f"{backlog.waiting} waiting"


_GAUGES = (
    ("chatify_webhook_waiting", "Events and deliveries that applications were not told yet."),
    ("chatify_webhook_lag_seconds", "How long the oldest of them that could be sent has been waiting."),
)


def _seconds_since(moment: datetime | None) -> float:
    return 0.0 if moment is None else max(0.0, (timezone.now() - moment).total_seconds())


backlog_collector = BacklogCollector(_GAUGES, lambda: read_backlog() if known.is_any() else None)
