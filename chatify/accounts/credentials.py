"""API keys and socket tickets: how they look and how they are checked."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from hmac import compare_digest
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from chatify.accounts.models import ApiKey, SocketTicket, Tenant
from chatify.accounts.principal import Principal

TICKET_LIFETIME = timedelta(seconds=30)

_KEY = re.compile(r"ck_([a-z0-9]{8})_[A-Za-z0-9_-]{32,64}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


@transaction.atomic
def create_api_key(*, tenant: Tenant, name: str, key: str = "", expires_at: datetime | None = None) -> str:
    """Make a key and give its plain text, which is nowhere stored. `key` sets the text (for a demo's).

    Raises ValueError for a text that is not of the form ck_<8>_<32 to 64>, IntegrityError for a prefix that is used.
    """
    key = key or f"ck_{''.join(secrets.choice(_ALPHABET) for _ in range(8))}_{secrets.token_urlsafe(30)}"
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError("An API key looks like ck_<8 lower-case letters or digits>_<32 to 64 letters or digits>.")
    ApiKey.objects.create(tenant=tenant, name=name, prefix=match[1], digest=_digest(key), expires_at=expires_at)
    return key


def principal_of_key(key: str) -> Principal | None:
    """The tenant's principal for a working key, or None."""
    match = _KEY.fullmatch(key)
    found = ApiKey.objects.working().filter(prefix=match[1]).first() if match else None
    if found is None or not compare_digest(found.digest, _digest(key)):
        return None
    return Principal(tenant_id=found.tenant_id, api_key_id=found.id)


def revoked_of(api_key_ids: Iterable[UUID | None]) -> set[UUID]:
    """Those of these keys that were revoked, or have expired or gone."""
    ids = {id_ for id_ in api_key_ids if id_ is not None}
    return ids - set(ApiKey.objects.working().filter(id__in=ids).values_list("id", flat=True)) if ids else set()


def issue_ticket(*, tenant_id: UUID, end_user_id: UUID, chat_session_id: UUID) -> tuple[str, datetime]:
    """A fresh socket ticket and the time it expires."""
    ticket = secrets.token_urlsafe(32)
    expires_at = timezone.now() + TICKET_LIFETIME
    SocketTicket.objects.create(
        digest=_digest(ticket),
        tenant_id=tenant_id,
        end_user_id=end_user_id,
        chat_session_id=chat_session_id,
        expires_at=expires_at,
    )
    return ticket, expires_at


def redeem_ticket(ticket: str, chat_session_id: UUID) -> Principal | None:
    """Use a ticket up. None when it is unknown, used, expired or for another chat session."""
    usable = SocketTicket.objects.filter(
        digest=_digest(ticket), chat_session_id=chat_session_id, used_at=None, expires_at__gt=Now()
    )
    if not usable.update(used_at=Now()):
        return None
    row = SocketTicket.objects.get(digest=_digest(ticket))
    return Principal(row.tenant_id, end_user_id=row.end_user_id, chat_session_id=chat_session_id)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
