"""Messages that are no part of a turn: a greeting to who comes back, a goodbye, what Chatify itself has to say."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from chatify.events.bus import emit
from sessions.models import ChatSession, Message, Participant


def append_message(row: ChatSession, *, role: Message.Role, content: str, **changes: Any) -> Message:
    """Write a message that is complete at once as the next of a locked chat session, and tell it.

    `changes` are written to the chat session's row together with its number. One of role `assistant` is from the
    personality that answers now.
    """
    now = timezone.now()
    message = Message(
        tenant_id=row.tenant_id, chat_session=row, seq=row.last_seq + 1, role=role, content=content, created_at=now
    )
    if role == Message.Role.ASSISTANT:
        message.sender = row.participants.filter(kind=Participant.Kind.AI).first()
        message.version_id, message.finished_at = row.version_id, now
    message.save(force_insert=True)
    ChatSession.objects.filter(id=row.id).update(last_seq=message.seq, **changes)
    row.last_seq = message.seq
    emit("message.created", tenant_id=row.tenant_id, chat_session_id=row.id, subject_id=message.id)
    return message
