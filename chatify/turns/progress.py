"""Reads for those who follow chat sessions: how far the database is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q

from chatify.turns.live import FLOOR_NOT_ASKED, NOT_ASKED, Floor, Suggested
from sessions.access import OBJECT_RELATED
from sessions.models import ChatSession, Message
from sessions.objects import NAMED, message_object, names_of, suggestion_of

PAGE = 200
_FIELDS = (
    "id", "last_seq", "status", "status_reason", "deleted_at", "running_reply_id", "version_id", "suggested_before",
    "speaker_epoch", "speaker",
)  # fmt: skip
_SUGGESTION = tuple(f"suggested_template__{name}" for name in ("slug", "name", "is_active", "deleted_at"))
_SUGGESTION += ("suggestion_reason",)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a chat session is. One that is gone was erased, and no row of it will ever come."""

    last_seq: int
    is_over: bool
    running_reply_id: UUID | None
    is_gone: bool = False
    status: str = ""
    reason: str = ""
    version_id: UUID | None = None
    suggested: Suggested = NOT_ASKED
    floor: Floor = FLOOR_NOT_ASKED


@dataclass(frozen=True, slots=True)
class Row:
    """A message with what its object does not tell."""

    chat_session_id: UUID
    message_id: UUID
    seq: int
    role: str
    status: str
    lease_owner: str
    wire: dict[str, Any]


def progress_of(chat_session_ids: Iterable[UUID]) -> dict[UUID, Progress]:
    """The progress of these chat sessions; one that is gone is over."""
    ids = list(chat_session_ids)
    rows = ChatSession.objects.filter(id__in=ids).values_list(*_FIELDS, *_SUGGESTION)
    found = {
        id_: Progress(
            last_seq,
            status == ChatSession.Status.ENDED or deleted_at is not None,
            running,
            status=status,
            reason=reason,
            version_id=version_id,
            suggested=Suggested.of(before, suggestion_of(*suggestion)),
            floor=Floor(epoch, speaker),
        )
        for id_, last_seq, status, reason, deleted_at, running, version_id, before, epoch, speaker, *suggestion in rows
    }
    return {id_: found.get(id_, Progress(0, True, None, is_gone=True)) for id_ in ids}


def read_chat_sessions(chat_session_ids: Iterable[UUID]) -> list[ChatSession]:
    """These chat sessions, with what their objects tell."""
    rows = ChatSession.objects.existing().filter(id__in=list(chat_session_ids))
    return list(rows.select_related(*OBJECT_RELATED))


def news_since(known: Mapping[UUID, int], message_ids: Iterable[UUID]) -> list[Row]:
    """Messages beyond the known `seq` of each chat session, and these messages, in `seq` order."""
    wanted = Q(id__in=list(message_ids))
    for chat_session_id, seq in known.items():
        wanted |= Q(chat_session_id=chat_session_id, seq__gt=seq)
    return list(_rows(wanted))


def read_messages(chat_session_id: UUID, *, after_seq: int, limit: int = PAGE) -> list[Row]:
    """A page of messages in `seq` order."""
    return list(_rows(Q(chat_session_id=chat_session_id, seq__gt=after_seq), limit))


def read_message(chat_session_id: UUID, message_id: UUID) -> Row | None:
    """One message of a chat session."""
    return next(_rows(Q(chat_session_id=chat_session_id, id=message_id)), None)


def read_reply_after(chat_session_id: UUID, seq: int) -> Row | None:
    """The reply to the user message of this number: the latest of those that answer it, or None yet."""
    asked = Message.objects.filter(chat_session_id=chat_session_id, seq=seq).values_list("answered_by", flat=True)
    reply_id = asked.first()
    return read_message(chat_session_id, reply_id) if reply_id else None


def ending_of(chat_session_id: UUID) -> str:
    """Why a chat session is over."""
    found = ChatSession.objects.filter(id=chat_session_id).values_list("deleted_at", "end_reason").first()
    return "deleted" if found is None or found[0] is not None else found[1]


def _rows(wanted: Q, limit: int = 5 * PAGE) -> Iterator[Row]:
    rows = Message.objects.filter(wanted).select_related(*NAMED)
    for message in rows.order_by("seq")[:limit]:
        yield Row(
            message.chat_session_id,
            message.id,
            message.seq,
            message.role,
            message.status,
            message.lease_owner,
            message_object(message, names_of(message, message.chat_session)),
        )
