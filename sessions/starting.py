"""New chat sessions and human rooms: their rows, and writing many of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from chatify.accounts.models import EndUser
from chatify.events.bus import Event, emit_all
from sessions.models import ChatSession, Participant
from sessions.prompting import values_for
from templates_app.models import PromptTemplate
from templates_app.rendering import Values, render
from templates_app.selection import Choice


def new_chat_session(
    end_user: EndUser,
    template: PromptTemplate,
    choice: Choice,
    *,
    title: str = "",
    metadata: dict[str, Any] | None = None,
) -> ChatSession:
    """A chat session of somebody with the personality that was chosen for them, not yet saved."""
    now = timezone.now()
    return ChatSession(
        tenant_id=end_user.tenant_id,
        end_user=end_user,
        template=template,
        version=template.current_version,
        chosen_by=choice.by,
        choice_reason=choice.reason,
        title=title,
        greeting=render(template.greeting, values_of(end_user)),
        metadata=metadata or {},
        created_at=now,
        last_activity=now,
    )


def new_human_room(first: EndUser, second: EndUser, *, metadata: dict[str, Any] | None = None) -> ChatSession:
    """A human room of two people of one tenant, not yet saved."""
    now = timezone.now()
    return ChatSession(
        tenant_id=first.tenant_id,
        end_user=first,
        partner=second,
        mode=ChatSession.Mode.HUMAN,
        speaker=ChatSession.Speaker.HUMAN,
        metadata=metadata or {},
        created_at=now,
        last_activity=now,
    )


def save_chat_sessions(chat_sessions: Sequence[ChatSession]) -> None:
    """Write new chat sessions with their participants, in the caller's transaction, and tell that they started.

    Raises IntegrityError when a personality or somebody who takes part is gone by now.
    """
    ChatSession.objects.bulk_create(chat_sessions)
    Participant.objects.bulk_create([one for row in chat_sessions for one in _participants(row)])
    emit_all(Event("session.started", row.tenant_id, row.id) for row in chat_sessions)


def values_of(user: EndUser) -> Values:
    """What a prompt may know about an end user."""
    return values_for(
        name=user.name,
        age=user.age,
        interests=user.interests,
        style=user.style,
        remembered=user.remembered,
        now=timezone.localtime(),
    )


def _participants(row: ChatSession) -> list[Participant]:
    def one(kind: Participant.Kind, end_user: EndUser | None = None) -> Participant:
        return Participant(tenant_id=row.tenant_id, chat_session=row, kind=kind, end_user=end_user)

    other = one(Participant.Kind.AI) if row.partner is None else one(Participant.Kind.END_USER, row.partner)
    return [one(Participant.Kind.END_USER, row.end_user), other]
