"""Whether what came in is from a source of ours, and whole (Standard Webhooks).

Whoever does not know a secret learns nothing: whatever is wrong, the answer is the same, after the same work.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b, sha256
from uuid import UUID

import structlog
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from chatify.common.errors import InvalidInput, NotAuthenticated
from chatify.common.sealing import NotSealedHere, seal, unseal
from chatify.webhooks.models import WebhookSource
from chatify.webhooks.signing import new_secret

TOLERANCE_SECONDS = 300
MAX_ID = 128
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")

_SECONDS = re.compile(r"[0-9]{1,12}")
_ID = re.compile(r"[\x21-\x7e]+")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a source sent, verified. `signature` is a digest of what was signed: it is the same for the same sending,
    however its header was written."""

    source: WebhookSource
    webhook_id: str
    body_digest: str
    signature: str


def verify(*, source_id: str | None, headers: Mapping[str, str], body: bytes) -> Delivery:
    """The delivery of an active source of a tenant that exists.

    Raises NotAuthenticated (`old_timestamp`, `bad_signature`), InvalidInput for a webhook-id that is signed and yet no
    good.
    """
    shown = {name: headers.get(name, "") for name in HEADERS}
    if _SECONDS.fullmatch(shown["webhook-timestamp"]) and not _is_of_now(int(shown["webhook-timestamp"])):
        raise NotAuthenticated("This was signed more than five minutes ago, or will be.", code="old_timestamp")
    source = _find(source_id)
    is_right = [_is_signed(secret, shown, body) for secret in _secrets(source)]  # all of them, whichever is right
    if source is None or not any(is_right):
        raise NotAuthenticated("The signature is missing or wrong, or the source is not known.", code="bad_signature")
    if len(shown["webhook-id"]) > MAX_ID:
        raise InvalidInput.at("webhook-id", "too_long", f"At most {MAX_ID} characters.")
    if not _ID.fullmatch(shown["webhook-id"]):
        raise InvalidInput.at("webhook-id", "bad_characters", "Printable ASCII without spaces is expected.")
    digest = sha256(body).hexdigest()
    signed = f"{shown['webhook-timestamp'].lstrip('0')}.{digest}".encode()
    return Delivery(source, shown["webhook-id"], digest, blake2b(signed, digest_size=16).hexdigest())


def _is_of_now(seconds: int) -> bool:
    return abs(time.time() - seconds) <= TOLERANCE_SECONDS


def _find(source_id: str | None) -> WebhookSource | None:
    try:
        wanted = UUID(source_id or "")
    except ValueError:
        wanted = UUID(int=0)  # there is none; it is looked up all the same
    rows = WebhookSource.objects.filter(is_active=True, tenant__deleted_at=None)
    return rows.filter(id=wanted).first()


def _is_signed(secret: str, shown: Mapping[str, str], body: bytes) -> bool:
    if not _SECONDS.fullmatch(shown["webhook-timestamp"]):  # the library would take "1e9" and "1_0", too
        return False
    try:
        Webhook(secret).verify(body, dict(shown), json_parse=False)
    except (WebhookVerificationError, ValueError):  # the library lets what base64, UTF-8 and split say get through
        return False
    return True


def _secrets(source: WebhookSource | None) -> list[str]:
    """Always two, so that nobody can tell by the time whether there is a source, or a former secret."""
    current = source.secret if source else _decoy()
    former = current
    if source and source.former_secret and source.former_until and source.former_until > timezone.now():
        former = source.former_secret
    return [_unsealed(sealed) for sealed in (current, former)]


def _unsealed(sealed: str) -> str:
    try:
        return unseal(sealed)
    except NotSealedHere:
        log.error("webhook_secret_unreadable", hint="ENCRYPTION_KEY has changed: rotate the secrets of the sources.")
        return unseal(_decoy())


@cache
def _decoy() -> str:
    return seal(new_secret())
