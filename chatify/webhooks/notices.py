"""Mails to the owners of endpoints that Chatify has disabled."""

from __future__ import annotations

from datetime import timedelta
from smtplib import SMTPDataError, SMTPRecipientsRefused

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils import timezone

from chatify.accounts.models import User
from chatify.events.leases import Lease, LeaseLost
from chatify.webhooks.models import WebhookEndpoint

LEASE = "webhook-notices"
SENT_AT_ONCE = 50
GIVE_UP_AFTER = timedelta(days=3)

log = structlog.get_logger(__name__)


def tell_owners() -> int:
    """Send the mails that are due; of several workers one does. Gives the number of endpoints that were told of.

    When the mail server is away they wait for the next time, for up to three days.
    """
    lease = Lease(LEASE)
    if not _due().exists() or not lease.take():
        return 0
    told = 0
    try:
        for endpoint in list(_due()[:SENT_AT_ONCE]):
            # Noted when it is sent: who dies in between sends it twice, rather than never.
            _tell(endpoint, lease)
            WebhookEndpoint.objects.filter(id=endpoint.id).update(is_owner_told=True)
            told += 1
    except (OSError, LeaseLost) as error:
        log.warning("webhook_notice_not_sent", error=type(error).__name__)
    finally:
        lease.release()
    return told


def _due() -> QuerySet[WebhookEndpoint]:
    rows = WebhookEndpoint.objects.filter(is_owner_told=False, tenant__deleted_at=None)
    return rows.select_related("tenant").order_by("disabled_at")


def _tell(endpoint: WebhookEndpoint, lease: Lease) -> None:
    """Raises what the mail backend raises while it is away, LeaseLost. A mail that is refused is done with."""
    if endpoint.disabled_at is None or endpoint.disabled_at < timezone.now() - GIVE_UP_AFTER:
        log.error("webhook_notice_dropped", endpoint=str(endpoint.id))
        return
    for email in _owners(endpoint):
        lease.ensure(settings.EMAIL_TIMEOUT + 2.0)
        try:
            _mail(endpoint, email).send()
        except (SMTPDataError, SMTPRecipientsRefused, ValueError) as error:
            log.error("webhook_notice_refused", endpoint=str(endpoint.id), error=type(error).__name__)


def _owners(endpoint: WebhookEndpoint) -> list[str]:
    owners = User.objects.filter(memberships__tenant_id=endpoint.tenant_id, is_active=True)
    return list(owners.order_by("email").values_list("email", flat=True))


def _mail(endpoint: WebhookEndpoint, email: str) -> EmailMessage:
    reason = endpoint.disabled_reason
    context = {"tenant": endpoint.tenant.name, "url": endpoint.url, "reason": reason, "id": endpoint.id}
    text = render_to_string("webhooks/mail/endpoint_disabled.txt", context)
    headers = {"Auto-Submitted": "auto-generated"}  # RFC 3834: no vacation notices, please
    return EmailMessage("Chatify has disabled a webhook endpoint", text, to=[email], headers=headers)
