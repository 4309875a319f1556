"""Somebody has looked at an edit in Firestore that could not be taken."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from chatify.accounts.audit import Who, record
from chatify.mirror.models import InboundReport
from chatify.mirror.taking import write_again


@transaction.atomic
def settle(*, report_ids: Iterable[UUID], who: Who) -> int:
    """Mark reports as settled, and have ours written where a refused edit still stands. Gives their number.

    What was written there stays in the report. A document without a personality of ours stays in Firestore, until a
    rebuild removes it.
    """
    wanted = InboundReport.objects.filter(id__in=list(report_ids), settled_at=None)
    rows = list(wanted.select_for_update(of=("self",)).select_related("template").order_by("id"))
    InboundReport.objects.filter(id__in=[row.id for row in rows]).update(settled_at=timezone.now())
    for row in rows:
        tenant_id = row.tenant.id if row.tenant else None
        subject_id = row.template.id if row.template else None
        record("firestore.settled", who=who, tenant_id=tenant_id, subject_id=subject_id, kind=row.kind)
        if row.kind == InboundReport.Kind.REFUSED and row.template and settings.FIRESTORE_IS_ON:
            write_again(row.template)
    return len(rows)
