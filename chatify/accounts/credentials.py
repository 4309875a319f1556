"""API keys and socket tickets: how they look and how they are checked."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from hmac import compare_digest
from time import monotonic
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from chatify.accounts.models import ApiKey, SocketTicket, Tenant
from chatify.accounts.principal import SCOPES, Credential, Principal
from chatify.accounts.revocation import revoked_of
from chatify.accounts.tokens import principal_of_token
from chatify.common.errors import NotFound

TICKET_LIFETIME = timedelta(seconds=30)
USE_NOTED_SECONDS = 60.0
"""How exactly `last_used_at` is kept: a write at every call would cost more than the check."""

_KEY = re.compile(r"ck_([a-z0-9]{8})_[A-Za-z0-9_-]{32,64}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_used: dict[UUID, float] = {}


@transaction.atomic
def create_api_key(
    *,
    tenant: Tenant,
    name: str,
    key: str = "",
    scopes: Sequence[str] = SCOPES,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and give it with its plain text, which is nowhere stored. `key` sets the text (for a demo's).

    Raises ValueError for a text that is not of the form ck_<8>_<32 to 64>, IntegrityError for a prefix that is used.
    """
    key = key or f"ck_{''.join(secrets.choice(_ALPHABET) for _ in range(8))}_{secrets.token_urlsafe(30)}"
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError("An API key looks like ck_<8 lower-case letters or digits>_<32 to 64 letters or digits>.")
    made = ApiKey.objects.create(
        tenant=tenant,
        name=name,
        prefix=match[1],
        digest=_digest(key),
        scopes=[scope for scope in SCOPES if scope in scopes],
        expires_at=expires_at,
    )
    return made, key


def principal_of(credential: str) -> Principal | None:
    """Whom a working API key, access token or end-user token speaks for, or None."""
    return principal_of_key(credential) if credential.startswith("ck_") else principal_of_token(credential)


def principal_of_key(key: str) -> Principal | None:
    """The tenant's principal for a working key, or None."""
    match = _KEY.fullmatch(key)
    found = ApiKey.objects.working().filter(prefix=match[1]).first() if match else None
    if found is None or not compare_digest(found.digest, _digest(key)):
        return None
    _note_use(found.id)
    credential = Credential(api_key_id=found.id, is_key=True)
    return Principal(found.tenant_id, scopes=frozenset(found.scopes), credential=credential)


def _note_use(api_key_id: UUID) -> None:
    now = monotonic()
    if now - _used.get(api_key_id, -USE_NOTED_SECONDS) >= USE_NOTED_SECONDS:
        _used[api_key_id] = now
        recently = timezone.now() - timedelta(seconds=USE_NOTED_SECONDS)
        stale = Q(last_used_at=None) | Q(last_used_at__lt=recently)
        ApiKey.objects.filter(stale, id=api_key_id).update(last_used_at=timezone.now())


# Socket tickets -----------------------------------------------------------------------------------


def issue_ticket(
    *, tenant_id: UUID, end_user_id: UUID, chat_session_id: UUID | None, credential: Credential
) -> tuple[str, datetime]:
    """A fresh ticket for the socket of a chat session, or of matchmaking (None), and the time it expires.

    Its socket closes when `credential` is revoked.

    Raises NotFound when the end user is erased in this moment.
    """
    ticket = secrets.token_urlsafe(32)
    expires_at = timezone.now() + TICKET_LIFETIME
    try:
        SocketTicket.objects.create(
            digest=_digest(ticket),
            tenant_id=tenant_id,
            end_user_id=end_user_id,
            chat_session_id=chat_session_id,
            credential=credential.as_json(),
            expires_at=expires_at,
        )
    except IntegrityError:
        raise NotFound("There is no such user.") from None
    return ticket, expires_at


def redeem_ticket(ticket: str, chat_session_id: UUID | None) -> Principal | None:
    """Use a ticket up. None when it is unknown, used, expired, for another socket, or whoever got it may not come in
    any more."""
    usable = SocketTicket.objects.filter(
        digest=_digest(ticket), chat_session_id=chat_session_id, used_at=None, expires_at__gt=Now()
    )
    if not usable.update(used_at=Now()):
        return None
    row = SocketTicket.objects.filter(digest=_digest(ticket)).first()
    if row is None:  # erased in this moment
        return None
    principal = Principal(
        row.tenant_id,
        end_user_id=row.end_user_id,
        chat_session_id=chat_session_id,
        credential=Credential.from_json(row.credential),
    )
    return None if revoked_of({principal}) else principal


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
