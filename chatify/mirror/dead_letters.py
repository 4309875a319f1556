"""Rows that Firestore refused: they wait for somebody to look at them, and can be tried again."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from chatify.accounts.audit import Who, record
from chatify.accounts.models import Tenant
from chatify.common.ids import uuid7
from chatify.events.models import OutboxRow
from chatify.mirror.sink import NAME

_AT_ONCE = 500


def dead_letters(tenant: Tenant | None = None) -> QuerySet[OutboxRow]:
    """Those of everybody, or of a tenant."""
    rows = OutboxRow.objects.filter(sink=NAME, state=OutboxRow.State.DEAD)
    return rows if tenant is None else rows.filter(tenant_id=tenant.id)


@transaction.atomic
def replay(*, row_ids: Iterable[UUID], who: Who) -> int:
    """Let the relay try these again. Gives the number of those that were dead.

    They queue up as new rows: nothing has waited for the relay while it lay here, and lag is told of the first in line.
    """
    wanted, count = list(row_ids), 0
    for start in range(0, len(wanted), _AT_ONCE):
        dead = OutboxRow.objects.select_for_update().filter(state=OutboxRow.State.DEAD)
        rows = list(dead.filter(id__in=wanted[start : start + _AT_ONCE]).order_by("id"))
        _queue_up(rows)
        for row in rows:
            record("firestore.replayed", who=who, tenant_id=row.tenant_id, subject_id=row.subject_id, event=row.event)
        count += len(rows)
    return count


def _queue_up(rows: list[OutboxRow]) -> None:
    OutboxRow.objects.filter(id__in=[row.id for row in rows]).delete()
    now = timezone.now()
    for row in rows:
        row.id, row.created_at, row.state, row.error = uuid7(), now, OutboxRow.State.PENDING, ""
    OutboxRow.objects.bulk_create(rows)
