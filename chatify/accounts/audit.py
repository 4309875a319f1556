"""The audit log: written in the transaction of what it tells of."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog

from chatify.accounts.models import AuditEntry, User
from chatify.accounts.principal import Principal

Who = Principal | User | None
_Actor = AuditEntry.Actor


def record(
    action: str, *, who: Who, tenant_id: UUID | None = None, subject_id: UUID | None = None, **details: Any
) -> None:
    """Note that `who` (None: Chatify itself) did `action` to `subject_id`. `details` hold no secrets, no personal data.

    Actions are named noun.verb: key.created, tenant.deleted, template.changed, user.erased.
    """
    kind, actor_id = _actor(who)
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
    AuditEntry.objects.create(
        tenant_id=tenant_id,
        actor_kind=kind,
        actor_id=actor_id,
        action=action,
        subject_id=subject_id,
        details=details,
        request_id=request_id,
    )


def _actor(who: Who) -> tuple[str, UUID | None]:
    if who is None:
        return _Actor.SYSTEM, None
    if isinstance(who, User):
        return _Actor.STAFF if who.is_staff else _Actor.USER, who.id
    if who.is_api_key:
        return _Actor.API_KEY, who.credential.api_key_id
    if who.user_id is not None:
        return _Actor.USER, who.user_id
    return _Actor.END_USER, who.end_user_id
