"""What staff do about what people report, and about blocks."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from chatify.accounts.audit import Who, record
from chatify.accounts.models import User
from chatify.common.errors import NotFound
from chatify.matchmaking.models import Block, Report
from sessions.actions import end_chat_session
from sessions.models import ChatSession

ENDED_BY_STAFF = "ended_by_staff"


@transaction.atomic
def handle_report(*, report_id: UUID, state: Report.State, who: Who) -> bool:
    """Staff have looked at a report, and uphold or dismiss it; they may come to think otherwise later.

    Whether that changed anything. Raises NotFound.
    """
    report = Report.objects.select_for_update().filter(id=report_id).first()
    if report is None:
        raise NotFound("There is no such report.")
    if report.state == state:
        return False
    report.state, report.handled_at = state, timezone.now()
    report.handled_by = who if isinstance(who, User) else None
    report.save(update_fields=["state", "handled_at", "handled_by"])
    record(
        f"report.{state.value}",
        who=who,
        tenant_id=report.tenant_id,
        subject_id=report.id,
        reported=str(report.reported_id),
    )
    return True


@transaction.atomic
def end_reported_room(*, report_id: UUID, who: Who) -> bool:
    """End the room that a report is about, for both. Whether it was open. Raises NotFound."""
    report = Report.objects.select_related("chat_session").filter(id=report_id).first()
    if report is None:
        raise NotFound("There is no such report.")
    if report.chat_session.status == ChatSession.Status.ENDED:
        return False
    end_chat_session(chat_session_id=report.chat_session_id, reason=ENDED_BY_STAFF)
    record("room.ended", who=who, tenant_id=report.tenant_id, subject_id=report.chat_session_id)
    return True


@transaction.atomic
def delete_blocks(*, block_ids: Collection[UUID], who: Who) -> int:
    """These people may meet again. Gives the number of blocks that were there."""
    rows = list(Block.objects.select_for_update().filter(id__in=block_ids).order_by("id"))
    for row in rows:
        record("block.deleted", who=who, tenant_id=row.tenant_id, subject_id=row.id)
    Block.objects.filter(id__in=[row.id for row in rows]).delete()
    return len(rows)
