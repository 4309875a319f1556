"""Housekeeping of chat sessions, by Celery."""

from __future__ import annotations

from celery import shared_task


@shared_task
def apply_retention() -> int:
    """Erase the chat sessions that are older than their tenants keep them. Gives their number."""
    return 0
