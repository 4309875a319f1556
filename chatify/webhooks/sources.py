"""Matchmakers that may send events in: their rows and secrets, each change with its entry in the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from chatify.accounts.audit import Who, record
from chatify.accounts.models import Tenant
from chatify.common.errors import Conflict, NotFound
from chatify.common.sealing import seal
from chatify.webhooks.models import WebhookSource
from chatify.webhooks.signing import new_secret, rotate

MAX_SOURCES = 50
USE_NOTED = timedelta(seconds=60)
"""How exactly `last_used_at` is kept."""


@transaction.atomic
def create_source(*, tenant: Tenant, name: str, who: Who) -> tuple[WebhookSource, str]:
    """Another source of a tenant, and its secret, which is shown this once. Raises Conflict (`too_many_sources`)."""
    Tenant.objects.select_for_update(no_key=True).get(id=tenant.id)  # so that two do not both fit in
    if WebhookSource.objects.filter(tenant=tenant).count() >= MAX_SOURCES:
        raise Conflict(f"At most {MAX_SOURCES} sources: delete some.", code="too_many_sources")
    secret = new_secret()
    made = WebhookSource.objects.create(tenant=tenant, name=name, secret=seal(secret))
    _record("source.created", made, who)
    return made, secret


@transaction.atomic
def update_source(*, source: WebhookSource, changes: dict[str, Any], who: Who) -> None:
    """Write the fields that differ: `name`, `is_active`. Of one that is not active nothing is taken.

    Raises NotFound when it was deleted meanwhile.
    """
    changed = {field: value for field, value in changes.items() if getattr(source, field) != value}
    if not changed:
        return
    if not WebhookSource.objects.filter(id=source.id).update(**changed):
        raise NotFound("There is no such source.")
    source.refresh_from_db()
    _record("source.updated", source, who, fields=sorted(changed))


@transaction.atomic
def rotate_source(*, source: WebhookSource, who: Who) -> str:
    """Another secret, shown this once. The one before is good for a day longer, and those before it no more.

    Raises NotFound when it was deleted meanwhile.
    """
    row = WebhookSource.objects.select_for_update().filter(id=source.id).first()
    if row is None:
        raise NotFound("There is no such source.")
    secret, changes = rotate(row)
    WebhookSource.objects.filter(id=row.id).update(**changes)
    source.refresh_from_db()
    _record("source.rotated", source, who)
    return secret


@transaction.atomic
def delete_sources(*, source_ids: Iterable[UUID], who: Who) -> int:
    """Nothing that they send is taken any more; what they have started goes on. Gives their number."""
    rows = list(WebhookSource.objects.select_for_update().filter(id__in=list(source_ids)).order_by("id"))
    for row in rows:
        _record("source.deleted", row, who)
    WebhookSource.objects.filter(id__in=[row.id for row in rows]).delete()
    return len(rows)


def note_use(source: WebhookSource) -> None:
    """Write that it was used, at most once a minute."""
    if source.last_used_at is None or timezone.now() - source.last_used_at > USE_NOTED:
        WebhookSource.objects.filter(id=source.id).update(last_used_at=Now())


def _record(action: str, source: WebhookSource, who: Who, **details: Any) -> None:
    record(action, who=who, tenant_id=source.tenant_id, subject_id=source.id, **details)
