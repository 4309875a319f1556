"""Reading a chat session with its lock, and making the rows of a turn."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from chatify.accounts.models import is_adult
from chatify.accounts.principal import Principal
from chatify.common.errors import AgeRestricted, Conflict, InvalidInput, NotFound
from chatify.common.ids import uuid7
from chatify.common.prepared import PreparedQuery
from chatify.llm.types import ChatRequest
from chatify.memory.budget import corrections
from chatify.memory.window import Window, memories_of
from chatify.turns.context import Speaker, build_request
from chatify.turns.spec import ReplySpec
from sessions.models import ChatSession, Message, Participant
from sessions.objects import Names, message_object
from sessions.prompting import values_for
from templates_app.access import get_version

LEASE = timedelta(seconds=15)


class LockedChatSession(NamedTuple):
    """What a turn needs of its chat session. Not a model instance: this is read at every turn."""

    id: UUID
    tenant_id: UUID
    status: str
    deleted_at: datetime | None
    title: str
    greeting: str
    chosen_by: str
    last_seq: int
    epoch: int
    context_version: int
    summarized_seq: int
    memory_due_at: datetime | None
    running_reply_id: UUID | None
    total_tokens_used: int
    mode: str
    speaker: str
    speaker_epoch: int
    version_id: UUID | None
    end_user_id: UUID
    partner_id: UUID | None
    end_user__name: str
    end_user__age: int | None
    end_user__interests: list[str]
    end_user__style: str
    end_user__remembered: dict[str, Any]
    end_user__memory_version: int
    partner__name: str | None
    template__name: str | None
    template__adult_only: bool | None
    now: datetime
    user_participant: UUID | None
    ai_participant: UUID | None
    human_participant: UUID | None

    @property
    def is_open(self) -> bool:
        """Whether it takes messages and may start replies."""
        return self.status != ChatSession.Status.ENDED and self.deleted_at is None

    @property
    def is_age_allowed(self) -> bool:
        """Whether this person may have this personality, by the profile as it is now."""
        return not self.template__adult_only or is_adult(self.end_user__age)

    @property
    def is_ai_speaking(self) -> bool:
        """Whether a personality answers: there is one, and the floor is its."""
        return self.speaker == ChatSession.Speaker.AI

    def check_open(self) -> None:
        """Raises Conflict (`session_ended`) or AgeRestricted."""
        if not self.is_open:
            raise Conflict("This chat session has ended.", code="session_ended")
        if not self.is_age_allowed:
            raise AgeRestricted

    def require_personality(self) -> None:
        """Raises Conflict (`human_room`) where two people talk to each other."""
        if self.mode == ChatSession.Mode.HUMAN:
            raise Conflict("No personality takes part in this.", code="human_room")


def lock(chat_session_id: UUID) -> LockedChatSession:
    """Lock a chat session, in the caller's transaction. Raises NotFound; one that was deleted is found."""
    # Whoever waits on PostgreSQL for a row that comes to another personality meanwhile finds none: its join is checked
    # again with the row as it is after the wait, against the personality of before.
    row = _locked(chat_session_id)
    return row if row.template__name is not None or row.version_id is None else _locked(chat_session_id)


def _locked(chat_session_id: UUID) -> LockedChatSession:
    rows = _LOCK.rows(id=chat_session_id)
    if not rows:
        raise NotFound("There is no such chat session.")
    return LockedChatSession(*rows[0])


def lock_for(principal: Principal, chat_session_id: UUID) -> LockedChatSession:
    """Lock a chat session that the principal may write to. Raises NotFound."""
    row = lock(chat_session_id)
    if not is_theirs(principal, row) or row.deleted_at is not None:
        raise NotFound("There is no such chat session.")
    return row


def is_theirs(principal: Principal, row: LockedChatSession | ChatSession) -> bool:
    """Whether the principal speaks for one of those who talk here."""
    people = [one for one in (row.end_user_id, row.partner_id) if one is not None]
    return any(principal.may_reach(tenant_id=row.tenant_id, end_user_id=one, chat_session_id=row.id) for one in people)


def role_of(principal: Principal, row: LockedChatSession | ChatSession) -> Message.Role:
    """The role of what the principal says here. Raises InvalidInput where a key does not say for whom it speaks."""
    if row.partner_id is None or principal.end_user_id == row.end_user_id:
        return Message.Role.USER
    if principal.end_user_id is None:
        raise InvalidInput.at("user", "required", "In a human room an API key has to name the user who speaks.")
    return Message.Role.HUMAN


def new_user_message(
    row: LockedChatSession, role: Message.Role, message_id: UUID, content: str, client_message_id: str | None
) -> Message:
    """The next message of the end user, or of the second person (role `human`), not yet saved."""
    sender = row.user_participant if role == Message.Role.USER else row.human_participant
    message = _new_message(row, message_id, row.last_seq + 1, role, sender)
    message.content, message.client_message_id = content, client_message_id
    return message


def new_reply(row: LockedChatSession, seq: int, owner: str, window: Window) -> tuple[ReplySpec, Message]:
    """A reply with `owner`'s lease, not yet saved. `window` is what was said before it."""
    request = _request(row, window)
    reply = _new_message(row, uuid7(), seq, Message.Role.ASSISTANT, row.ai_participant)
    reply.status, reply.epoch = Message.Status.STREAMING, row.epoch
    reply.version_id, reply.model = row.version_id, request.model
    reply.lease_owner, reply.lease_expires_at = owner, row.now + LEASE
    spec = ReplySpec(reply.id, row.id, row.tenant_id, seq, row.epoch, row.speaker_epoch, row.now, request, window)
    return spec, reply


def wire(message: Message, row: LockedChatSession, *, speaker: str = "") -> dict[str, Any]:
    """The message object of a row that was just made. `speaker` is who wrote it, if that is not who answers now."""
    names = Names(row.end_user__name, speaker or row.template__name or "", row.partner__name or "")
    return message_object(message, names)


def _participant(**which: Any) -> Subquery:
    return Subquery(Participant.objects.filter(chat_session=OuterRef("pk"), **which).values("id")[:1])


def _locking(id: UUID) -> QuerySet[Any, Any]:
    rows = ChatSession.objects.filter(id=id).order_by().select_for_update(of=("self",))
    rows = rows.annotate(
        now=Now(),
        user_participant=_participant(end_user=OuterRef("end_user")),
        ai_participant=_participant(kind=Participant.Kind.AI),
        human_participant=_participant(end_user=OuterRef("partner")),
    )
    return rows.values_list(*LockedChatSession._fields)


_LOCK = PreparedQuery(_locking, id=UUID(int=1))


def _new_message(row: LockedChatSession, id_: UUID, seq: int, role: str, sender_id: UUID | None) -> Message:
    return Message(
        id=id_,
        tenant_id=row.tenant_id,
        chat_session_id=row.id,
        seq=seq,
        role=role,
        sender_id=sender_id,
        created_at=row.now,
    )


def _request(row: LockedChatSession, window: Window) -> ChatRequest:
    assert row.version_id is not None  # only personalities reply
    version = get_version(row.version_id)
    model = (version.model if settings.OPENAI_API_KEY else "") or settings.CHAT_MODEL
    values = values_for(
        name=row.end_user__name,
        age=row.end_user__age,
        interests=row.end_user__interests,
        style=row.end_user__style,
        remembered=row.end_user__remembered,
        now=row.now,
    )
    # The greeting is of the personality that it began with.
    greeting = row.greeting if row.chosen_by != ChatSession.ChosenBy.SWITCH else ""
    speaker = Speaker(version, row.template__name or "", model, greeting, corrections.factor(model))
    memories = memories_of(row.end_user_id, row.end_user__memory_version)
    return build_request(speaker=speaker, values=values, window=window, memories=memories)
