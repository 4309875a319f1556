"""Rows that Firestore refused: they wait for somebody to look at them, and can be tried again."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from chatify.accounts.audit import Who, record
from chatify.accounts.models import Tenant
from chatify.events.models import OutboxRow
from chatify.mirror.sink import NAME


def dead_letters(tenant: Tenant | None = None) -> QuerySet[OutboxRow]:
    """Those of everybody, or of a tenant."""
    rows = OutboxRow.objects.filter(sink=NAME, state=OutboxRow.State.DEAD)
    return rows if tenant is None else rows.filter(tenant_id=tenant.id)


@transaction.atomic
def replay(*, row_ids: Iterable[UUID], who: Who) -> int:
    """Let the relay try these again. Gives the number of those that were dead."""
    rows = list(OutboxRow.objects.select_for_update().filter(id__in=list(row_ids), state=OutboxRow.State.DEAD))
    OutboxRow.objects.filter(id__in=[row.id for row in rows]).update(state=OutboxRow.State.PENDING, error="")
    for row in rows:
        record("firestore.replayed", who=who, tenant_id=row.tenant_id, subject_id=row.subject_id, event=row.event)
    return len(rows)
