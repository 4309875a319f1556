"""Writes of summaries: those of workers, under their claim, and those of staff."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from chatify.accounts.audit import Who, record
from chatify.accounts.models import User
from chatify.accounts.usage import add_tokens
from chatify.common.errors import Conflict, NotFound
from chatify.events.bus import emit
from chatify.memory.claims import Claim, give_back, give_back_done, lock
from chatify.memory.summarizing import Made, Source
from chatify.memory.texts import check_written
from sessions.access import require_personality
from sessions.models import ChatSession, ChatSessionQuerySet, Summary

MAX_EDITED = 4_000
"""Code points that a person may write."""


@transaction.atomic
def write_summary(*, claim: Claim, source: Source, made: Made) -> bool:
    """Write what was made of `source`: the next summary, or in place of the stale one. Ends the claim.

    Its tokens are counted. False if nothing else was written, because the claim is lost or what the source was read
    from has changed.
    """
    row = lock(claim)
    if row is None:
        return False
    add_tokens(tenant_id=row.tenant_id, end_user_id=row.end_user_id, tokens=made.usage.total)
    if row.context_version != source.context_version or not _put(row, source, made):
        give_back(claim)
        return False
    changes = {} if source.stale_id else {"summarized_seq": source.to_seq}
    give_back_done(claim, context_version=F("context_version") + 1, **changes)
    return True


def _put(row: ChatSession, source: Source, made: Made) -> bool:
    values = {
        "text": made.text,
        "model": made.model,
        "prompt_version": made.prompt_version,
        "prompt_tokens": made.usage.prompt_tokens,
        "completion_tokens": made.usage.completion_tokens,
        "is_usage_estimated": made.usage.is_estimated,
        "cost": made.cost,
    }
    if source.stale_id is None:
        return _add(row, source, values)
    changed = Summary.objects.filter(id=source.stale_id, is_stale=True).update(**values, is_stale=False)
    if changed:
        _outdate_next(row.id, source.to_seq)
        _tell("summary.changed", row, source.stale_id)
    return bool(changed)


def _add(row: ChatSession, source: Source, values: dict[str, object]) -> bool:
    if row.summarized_seq != source.from_seq - 1:
        return False
    summary = Summary(
        tenant_id=row.tenant_id, chat_session=row, from_seq=source.from_seq, to_seq=source.to_seq, **values
    )
    summary.save(force_insert=True)
    _tell("summary.created", row, summary.id)
    return True


# Staff --------------------------------------------------------------------------------------------


@transaction.atomic
def edit_summary(*, summary_id: UUID, text: str, who: Who) -> Summary:
    """Give a summary the text that a person wrote. The one after it is made again, unless a person wrote that, too.

    Raises NotFound, also when its chat session was deleted; InvalidInput (`text`: empty, too long, not storable).
    """
    check_written(text, most=MAX_EDITED)
    summary, row = _lock(summary_id)
    if summary.text == text and not summary.is_stale:
        return summary
    summary.text, summary.is_stale = text, False
    summary.edited_at, summary.edited_by = timezone.now(), who if isinstance(who, User) else None
    summary.save(update_fields=["text", "is_stale", "edited_at", "edited_by"])
    changes = {"memory_due_at": Now(), "memory_claim": None} if _outdate_next(row.id, summary.to_seq) else {}
    ChatSession.objects.filter(id=row.id).update(context_version=F("context_version") + 1, **changes)
    _tell("summary.changed", row, summary.id)
    record("summary.edited", who=who, tenant_id=row.tenant_id, subject_id=summary.id, chat_session=str(row.id))
    return summary


@transaction.atomic
def rebuild_summary(*, summary_id: UUID, who: Who) -> None:
    """Have a summary made again of what it was made of; until then it stays in use.

    Raises NotFound, also when its chat session was deleted.
    """
    summary, row = _lock(summary_id)
    Summary.objects.filter(id=summary.id).update(is_stale=True, edited_at=None, edited_by=None)
    _make_due(ChatSession.objects.filter(id=row.id))
    record("summary.rebuilt", who=who, tenant_id=row.tenant_id, subject_id=summary.id, chat_session=str(row.id))


def followers(summary: Summary) -> list[UUID]:
    """The later summaries that are made again when this one changes: all of them, up to one that a person wrote."""
    later = Summary.objects.filter(chat_session_id=summary.chat_session_id, from_seq__gt=summary.to_seq)
    rows = later.order_by("from_seq").values_list("id", "edited_at")
    return [id_ for id_, _ in takewhile(lambda row: row[1] is None, rows)]


@transaction.atomic
def retry_memory(*, chat_session_ids: Iterable[UUID], who: Who) -> int:
    """Look now for what memory has to do in these chat sessions, whatever failed before. Gives their number.

    Those that a worker is at in this moment are left to it, and rooms of two people alone.
    """
    with_ai = ChatSession.objects.existing().filter(mode=ChatSession.Mode.AI)
    free = with_ai.filter(id__in=list(chat_session_ids), memory_claim=None)
    rows = list(free.select_for_update().order_by("id"))
    for row in rows:
        record("memory.retried", who=who, tenant_id=row.tenant_id, subject_id=row.id)
    return _make_due(ChatSession.objects.filter(id__in=[row.id for row in rows]))


@transaction.atomic
def rebuild_memories(*, chat_session_id: UUID, who: Who) -> None:
    """Have the whole of an ended chat session searched for memories again; what was forgotten stays so.

    Raises NotFound, Conflict (`not_ended`, `human_room`).
    """
    row = ChatSession.objects.existing().select_for_update().filter(id=chat_session_id).first()
    if row is None:
        raise NotFound("There is no such chat session.")
    require_personality(row)
    if row.status != ChatSession.Status.ENDED:
        raise Conflict("Memories are looked for when a chat session has ended.", code="not_ended")
    ChatSession.objects.filter(id=row.id).update(facts_seq=0)
    _make_due(ChatSession.objects.filter(id=row.id))
    record("memory.rebuilt", who=who, tenant_id=row.tenant_id, subject_id=row.id)


def _make_due(rows: ChatSessionQuerySet) -> int:
    return rows.update(memory_due_at=Now(), memory_claim=None, memory_attempts=0, memory_error="")


def _lock(summary_id: UUID) -> tuple[Summary, ChatSession]:
    """A summary, and its chat session, whose lock orders everything that changes either."""
    of_it = Summary.objects.filter(id=summary_id).values("chat_session_id")
    row = ChatSession.objects.existing().select_for_update().filter(id__in=of_it).first()
    summary = Summary.objects.filter(id=summary_id).first()
    if row is None or summary is None:
        raise NotFound("There is no such summary.")
    return summary, row


def _outdate_next(chat_session_id: UUID, to_seq: int) -> bool:
    """The summary after this one does not fit it any more, unless a person wrote it. Whether there is such a one."""
    following = (
        Summary.objects.filter(chat_session_id=chat_session_id, from_seq__gt=to_seq).order_by("from_seq").first()
    )
    if following is None or following.edited_at is not None:
        return False
    return bool(Summary.objects.filter(id=following.id).update(is_stale=True))


def _tell(event: str, row: ChatSession, summary_id: UUID) -> None:
    emit(event, tenant_id=row.tenant_id, chat_session_id=row.id, subject_id=summary_id)
