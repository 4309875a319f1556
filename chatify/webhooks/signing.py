"""Signatures of what goes out (Standard Webhooks). Secrets are stored sealed, as signing takes the text itself."""

from __future__ import annotations

from datetime import datetime

import structlog
from standardwebhooks import Webhook

from chatify.common.sealing import NotSealedHere, unseal
from chatify.webhooks.models import WebhookEndpoint

log = structlog.get_logger(__name__)


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
