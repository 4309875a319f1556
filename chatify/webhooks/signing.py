"""Secrets of endpoints and sources, and signatures of what goes out (Standard Webhooks).

Secrets are stored sealed, as signing takes the text itself.
"""

from __future__ import annotations

import base64
import secrets
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.utils import timezone
from standardwebhooks import Webhook

from chatify.common.sealing import NotSealedHere, seal, unseal
from chatify.webhooks.models import WebhookEndpoint, WebhookSource

FORMER_SECRET_VALID = timedelta(hours=24)
"""After a rotation, so that the other side can change over."""

log = structlog.get_logger(__name__)


def new_secret() -> str:
    """A secret of Standard Webhooks: 32 random bytes."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def rotate(row: WebhookEndpoint | WebhookSource) -> tuple[str, dict[str, Any]]:
    """Another secret for a locked row, and the fields to write. The one before is good for a day, if it can be read."""
    secret = new_secret()
    former = row.secret if is_readable(row.secret) else ""
    until = timezone.now() + FORMER_SECRET_VALID if former else None
    return secret, {"secret": seal(secret), "former_secret": former, "former_until": until}


def is_readable(sealed: str) -> bool:
    """Whether a stored secret can be used by who runs with this ENCRYPTION_KEY."""
    try:
        unseal(sealed)
    except NotSealedHere:
        return False
    return True


def sign(endpoint: WebhookEndpoint, webhook_id: str, now: datetime, body: str) -> str:
    """The signatures of a body: one, or for a while after a rotation two. Raises NotSealedHere."""
    found = [unseal(endpoint.secret)]
    if endpoint.former_secret and endpoint.former_until is not None and endpoint.former_until > now:
        try:
            found.append(unseal(endpoint.former_secret))
        except NotSealedHere:
            log.warning("webhook_former_secret_not_readable", endpoint=str(endpoint.id))
    return " ".join(Webhook(secret).sign(webhook_id, now, body) for secret in found)
