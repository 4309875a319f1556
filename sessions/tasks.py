"""Housekeeping of chat sessions, by Celery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from uuid import UUID

import structlog
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from chatify.accounts.models import Tenant
from sessions.actions import (
    PURGED_AT_ONCE,
    STEPPED_AT_ONCE,
    end_silent_chat_sessions,
    pause_silent_chat_sessions,
    purge_deleted_chat_sessions,
    purge_idle_chat_sessions,
)

RUN_SECONDS = 60.0
"""So long one run may hold up other tasks. What is left then waits for the next one."""

log = structlog.get_logger(__name__)


@shared_task
def pause_silent() -> int:
    """Pause the chat sessions that nobody says anything in. Gives their number."""
    return _in_batches(pause_silent_chat_sessions, timedelta(seconds=settings.PAUSE_AFTER_SECONDS), STEPPED_AT_ONCE)


@shared_task
def end_silent() -> int:
    """End those in which nobody has said anything for long. Gives their number."""
    return _in_batches(end_silent_chat_sessions, timedelta(seconds=settings.END_AFTER_SECONDS), STEPPED_AT_ONCE)


@shared_task
def purge_deleted() -> int:
    """Erase those that were deleted long ago. Gives their number."""
    return _in_batches(purge_deleted_chat_sessions, timedelta(days=settings.PURGE_DELETED_DAYS), PURGED_AT_ONCE)


def _in_batches(step: Callable[..., int], age: timedelta, batch: int) -> int:
    """Batch after batch, each a transaction, until there is no more or the run is over."""
    before, ends_at, total = timezone.now() - age, monotonic() + RUN_SECONDS, 0
    while monotonic() < ends_at:
        count = step(before=before)
        total += count
        if count < batch:
            break
    return total


@shared_task
def apply_retention() -> int:
    """Erase the chat sessions that are older than their tenants keep them. Gives their number."""
    erased = _erase_old()
    if erased:
        log.info("retention_applied", tenants=len(erased), chat_sessions=erased.total())
    return erased.total()


def _erase_old() -> Counter[UUID]:
    """A batch of each tenant in turn, so that one with much to erase does not make all others wait."""
    erased: Counter[UUID] = Counter()
    now, ends_at = timezone.now(), monotonic() + RUN_SECONDS
    tenants = Tenant.objects.filter(retention_days__isnull=False).values_list("id", "retention_days")
    waiting = {id_: now - timedelta(days=days or 0) for id_, days in tenants}
    while waiting and monotonic() < ends_at:
        for tenant_id, before in list(waiting.items()):
            count = purge_idle_chat_sessions(tenant_id=tenant_id, before=before)
            if count:
                erased[tenant_id] += count
            if count < PURGED_AT_ONCE:
                del waiting[tenant_id]
    return erased
