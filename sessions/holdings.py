"""What is kept about end users here: how it is exported, and how it is erased."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chatify.accounts.models import EndUser
from chatify.accounts.personal_data import Holding, Page, register_holding
from sessions.access import OBJECT_RELATED
from sessions.actions import PURGED_AT_ONCE, delete_chat_sessions, purge_chat_sessions
from sessions.models import ChatSession, Feedback, Message, Summary
from sessions.objects import chat_session_object, message_object, names_of, summary_object

READ_AT_ONCE = 50
_NOT_TOLD = ("user", "ws_url", "disclosure")
"""Of chat sessions: told elsewhere, or no data."""


def register_holdings() -> None:
    """Said by the app when it is ready."""
    register_holding(Holding("chat_sessions", export=_chat_sessions, hide=_hide, erase=_erase))
    register_holding(Holding("messages", export=_messages))
    register_holding(Holding("summaries", export=_summaries))
    register_holding(Holding("feedback", export=_feedback))


def _hide(end_user: EndUser) -> None:
    ids = ChatSession.objects.existing().of_end_user(end_user.id).values_list("id", flat=True)
    delete_chat_sessions(chat_session_ids=ids)


def _erase(end_user: EndUser) -> None:
    theirs = ChatSession.objects.of_end_user(end_user.id).order_by("id").values_list("id", flat=True)
    while ids := list(theirs[:PURGED_AT_ONCE]):
        purge_chat_sessions(chat_session_ids=ids)


def _chat_sessions(end_user: EndUser, after: UUID | None) -> Page:
    """Oldest first, as everywhere here; also those that were deleted, which is soft."""
    rows = ChatSession.objects.of_end_user(end_user.id).select_related(*OBJECT_RELATED)
    found = list((rows.filter(id__gt=after) if after else rows).order_by("id")[:READ_AT_ONCE])
    return [_chat_session_object(row, end_user) for row in found], found[-1].id if len(found) == READ_AT_ONCE else None


def _chat_session_object(chat_session: ChatSession, end_user: EndUser) -> dict[str, Any]:
    told = chat_session_object(chat_session, ws_base="", viewer=end_user.id)
    return {name: value for name, value in told.items() if name not in _NOT_TOLD} | {
        "deleted_at": chat_session.deleted_at
    }


def _messages(end_user: EndUser, after: tuple[UUID, int] | None) -> Page:
    """Chat session by chat session, so that each page is read along an index."""
    chat_session_id, seq = after or (UUID(int=0), 0)
    theirs = ChatSession.objects.of_end_user(end_user.id).filter(id__gte=chat_session_id).order_by("id")
    chat_session = theirs.select_related("end_user", "partner", "template").first()
    if chat_session is None:
        return [], None
    seq = seq if chat_session.id == chat_session_id else 0
    rows = Message.objects.filter(chat_session=chat_session, seq__gt=seq).select_related("version__template")
    found = list(rows.order_by("seq")[:READ_AT_ONCE])
    told = [{"chat_session_id": row.chat_session_id, **_message(row, chat_session)} for row in found]
    if len(found) == READ_AT_ONCE:
        return told, (chat_session.id, found[-1].seq)
    following = theirs.filter(id__gt=chat_session.id).values_list("id", flat=True).first()
    return told, (following, 0) if following else None


def _message(row: Message, chat_session: ChatSession) -> dict[str, Any]:
    return message_object(row, names_of(row, chat_session))


def _summaries(end_user: EndUser, after: UUID | None) -> Page:
    rows = Summary.objects.filter(chat_session__end_user=end_user)
    found = list((rows.filter(id__gt=after) if after else rows).order_by("id")[:READ_AT_ONCE])
    told = [{"chat_session_id": row.chat_session_id, **summary_object(row)} for row in found]
    return told, found[-1].id if len(found) == READ_AT_ONCE else None


def _feedback(end_user: EndUser, after: UUID | None) -> Page:
    rows = Feedback.objects.filter(chat_session__end_user=end_user)
    told = ("id", "chat_session_id", "message_id", "rating", "comment", "created_at", "updated_at")
    found = list((rows.filter(id__gt=after) if after else rows).order_by("id").values(*told)[:READ_AT_ONCE])
    return [dict(row) for row in found], found[-1]["id"] if len(found) == READ_AT_ONCE else None
