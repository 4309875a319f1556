"""Housekeeping of webhooks, by Celery."""

from __future__ import annotations

from celery import shared_task

from chatify.webhooks import deliveries, notices, receipts


@shared_task
def tell_owners() -> int:
    """Send mails about endpoints that were disabled. Gives their number."""
    return notices.tell_owners()


@shared_task
def purge_deliveries() -> int:
    """Delete what is kept no longer. Gives its number."""
    return deliveries.purge()


@shared_task
def purge_receipts() -> int:
    """Forget what came in and is sent again by nobody any more. Gives the number."""
    return receipts.purge()
