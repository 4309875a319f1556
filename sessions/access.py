"""The only place that fetches chat sessions and messages for somebody."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from chatify.accounts.principal import Principal
from chatify.common.errors import NotFound
from sessions.models import ChatSession, ChatSessionQuerySet, Message

OBJECT_RELATED = ("end_user", "partner", "template", "version", "suggested_template")
"""What a chat session object tells of other rows."""


def chat_sessions_for(principal: Principal, external_id: str | None = None) -> ChatSessionQuerySet:
    """The chat sessions that the principal may see; for an API key those of one end user, if named."""
    rows = ChatSession.objects.existing().filter(tenant_id=principal.tenant_id)
    if principal.end_user_id is not None:
        rows = rows.of_end_user(principal.end_user_id)
    if principal.chat_session_id is not None:
        rows = rows.filter(id=principal.chat_session_id)
    if external_id is not None:
        rows = rows.filter(Q(end_user__external_id=external_id) | Q(partner__external_id=external_id))
    return rows.select_related(*OBJECT_RELATED)


def get_chat_session(principal: Principal, chat_session_id: UUID) -> ChatSession:
    """One chat session. Raises NotFound, also for somebody else's."""
    chat_session = chat_sessions_for(principal).filter(id=chat_session_id).first()
    if chat_session is None:
        raise NotFound("There is no such chat session.")
    return chat_session


def lock_chat_session(chat_session_id: UUID) -> ChatSession:
    """One chat session, locked in the caller's transaction, who knows whose it is. Raises NotFound."""
    row = ChatSession.objects.existing().select_for_update().filter(id=chat_session_id).first()
    if row is None:
        raise NotFound("There is no such chat session.")
    return row


def get_message(chat_session: ChatSession, message_id: UUID) -> Message:
    """One message of a chat session that the caller got from here. Raises NotFound."""
    message = chat_session.messages.select_related("sender").filter(id=message_id).first()
    if message is None:
        raise NotFound("There is no such message in this chat session.")
    return message
