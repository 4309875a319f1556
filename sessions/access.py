"""The only place that fetches chat sessions and messages for somebody."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Subquery

from chatify.accounts.models import EndUser
from chatify.accounts.principal import Principal
from chatify.common.errors import Conflict, InvalidInput, NotFound
from sessions.models import ChatSession, ChatSessionQuerySet, Message

OBJECT_RELATED = ("end_user", "partner", "template", "version", "suggested_template")
"""What a chat session object tells of other rows."""


def chat_sessions_for(principal: Principal, external_id: str | None = None) -> ChatSessionQuerySet:
    """The chat sessions that the principal may see; for an API key those that one end user takes part in, if named."""
    rows = ChatSession.objects.existing().filter(tenant_id=principal.tenant_id)
    if principal.end_user_id is not None:
        rows = rows.of_end_user(principal.end_user_id)
    if principal.chat_session_id is not None:
        rows = rows.filter(id=principal.chat_session_id)
    if external_id is not None:
        named = EndUser.objects.filter(tenant_id=principal.tenant_id, external_id=external_id)
        if principal.end_user_id is not None:  # else people could find out who it is that they talk to
            named = named.filter(id=principal.end_user_id)
        rows = rows.of_end_user(Subquery(named.values("id")[:1]))
    return rows.select_related(*OBJECT_RELATED)


def get_chat_session(principal: Principal, chat_session_id: UUID) -> ChatSession:
    """One chat session. Raises NotFound, also for somebody else's."""
    chat_session = chat_sessions_for(principal).filter(id=chat_session_id).first()
    if chat_session is None:
        raise NotFound("There is no such chat session.")
    return chat_session


def as_participant(
    principal: Principal, chat_session: ChatSession, external_id: str | None, field: str = "user"
) -> Principal:
    """Whoever acts in a chat session that the principal may see: in a human room always one of the two.

    `external_id` is whom the call names at `field`: a key has to in a human room, nobody else ever. Raises InvalidInput
    (`required`, `not_yours`, or `not_in_room` for somebody who takes no part in it).
    """
    if principal.end_user_id is not None:
        if external_id is not None and external_id != _own(principal, chat_session).external_id:
            raise InvalidInput.at(field, "not_yours", "This is somebody else.")
        return principal
    if chat_session.partner is not None:
        principal.require_external_id(external_id, field)
    if external_id is None:
        return principal
    found = next((one for one in people_of(chat_session) if one.external_id == external_id), None)
    if found is None:
        raise InvalidInput.at(field, "not_in_room", "This user takes no part in this chat session.")
    return principal.speaking_for(found.id) if chat_session.partner is not None else principal


def people_of(chat_session: ChatSession) -> tuple[EndUser, ...]:
    """The end user, and in a human room the second person."""
    both = chat_session.end_user, chat_session.partner
    return tuple(one for one in both if one is not None)


def _own(principal: Principal, chat_session: ChatSession) -> EndUser:
    return next(one for one in people_of(chat_session) if one.id == principal.end_user_id)


def require_personality(chat_session: ChatSession) -> None:
    """Raises Conflict (`human_room`) where two people talk to each other, and no personality takes part."""
    if chat_session.mode == ChatSession.Mode.HUMAN:
        raise Conflict("No personality takes part in this.", code="human_room")


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
