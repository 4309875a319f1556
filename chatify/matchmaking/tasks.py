"""Housekeeping of matchmaking, by Celery."""

from __future__ import annotations

from celery import shared_task

from chatify.matchmaking import purging


@shared_task
def purge_tickets() -> int:
    """Forget who queued long ago. Gives the number of match tickets."""
    return purging.purge_tickets()
