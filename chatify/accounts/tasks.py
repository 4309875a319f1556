"""Housekeeping of accounts, by Celery."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.core.management import call_command
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from chatify.accounts import idempotent_calls
from chatify.accounts.models import Login, SocketTicket
from chatify.accounts.password_resets import send_due_mails
from chatify.accounts.tokens import LONGEST_SIGN_IN

SIGN_INS_KEPT = timedelta(days=90)


@shared_task
def purge_socket_tickets() -> int:
    """Delete tickets that nobody can use any more. Gives their number."""
    count, _ = SocketTicket.objects.filter(expires_at__lt=Now()).delete()
    return count


@shared_task
def send_password_resets() -> int:
    """Send the mails that were asked for. Gives their number."""
    return send_due_mails()


@shared_task
def purge_sign_ins() -> None:
    """Forget refresh tokens that are over, and sign-ins of long ago that have no tokens any more.

    Until then sign-ins say from which addresses somebody has signed in before.
    """
    call_command("flushexpiredtokens")
    now = timezone.now()
    is_over = Q(ended_at__isnull=False) | Q(created_at__lt=now - LONGEST_SIGN_IN)
    Login.objects.filter(is_over, created_at__lt=now - SIGN_INS_KEPT).delete()


@shared_task
def purge_idempotent_calls() -> int:
    """Forget the answers of calls that nobody repeats any more. Gives their number."""
    return idempotent_calls.purge()


@shared_task
def purge_browser_sessions() -> None:
    """Delete Django's expired login sessions."""
    call_command("clearsessions")
